// The binary as a user meets it: exit statuses, one line per failure, standard output that holds the answer
// alone.
#include "tests/cli/program.h"

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <nlohmann/json.hpp>

using fathom::test::run_fathom;

namespace {

bool one_line(const std::string& text) {
  return text.starts_with("fathom: ") && text.ends_with('\n') &&
         std::count(text.begin(), text.end(), '\n') == 1;
}

}  // namespace

TEST_CASE("an answer from a pipe is the content alone") {
  const auto r = run_fathom({"run", "-m", "v4-10m"}, "Compute 123 + 456.");
  CHECK(r.status == 0);
  CHECK(r.out == "579\n");
  CHECK(r.err.empty());
  CHECK(run_fathom({"run", "-m", "v4-10m", "--think", "off", "-p", "Compute 123 + 456."}).out == "579\n");
}

TEST_CASE("the bundled model that answers without -m is our own") {
  const auto r = run_fathom({"run", "--json", "-p", "Compute 4821 + 977."});
  REQUIRE(r.status == 0);
  const auto json = nlohmann::json::parse(r.out);
  CHECK(json["content"] == "5798");
  CHECK(json["reasoning_content"].get<std::string>().find("5798") != std::string::npos);
  CHECK(run_fathom({"inspect"}).out.starts_with("models/nano"));
}

TEST_CASE("--json has every part") {
  const auto r = run_fathom({"run", "-m", "v4-10m", "--json", "--logprobs", "2", "-p", "Compute 123 + 456."});
  REQUIRE(r.status == 0);
  const auto json = nlohmann::json::parse(r.out);
  CHECK(json["content"] == "579");
  CHECK(json["reasoning_content"].get<std::string>().find("579") != std::string::npos);
  CHECK(json["finish_reason"] == "stop");
  CHECK(json["tool_calls"].empty());
  CHECK(json["usage"]["completion_tokens"].get<size_t>() + 1 == json["ids"].size());
  CHECK(json["logprobs"].size() == json["ids"].size());
  CHECK(json["logprobs"][0]["top"].size() == 2);
  CHECK(json["stats"]["kv_bytes"].get<int64_t>() > 0);
}

TEST_CASE("--json --raw has the same members: all of the text is content") {
  const auto r = run_fathom({"run", "--json", "--raw", "--max-tokens", "5", "-p", "Once upon a time"});
  REQUIRE(r.status == 0);
  const auto json = nlohmann::json::parse(r.out);
  CHECK(json["content"] == json["text"]);
  CHECK(!json["text"].get<std::string>().empty());
  CHECK(json["reasoning_content"] == "");
  CHECK(json["tool_calls"] == nlohmann::json::array());
}

TEST_CASE("the same seed gives the same answer, another seed another") {
  const std::vector<std::string> base = {
      "run", "--raw", "-p", "Once upon a time", "--temperature", "1", "--max-tokens", "40", "--seed"};
  const auto with = [&](const char* seed, const char* threads) {
    auto args = base;
    args.insert(args.end(), {seed, "--threads", threads});
    return run_fathom(args).out;
  };
  CHECK(with("1", "1") == with("1", "2"));
  CHECK(with("1", "2") != with("2", "2"));
}

TEST_CASE("failures: one line, status 1") {
  for (const auto& args : std::vector<std::vector<std::string>>{
           {"run", "-m", "no/such/model", "-p", "x"},
           {"run", "-m", "/dev/null", "-p", "x"},
           {"run", "-m", "README.md", "-p", "x"},
           {"run", "--think", "sometimes", "-p", "x"},
           {"run", "--temperature", "-1", "-p", "x"},
           {"run", "--top-p", "nan", "-p", "x"},
           {"run", "--logit-bias", "abc", "-p", "x"},
           {"run", "--logit-bias", "99999999=1", "-p", "x"},
           {"run", "--stop", "", "-p", "x"},
           {"run", "--numerics", "sloppy", "-p", "x"},
           {"run", "--target", "abacus", "-p", "x"},
           {"run", "--memory", "much", "-p", "x"},
           {"run", "--memory", "10K", "-p", "x"},
           {"run", "--prompt-encoding", "2020", "-p", "x"},
           {"logits", "--ids", "no/such/file", "--out", "/tmp/never"},
           {"logits", "--ids", "-", "--out", "/no/such/folder/x.safetensors"},
       }) {
    CAPTURE(args);
    const auto r = run_fathom(args, "[1,2,3]");
    CHECK(r.status == 1);
    CHECK_MESSAGE(one_line(r.err), r.err);
    CHECK(r.out.empty());
  }
}

TEST_CASE("bad ids are named") {
  for (const char* ids : {"", "[", "{}", "[1,-2]", "[1.5]", "[1,99999999]", "[]", "[1]\n[x]"}) {
    CAPTURE(ids);
    const auto r = run_fathom({"logits", "--ids", "-", "--out", "/tmp/fathom_never.safetensors"}, ids);
    CHECK(r.status == 1);
    CHECK_MESSAGE(one_line(r.err), r.err);
  }
  const std::string nested = std::string(1'000'000, '[') + std::string(1'000'000, ']');
  const auto r = run_fathom({"logits", "--ids", "-", "--out", "/tmp/fathom_never.safetensors"}, nested);
  CHECK(r.status == 1);
  CHECK_MESSAGE(one_line(r.err), r.err);
}

