// Batch files: every line gets its answer once, whatever interrupts the run.
#include "server/service/batch.h"

#include <doctest/doctest.h>

#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <sstream>

#include "base/error.h"
#include "server/service/batch_files.h"
#include "tests/server/test_server.h"
#include "tests/support/read_file.h"
#include "tests/support/temp_folder.h"

using namespace fathom;
using nlohmann::json;
using server::BatchOptions;
using server::BatchSummary;

namespace {

std::vector<json> lines_of(const std::filesystem::path& path) {
  std::vector<json> lines;
  std::istringstream text(test::read_file(path));
  for (std::string line; std::getline(text, line);) lines.push_back(json::parse(line));
  return lines;
}

std::string chat_line(const std::string& id, int number) {
  return fmt::format(R"({{"custom_id":"{}","method":"POST","url":"/v1/chat/completions","body":{}}})", id,
                     test::chat_body(fmt::format("Compute {} + 1.", number), 4)) +
         "\n";
}

}  // namespace

TEST_CASE("every dialect, bad bodies, and lines that are no requests") {
  const test::TempFolder folder;
  const auto in = folder.path() / "in.jsonl", out = folder.path() / "out.jsonl";
  std::ofstream(in)
      << chat_line("a", 1) << "\n"
      << R"({"custom_id":"b","method":"POST","url":"/v1/messages","body":{"model":"v4-10m",)"
      << R"("max_tokens":3,"thinking":{"type":"disabled"},"messages":[{"role":"user","content":"Hi."}]}})"
      << "\r\n"
      << R"({"custom_id":"c","method":"POST","url":"/v1/completions","body":{"model":"v4-10m",)"
      << R"("prompt":"One","max_tokens":3}})" << "\n"
      << R"({"custom_id":"d","method":"POST","url":"/v1/responses","body":{"model":"v4-10m",)"
      << R"("input":"Hi.","max_output_tokens":3,"reasoning":{"effort":"none"}}})" << "\n"
      << R"({"custom_id":"e","method":"POST","url":"/v1/chat/completions","body":{"model":"v4-10m"}})"
      << "\n"
      << R"({"custom_id":"f","method":"POST","url":"/v1/chat/completions","body":{"model":"x",)"
      << R"("messages":[{"role":"user","content":"Hi."}]}})" << "\n"
      << "{broken\n"
      << R"({"custom_id":"g","method":"GET","url":"/v1/models","body":{}})" << "\n"
      << R"({"custom_id":"h","method":"POST","url":"/v1/files","body":{}})" << "\n"
      << R"({"custom_id":"i","method":"POST","url":"/v1/responses","body":{"stream":true}})"
      << "\n"
      << chat_line("a", 2) << R"({"custom_id":"","method":"POST","url":"/v1/responses","body":{}})" << "\n"
      << "[]\n"
      << chat_line("j", 3).substr(0, chat_line("j", 3).size() - 1);  // no line end
  const test::TestServer server;
  const BatchSummary summary = server::run_batch(server.service(), in, out, {});
  CHECK(summary.finished);
  CHECK(summary.lines == 14);
  CHECK(summary.answered == 5);
  CHECK(summary.failed == 2);
  CHECK(summary.invalid == 7);
  std::map<std::string, json> by_id;
  std::vector<std::string> messages;
  for (const json& line : lines_of(out)) {
    if (line.at("response").is_null()) {
      CHECK(line.at("error").at("code") == "invalid_line");
      messages.push_back(line.at("error").at("message"));
      continue;
    }
    CHECK(line.at("error").is_null());
    CHECK(line.at("id") == "batch_" + line.at("response").at("request_id").get<std::string>());
    CHECK(line.at("id").get<std::string>().starts_with("batch_req_"));
    by_id[line.at("custom_id")] = line.at("response");
  }
  REQUIRE(by_id.size() == 7);
  CHECK(by_id["a"].at("body").at("object") == "chat.completion");
  CHECK(by_id["b"].at("body").at("type") == "message");
  CHECK(by_id["c"].at("body").at("object") == "text_completion");
  CHECK(by_id["d"].at("body").at("object") == "response");
  CHECK(by_id["e"].at("status_code") == 400);
  CHECK(by_id["e"].at("body").at("error").at("param") == "messages");
  CHECK(by_id["f"].at("status_code") == 404);
  CHECK(by_id["j"].at("status_code") == 200);
  std::ranges::sort(messages);
  REQUIRE(messages.size() == 7);
  CHECK(messages[0].starts_with("line 10: url: expected"));
  CHECK(messages[1].starts_with("line 11: body.stream: expected false"));
  CHECK(messages[2].starts_with("line 12: custom_id: expected each once, found 'a' again"));
  CHECK(messages[3].starts_with("line 13: custom_id: expected 1 to 256"));
  CHECK(messages[4].starts_with("line 14: body: expected an object"));
  CHECK(messages[5].starts_with("line 8: "));
  CHECK(messages[6].starts_with("line 9: method: expected POST"));

  const std::string before = test::read_file(out);
  const BatchSummary again = server::run_batch(server.service(), in, out, {});
  CHECK(again.finished);
  CHECK(again.skipped == 14);
  CHECK(test::read_file(out) == before);
}

