// The page of a run: what a log says is shown, whatever state the run was left in.
#include "train/report.h"

#include <doctest/doctest.h>
#include <unistd.h>

#include <fstream>
#include <string>

#include "base/error.h"

namespace fathom {
namespace {

std::string step_line(int64_t step, double loss, const std::string& more = "") {
  return R"({"step":)" + std::to_string(step) + R"(,"stage":"dense","loss":)" + std::to_string(loss) +
         R"(,"lm":2.5,"norm":1.5,"rate":0.004,"tokens":)" + std::to_string(step * 1000) +
         R"(,"seconds":0.5,"skipped":0)" + more + "}\n";
}

TEST_CASE("curves, layers, validation and events are read; rollbacks take steps back") {
  const std::string load =
      R"(,"load":[{"layer":2,"max":1.25,"entropy":2.7,"dead":0},{"layer":5,"max":1.5,"entropy":2.6,"dead":1}],)"
      R"("indexer":[{"layer":2,"kl":0.1,"kl_uniform":0.4,"captured":0.9}])";
  const std::string text =
      step_line(1, 9) + step_line(2, 8, load) +
      step_line(3, 50, R"(,"decision":"skip","loss_z":12.0,"norm_z":3.0)") +
      R"({"event":"rollback","step":1,"detail":"to step 1 <b>"})"
      "\n" +
      step_line(2, 7, load) +
      R"({"event":"validation","step":2,"books":{"loss":3.5,"bits_per_byte":1.75,"labels":9}})"
      "\n" +
      R"({"step":3,"stage":"sparse","loss":null,"tokens":3000,"seconds":0.5})"
      "\n" +
      R"({"step":4,"los)";
  const RunLog log = RunLog::parse(text);
  const RunCurve& loss = log.curves.at("loss");
  REQUIRE(loss.points.size() == 3);
  CHECK(loss.points[1] == std::pair<double, double>{2, 7});
  CHECK(loss.points[2].second != loss.points[2].second);  // not a number
  CHECK(loss.taken_back.size() == 2);
  CHECK(log.load.at(5).points[0].second == 1.5);
  CHECK(log.dead.at(5).points[0].second == 1);
  CHECK(log.captured.at(2).points[0].second == 0.9);
  CHECK(log.validation_bits.at("books").points[0] == std::pair<double, double>{2, 1.75});
  CHECK(log.rollbacks == 1);
  CHECK(log.skipped == 1);
  CHECK(log.events.size() == 2);
  CHECK(log.stages == std::vector<std::string>{"dense", "sparse"});
  CHECK(log.curves.at("tokens_per_second").points[0].second == 2000);
  CHECK(log.steps == 3);
  const auto charts = run_charts(log);
  for (const char* name : {"loss", "total loss", "validation", "rate", "norm", "load", "entropy", "dead",
                           "captured", "indexer", "speed"}) {
    CAPTURE(name);
    CHECK(charts.contains(name));
  }
  CHECK(charts.at("loss").find("rollback at step 1: to step 1 &lt;b&gt;") != std::string::npos);
  CHECK(charts.at("total loss").find("loss, taken back") != std::string::npos);
}

TEST_CASE("broken and empty logs") {
  CHECK(RunLog::parse("").steps == 0);
  CHECK(RunLog::parse("{\"step\":\"x\",\"loss\":1}\n{}\n").curves.empty());
  CHECK(RunLog::parse(R"({"step":1,"loss":"no","load":3,"indexer":[7,{"layer":"x"}],"stage":null})"
                      "\n")
            .steps == 1);
  CHECK_THROWS_WITH_AS(RunLog::parse("{\"step\":1}\nnothing\n{}\n"),
                       "line 2: expected a JSON object, found 'nothing'", Error);
}

TEST_CASE("the page holds curves, events, evaluations and how it was made, and nothing from outside") {
  const auto folder = std::filesystem::temp_directory_path() / ("run-" + std::to_string(getpid()));
  std::filesystem::create_directories(folder);
  CHECK_THROWS_AS(run_report(folder), Error);
  std::ofstream(folder / "log.jsonl") << step_line(1, 9) << step_line(2, 8);
  std::ofstream(folder / "recipe.json") << "{\"name\": \"<micro>\"}";
  std::ofstream(folder / "eval-1.json")
      << R"({"tasks":[{"task":"mul:3","think":"off","accuracy":0.25},{"task":"mul:3","think":"high","accuracy":1}, 5],)"
         R"("needle":{"tokens":[256,512],"depths":[0,1],"recalled":[[1,0.5],[0.25]]},"text":{"bits_per_byte":1.5}})";
  const std::string page = run_report(folder);
  for (const char* expected :
       {"<svg", "mul:3", "25.0%", "needle recalled", ">50<", "bits_per_byte", "&lt;micro>", "</html>"}) {
    CAPTURE(expected);
    CHECK(page.find(expected) != std::string::npos);
  }
  for (const char* outside : {"<script", "src=", "href=", "<micro>"})
    CHECK(page.find(outside) == std::string::npos);
  std::ofstream(folder / "eval-2.json") << "[";
  CHECK_THROWS_AS(run_report(folder), Error);
  std::filesystem::remove_all(folder);
}

}  // namespace
}  // namespace fathom