TEST_CASE("Ctrl-C ends a command that has nothing to put away") {
  fathom::test::Terminal t({"logits", "--ids", "-", "--out", "/tmp/fathom_never.safetensors"});
  usleep(700'000);  // it waits for its input
  t.type("\003");
  CHECK(t.finish() == 130);
}

TEST_CASE("usage: status 2") {
  CHECK(run_fathom({}).status == 2);
  const auto unknown = run_fathom({"nosuch", "--flag"});
  CHECK(unknown.status == 2);
  CHECK(unknown.err == "fathom: expected a command, found 'nosuch'\nTry 'fathom --help'.\n");
  CHECK(run_fathom({"tokenizer", "nosuch"}).err ==
        "fathom: expected a command, found 'nosuch'\nTry 'fathom tokenizer --help'.\n");
  CHECK(run_fathom({"run", "--no-such-flag"}).status == 2);
  CHECK(run_fathom({"run", "--threads", "many"}).status == 2);
  CHECK(run_fathom({"--help"}).status == 0);
  CHECK(run_fathom({"run", "--help"}).status == 0);
  CHECK(run_fathom({"--version"}).status == 0);
}

TEST_CASE("numbers that overflow, are negative or none: status 2, one line that names the flag") {
  for (const auto& args : std::vector<std::vector<std::string>>{
           {"run", "--seed", "18446744073709551616", "-p", "x"},
           {"run", "--seed", "-1", "-p", "x"},
           {"run", "--seed", "1.5", "-p", "x"},
           {"run", "--max-tokens", "9223372036854775808", "-p", "x"},
           {"run", "--max-tokens", "-1", "-p", "x"},
           {"run", "--max-tokens", "0", "-p", "x"},
           {"run", "--top-k", "99999999999999999999", "-p", "x"},
           {"chat", "--seed", "99999999999999999999"},
           {"init", "--seed", "-1", "--preset", "v4-flash", "--out", "/tmp/fathom_never"},
           {"plan", "--price-per-hour", "nan", "--peak", "1P"},
           {"plan", "--price-per-hour", "inf", "--peak", "1P"},
           {"plan", "--price-per-hour", "-1", "--peak", "1P"},
           {"plan", "--price-per-hour", "1e300", "--peak", "1P"},
           {"bench", "--seconds", "nan"},
           {"serve", "--queue-seconds", "nan"},
           {"serve", "--max-seconds", "nan"},
           {"serve", "--store-ttl", "nan"},
           {"keys", "--balance", "nan", "/tmp/fathom_never", "x"},
           {"data", "--validation", "nan", "--out", "/tmp/fathom_never", "README.md"},
       }) {
    CAPTURE(args);
    const auto r = run_fathom(args);
    CHECK(r.status == 2);
    CHECK(r.out.empty());
    CHECK_MESSAGE(r.err.starts_with("fathom: " + args[1] + ": expected a "), r.err);
  }
  CHECK(run_fathom({"run", "--seed", "18446744073709551615", "--max-tokens", "1", "-p", "x"}).status == 0);
}

TEST_CASE("a prompt from standard input loses one final line end, a prompt from -p none") {
  const auto tokens = [](std::vector<std::string> args, const std::string& input) {
    args.insert(args.begin(), {"run", "--json", "--max-tokens", "1"});
    return nlohmann::json::parse(run_fathom(args, input).out).at("usage").at("prompt_tokens").get<int>();
  };
  const int bare = tokens({}, "Compute 1 + 2");
  CHECK(tokens({}, "Compute 1 + 2\n") == bare);
  CHECK(tokens({}, "Compute 1 + 2\n\n") > bare);
  CHECK(tokens({"-p", "Compute 1 + 2\n"}, "") > bare);
  CHECK(tokens({"--raw"}, "a\n") == tokens({"--raw"}, "a"));
}

TEST_CASE("--logprobs has no place without --json") {
  const auto r = run_fathom({"run", "--logprobs", "2", "-p", "x"});
  CHECK(r.status == 2);
  CHECK(r.out.empty());
  CHECK_MESSAGE(r.err.starts_with("fathom: --logprobs requires --json"), r.err);
}

TEST_CASE("an unknown word of --think hears the four") {
  for (const char* word : {"wild", "none of it", ""}) {
    const auto r = run_fathom({"run", "--think", word, "-p", "x"});
    CHECK(r.status == 1);
    CHECK(r.err == fmt::format("fathom: think: expected off, low, high or max, found '{}'\n", word));
  }
}

TEST_CASE("FATHOM_KERNELS: the error names the variable and what it may be") {
  setenv("FATHOM_KERNELS", "foo", 1);
  const auto wrong = run_fathom({"run", "-p", "x"});
  setenv("FATHOM_KERNELS", "plain", 1);
  const auto plain = run_fathom({"run", "--json", "--max-tokens", "1", "-p", "x"});
  unsetenv("FATHOM_KERNELS");
  CHECK(wrong.status == 1);
  CHECK(wrong.err == "fathom: FATHOM_KERNELS: expected plain, avx2, avx512 or avx512_bf16, found 'foo'\n");
  CHECK(nlohmann::json::parse(plain.out).at("stats").at("target") == "plain");
}

TEST_CASE("demo shows both modes") {
  const auto r = run_fathom({"demo"});
  CHECK(r.status == 0);
  CHECK(r.out.find("Non-think") != std::string::npos);
  CHECK(r.out.find("thinking: ") != std::string::npos);
  CHECK(r.out.find("answer:   5798") != std::string::npos);
  CHECK(r.out.find("$0.0000") != std::string::npos);
}

TEST_CASE("an empty prompt is answered, an endless one is refused") {
  CHECK(run_fathom({"run", "--max-tokens", "3"}, "").status == 0);
  const auto r = run_fathom({"run"}, std::string(400'000, 'x') + std::string(400'000, ' '), 120);
  CHECK(r.status == 1);
  CHECK_MESSAGE(one_line(r.err), r.err);
  CHECK(r.err.find("context") != std::string::npos);
}