TEST_CASE("a run goes on where it ended, and mends a torn line") {
  const test::TempFolder folder;
  const auto in = folder.path() / "in.jsonl", out = folder.path() / "out.jsonl";
  std::string text;
  for (int i = 0; i < 12; ++i) text += chat_line(fmt::format("n{}", i), i);
  std::ofstream(in) << text;
  const test::TestServer server;
  BatchOptions options;
  options.at_once = 3;
  options.progress = [](int64_t done, int64_t total) {
    CHECK(total == 12);
    return done < 4;
  };
  const BatchSummary stopped = server::run_batch(server.service(), in, out, options);
  CHECK_FALSE(stopped.finished);
  CHECK(test::eventually([&] { return server.service().idle(); }));
  const size_t kept = lines_of(out).size();
  CHECK(kept >= 4);
  CHECK(kept < 12);

  std::string torn = test::read_file(out);
  torn.resize(torn.size() - 20);  // as if the power had gone while it was written
  std::ofstream(out) << torn;
  const BatchSummary rest = server::run_batch(server.service(), in, out, {});
  CHECK(rest.finished);
  CHECK(rest.skipped == static_cast<int64_t>(kept) - 1);
  CHECK(rest.answered == 12 - rest.skipped);
  std::map<std::string, int> seen;
  for (const json& line : lines_of(out)) ++seen[line.at("custom_id")];
  CHECK(seen.size() == 12);
  for (const auto& [id, count] : seen) {
    CAPTURE(id);
    CHECK(count == 1);
  }
}

TEST_CASE("seeded answers are those of the server") {
  const test::TempFolder folder;
  const auto in = folder.path() / "in.jsonl", out = folder.path() / "out.jsonl";
  std::ofstream(in) << chat_line("a", 41) << chat_line("b", 42) << chat_line("c", 43);
  const test::TestServer server;
  CHECK(server::run_batch(server.service(), in, out, {}).answered == 3);
  for (const json& line : lines_of(out)) {
    const int number = 41 + (line.at("custom_id").get<std::string>()[0] - 'a');
    const auto alone =
        server.send(test::TestServer::post("/v1/chat/completions",
                                           test::chat_body(fmt::format("Compute {} + 1.", number), 4)),
                    true);
    CHECK(json::parse(alone.body).at("choices") == line.at("response").at("body").at("choices"));
  }
}

TEST_CASE("files that cannot be are named") {
  const test::TempFolder folder;
  const test::TestServer server;
  const auto in = folder.write("in.jsonl", chat_line("a", 1));
  const auto run = [&](const std::filesystem::path& from, const std::filesystem::path& to) {
    try {
      (void)server::run_batch(server.service(), from, to, {});
    } catch (const Error& error) {
      return error.message();
    }
    return std::string();
  };
  CHECK(run(folder.path() / "none", folder.path() / "out").find("none: expected a file") !=
        std::string::npos);
  CHECK(run(folder.path(), folder.path() / "out").find("folder") != std::string::npos);
  CHECK(run(in, folder.path() / "no" / "out").find("expected to write") != std::string::npos);
  const auto other = folder.write("notes.txt", "what I must not forget\n");
  CHECK(run(in, other).find("notes.txt: line 1: expected an answer of a batch") != std::string::npos);
  CHECK(test::read_file(other) == "what I must not forget\n");
  const auto taken = folder.path() / "taken";
  const server::BatchOutput first(taken);
  CHECK(run(in, taken).find("no other run writes") != std::string::npos);
  BatchOptions options;
  options.line_bytes = 50;
  const auto out = folder.path() / "short";
  CHECK(server::run_batch(server.service(), in, out, options).invalid == 1);
  CHECK(test::read_file(out).find("line 1: expected at most 50 bytes") != std::string::npos);
}
