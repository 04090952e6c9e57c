// fathom batch as a process: killed in mid-run, it goes on where it was.
#include <doctest/doctest.h>

#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <sstream>

#include "server/service/ledger_report.h"
#include "tests/cli/program.h"
#include "tests/support/read_file.h"
#include "tests/support/temp_folder.h"

using namespace fathom;
using nlohmann::json;

TEST_CASE("a batch that is killed is finished by the next run, each request once") {
  const test::TempFolder folder;
  const std::string in = (folder.path() / "in.jsonl").string(), out = (folder.path() / "out.jsonl").string();
  const std::string ledger = (folder.path() / "ledger.sqlite").string();
  constexpr int kLines = 100;
  std::ofstream lines(in);
  for (int i = 0; i < kLines; ++i) {
    const json body = {
        {"model", "v4-10m"},
        {"messages", {{{"role", "user"}, {"content", "Compute " + std::to_string(i) + " + 5."}}}},
        {"thinking", {{"type", "disabled"}}},
        {"max_tokens", 24},
        {"seed", 1}};
    lines << json{{"custom_id", std::to_string(i)},
                  {"method", "POST"},
                  {"url", "/v1/chat/completions"},
                  {"body", body}}
                 .dump()
          << "\n";
  }
  lines.close();
  std::vector<std::string> args = {"batch", in,          out, "-m",       "v4-10m", "--max-rows",
                                   "1",     "--threads", "1", "--ledger", ledger};
  const pid_t child = fork();
  if (child == 0) {
    if (chdir(FATHOM_SOURCE_DIR) != 0) _exit(126);
    args.insert(args.begin(), FATHOM_BINARY);
    const int null = open("/dev/null", O_RDWR);
    dup2(null, 1);
    dup2(null, 2);
    auto argv = test::argv_of(args);
    execv(argv[0], argv.data());
    _exit(127);
  }
  for (int i = 0; i < 6000 && std::ranges::count(test::read_file(out), '\n') < 2; ++i) usleep(10'000);
  kill(child, SIGKILL);
  CHECK(test::wait_at_most(child, 60) == 128 + SIGKILL);
  const std::string first = test::read_file(out);
  const auto begun = std::ranges::count(first, '\n');
  CHECK(begun >= 2);
  std::ofstream(out, std::ios::app) << R"({"id":"batch_req_torn","custom_i)";

  const test::Finished rest = test::run_fathom(args);
  CAPTURE(rest.err);
  CHECK(rest.status == 0);
  CHECK(rest.err.find(std::to_string(kLines) + " lines: ") != std::string::npos);
  CHECK(rest.err.find(std::to_string(begun) + " done before") != std::string::npos);
  CHECK(rest.err.find("USD") != std::string::npos);
  const std::string all = test::read_file(out);
  CHECK(all.starts_with(first.substr(0, first.rfind('\n') + 1)));
  std::map<std::string, int> seen;
  std::istringstream text(all);
  for (std::string line; std::getline(text, line);) {
    const json answer = json::parse(line);
    CHECK(answer.at("response").at("status_code") == 200);
    ++seen[answer.at("custom_id")];
  }
  CHECK(seen.size() == kLines);
  for (const auto& [id, count] : seen) {
    CAPTURE(id);
    CHECK(count == 1);
  }
  const server::Database db(ledger, server::Database::Mode::read_only, "ledger");
  CHECK_NOTHROW(server::check_ledger(db));
  // What was written when the first run ended may be booked as aborted.
  CHECK(server::ledger_sums(db, {}, {}).at(0).requests >= kLines);
  CHECK(server::ledger_sums(db, {}, {}).at(0).running == 0);
}

TEST_CASE("a batch without its files") {
  const test::TempFolder folder;
  const test::Finished none =
      test::run_fathom({"batch", (folder.path() / "none").string(), (folder.path() / "out").string()});
  CHECK(none.status == 1);
  CHECK(none.err.find("none: expected a file") != std::string::npos);
  CHECK(test::run_fathom({"batch", "in"}).status == 2);
}
