// The log of requests: what it says, what it never says, and the client's trace.
#include "server/service/request_log.h"

#include <doctest/doctest.h>

#include <mutex>

#include "tests/server/test_server.h"
#include "text/python_json.h"

using namespace fathom;
using server::RequestRecord;
using test::Answer;
using test::chat_body;
using test::TestServer;

namespace {

RequestRecord traced(const std::string& parent, const std::string& state = "") {
  server::HttpRequest request;
  request.fields = {{"TraceParent", parent}};
  if (!state.empty()) request.fields.emplace_back("tracestate", state);
  RequestRecord record;
  server::read_trace(request, record);
  return record;
}

struct Collected {
  std::mutex mutex;
  std::vector<RequestRecord> records;
  size_t size() {
    const std::lock_guard lock(mutex);
    return records.size();
  }
};

}  // namespace

TEST_CASE("a trace is taken if it is well formed") {
  const std::string good = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
  CHECK(traced(good, "a=1").trace_id == "4bf92f3577b34da6a3ce929d0e0e4736");
  CHECK(traced(good, "a=1").parent_id == "00f067aa0ba902b7");
  CHECK(traced(good, "a=1").tracestate == "a=1");
  CHECK(traced("01" + good.substr(2) + "-more").trace_id.size() == 32);
  for (const std::string& bad :
       {good + "-more", good.substr(1), "ff" + good.substr(2), "00-" + std::string(32, '0') + good.substr(35),
        good.substr(0, 36) + std::string(16, '0') + "-01",
        std::string("00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01")}) {
    CAPTURE(bad);
    CHECK(traced(bad, "a=1").trace_id.empty());
    CHECK(traced(bad, "a=1").tracestate.empty());
  }
}

TEST_CASE("each request is one record, without its text unless that is asked for") {
  for (const bool prompts : {false, true}) {
    CAPTURE(prompts);
    Collected collected;
    test::TestServerOptions options;
    options.service.log_prompts = prompts;
    options.service.log = [&](const RequestRecord& record) {
      const std::lock_guard lock(collected.mutex);
      collected.records.push_back(record);
    };
    const TestServer server(options);
    const std::string trace = "traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01\r\n";
    const Answer answer =
        server.send(TestServer::post("/v1/chat/completions", chat_body("Compute 77 + 88.", 6),
                                     trace + "x-client-request-id: mine\r\n"),
                    true);
    CHECK(answer.status == 200);
    CHECK(test::eventually([&] { return collected.size() == 1; }));
    (void)server.send(TestServer::post("/v1/chat/completions", "{\"model\": \"secret"), true);
    (void)server.send("broken\r\n\r\n", true);
    CHECK(test::eventually([&] { return collected.size() == 3; }));
    const std::lock_guard lock(collected.mutex);
    const RequestRecord& first = collected.records.at(0);
    CHECK(first.request_id == answer.field("x-request-id"));
    CHECK(first.client_request_id == "mine");
    CHECK(first.trace_id == "4bf92f3577b34da6a3ce929d0e0e4736");
    CHECK(first.route == "/v1/chat/completions");
    CHECK(first.status == "ok");
    CHECK(first.mode == "none");
    CHECK(first.model == "v4-10m");
    CHECK(first.stats.prompt_tokens > 0);
    CHECK(first.stats.completion_tokens > 0);
    CHECK(first.seconds > 0);
    CHECK(collected.records.at(1).code == 400);
    CHECK(collected.records.at(1).error == "invalid_json");
    CHECK(collected.records.at(2).code == 400);
    std::string all;
    for (const RequestRecord& record : collected.records) {
      const std::string members = server::record_members(record);
      CHECK(parse_json_value("{" + members + "}").find("code"));
      all += members;
    }
    CHECK((all.find("77 + 88") != std::string::npos) == prompts);
    CHECK((all.find("secret") != std::string::npos) == prompts);
  }
}

TEST_CASE("what a client sends cannot break a line") {
  RequestRecord record;
  record.user = "a\nb\"c";
  record.route = "/x";
  const std::string members = server::record_members(record);
  CHECK(members.find('\n') == std::string::npos);
  CHECK(members.find(R"("user":"a\nb\"c")") != std::string::npos);
}

TEST_CASE("times by mode are in the metrics") {
  const TestServer server;
  CHECK(server.send(TestServer::post("/v1/chat/completions", chat_body("a", 3)), true).status == 200);
  const std::string thinks =
      R"({"model":"v4-10m","messages":[{"role":"user","content":"a"}],"max_tokens":4,"seed":1})";
  CHECK(server.send(TestServer::post("/v1/chat/completions", thinks), true).status == 200);
  Answer metrics;
  CHECK(test::eventually([&] {
    metrics = server.send(TestServer::get("/metrics"), true);
    return metrics.body.find("fathom_request_seconds_count{mode=\"high\"} 1\n") != std::string::npos;
  }));
  CHECK(metrics.body.find("fathom_request_seconds_count{mode=\"none\"} 1\n") != std::string::npos);
  CHECK(metrics.body.find("fathom_ttft_seconds_bucket{mode=\"none\",le=\"+Inf\"} 1\n") != std::string::npos);
  CHECK(metrics.body.find("fathom_token_seconds_bucket{le=\"+Inf\"}") != std::string::npos);
}

TEST_CASE("masks of a format are counted with their time; joules are told where the machine tells them") {
  const TestServer server;
  const std::string regex = R"(,"response_format":{"type":"regex","regex":"[0-9]{3}"})";
  const Answer answer = server.send(TestServer::post("/v1/chat/completions", chat_body("a", 9, regex)), true);
  CHECK(answer.status == 200);
  Answer metrics;
  CHECK(test::eventually([&] {
    metrics = server.send(TestServer::get("/metrics"), true);
    return metrics.body.find("fathom_constraint_mask_seconds_count 4\n") !=
           std::string::npos;  // with the end
  }));
  CHECK(metrics.body.find("fathom_constraint_mask_seconds_sum 0\n") == std::string::npos);
  const bool told = answer.body.find(R"("energy_joules":null)") == std::string::npos;
  CHECK((metrics.body.find("fathom_energy_joules_total") != std::string::npos) == told);
}

TEST_CASE("a format beside tools: a call, or text under the format") {
  const TestServer server;
  const std::string tools =
      R"(,"tools":[{"type":"function","function":{"name":"f","parameters":{"type":"object","properties":{}}}}])"
      R"(,"response_format":{"type":"regex","regex":"yes|no"})";
  for (int seed = 0; seed < 8; ++seed) {
    const std::string body = fmt::format(
        R"({{"model":"v4-10m","messages":[{{"role":"user","content":"Is 7 prime?"}}],"max_tokens":60,)"
        R"("thinking":{{"type":"disabled"}},"seed":{}{}}})",
        seed, tools);
    const Answer answer = server.send(TestServer::post("/v1/chat/completions", body), true);
    CAPTURE(answer.body);
    REQUIRE(answer.status == 200);
    const bool text = answer.body.find(R"("content":"yes")") != std::string::npos ||
                      answer.body.find(R"("content":"no")") != std::string::npos;
    const bool call = answer.body.find(R"("finish_reason":"tool_calls")") != std::string::npos;
    CHECK(text != call);
  }
}
