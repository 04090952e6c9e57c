// fathom chat on a terminal of its own, and from a pipe.
#include <doctest/doctest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>

#include "tests/cli/program.h"

using fathom::test::run_fathom;
using fathom::test::Terminal;

namespace fs = std::filesystem;

TEST_CASE("a conversation on a terminal: thinking is dimmed, then folded to a line") {
  Terminal t({"chat", "-m", "v4-10m"});
  REQUIRE(t.wait_for("/help lists the commands"));
  t.type("Compute 123 + 456.\n");
  REQUIRE(t.wait_for("\033[2m"));
  REQUIRE(t.wait_for("\033[J> thought for "));
  REQUIRE(t.wait_for("579"));
  REQUIRE(t.wait_for("tokens read"));
  t.type("/reasoning\n");
  REQUIRE(t.wait_for("-> 579"));
  t.type("/think off\n");
  REQUIRE(t.wait_for("thinking off"));
  t.type("Compute 2 + 2.\n");
  REQUIRE(t.wait_for("written (0 thinking)"));
  t.type("/stats\n");
  REQUIRE(t.wait_for("KV "));
  t.type("/exit\n");
  CHECK(t.finish() == 0);
}

TEST_CASE("Ctrl-C stops the answer and not the program") {
  Terminal t({"chat", "-m", "v4-10m", "--think", "off", "--max-tokens", "60000", "--logit-bias",
              "1=-100"});  // EOS is banned
  REQUIRE(t.wait_for("/help lists the commands"));
  t.type("Once upon a time\n");
  usleep(700'000);
  t.type("\003");
  REQUIRE(t.wait_for("tokens read"));
  t.type("/ctx\n");
  REQUIRE(t.wait_for("of 65536 tokens"));
  CHECK(t.finish_by_end_of_input() == 0);
}

TEST_CASE("Ctrl-D typed while an answer is written ends the chat behind it") {
  Terminal t({"chat", "-m", "v4-10m", "--think", "off", "--max-tokens", "300", "--logit-bias", "1=-100"});
  REQUIRE(t.wait_for("/help lists the commands"));
  t.type("Once upon a time\n\004");
  REQUIRE(t.wait_for("tokens read"));
  CHECK(t.finish() == 0);
}

TEST_CASE("Ctrl-C at the prompt clears the line") {
  Terminal t({"chat", "-m", "v4-10m"});
  REQUIRE(t.wait_for("/help lists the commands"));
  t.type("never sent\003");
  t.type("/ctx\n");
  REQUIRE(t.wait_for("0 of 65536 tokens"));
  t.type("/exit\n");
  CHECK(t.finish() == 0);
}

TEST_CASE("Ctrl-C drops a message of several lines") {
  Terminal t({"chat", "-m", "v4-10m"});
  REQUIRE(t.wait_for("/help lists the commands"));
  for (const char* start : {"\"\"\"\n", "begun \\\n"}) {
    t.type(start);
    REQUIRE(t.wait_for("... "));
    t.type("dropped");
    REQUIRE(t.wait_for("dropped"));
    t.type("\003");
    REQUIRE(t.wait_for("> "));
    t.type("/think off\n");
    REQUIRE(t.wait_for("thinking off"));
  }
  t.type("/exit\n");
  CHECK(t.finish() == 0);
}

TEST_CASE("messages of several lines, saving and loading") {
  const fs::path file =
      fs::temp_directory_path() / ("fathom_chat_test_" + std::to_string(getpid()) + ".json");
  const auto r = run_fathom({"chat", "-m", "v4-10m"},
                            "Compute 12 \\\n+ 30.\n\"\"\"\nCompute 7 + 8.\n\"\"\"\n/save " + file.string() +
                                "\n/clear\n/load " + file.string() + "\nCompute 1 + 2.\n");
  CHECK(r.status == 0);
  CHECK(r.out.find("4 messages saved") != std::string::npos);
  CHECK(r.out.find("4 messages loaded") != std::string::npos);
  CHECK(r.out.find("15\n") != std::string::npos);
  CHECK(r.out.ends_with("3\n"));
  fs::remove(file);
}

TEST_CASE("malformed chat files and commands: one line each, the conversation goes on") {
  const fs::path folder = fs::temp_directory_path() / ("fathom_chat_files_" + std::to_string(getpid()));
  fs::create_directories(folder);
  const std::vector<std::string> contents = {
      "",
      "{",
      "[1]",
      "[{}]",
      R"([{"role":"wizard","content":"x"}])",
      R"([{"role":"user","content":5}])",
      R"({"messages":{}})",
      R"({"messages":[{"role":"user","content":"hi"}],"think":"sometimes"})",
      std::string(100'000, '['),
      "[{\"role\":\"user\",\"content\":\"\xff\xfe\""};
  std::string input;
  for (size_t i = 0; i < contents.size(); ++i) {
    std::ofstream(folder / std::to_string(i)) << contents[i];
    input += "/load " + (folder / std::to_string(i)).string() + "\n";
  }
  input +=
      "/load /no/such/file\n/load\n/save\n/save /no/such/folder/x\n/nonsense\n/think sometimes\nCompute 1 + "
      "2.\n";
  const auto r = run_fathom({"chat", "-m", "v4-10m"}, input);
  CHECK(r.status == 1);
  CHECK(r.out.ends_with("3\n"));
  CHECK(std::count(r.err.begin(), r.err.end(), '\n') == static_cast<long>(contents.size()) + 6);
  fs::remove_all(folder);
}
