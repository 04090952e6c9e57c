// The problems of golden/trained: greedy answers in both modes, and how many of each task are right.
#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "engine/verify/trained.h"

namespace fathom::verify {
namespace {

constexpr double kIdsDiffering = 0.005;  // at least 99.5% of the outputs have the same ids
constexpr double kPoints = 0.5;          // of an accuracy in percent
constexpr int64_t kSampleStep = 40;      // of what is run without --full

struct Problem {
  std::string task, mode, answer;
  std::vector<int32_t> prompt, expected;
  bool expected_right = false;
};

std::vector<Problem> read_problems(Checks& checks) {
  std::vector<Problem> problems;
  std::map<std::pair<int64_t, std::string>, size_t> index;
  const auto read = [&](const char* file, auto&& use) {
    int64_t line = 0;
    for (const std::string& text : json_lines(checks, file, int64_t{1} << 28)) {
      const std::string where = fmt::format("{}:{}", file, ++line);
      const nlohmann::json json = in_context(where, [&] { return parse_json(text); });
      const JsonField field(json, where);
      use(field, std::pair(field.at("id").integer(0, int64_t{1} << 40), field.at("mode").text()));
    }
  };
  read("problems.jsonl", [&](const JsonField& f, const auto& key) {
    index[key] = problems.size();
    problems.push_back(
        {f.at("task").text(), key.second, f.at("answer").text(), id_list(f.at("prompt_ids")), {}, false});
  });
  read("problem_outputs.jsonl", [&](const JsonField& f, const auto& key) {
    const auto found = index.find(key);
    if (found == index.end()) f.refuse("an id and mode of problems.jsonl");
    problems[found->second].expected = id_list(f.at("ids"));
    problems[found->second].expected_right = f.at("ok").boolean();
  });
  for (const Problem& p : problems) {
    if (p.expected.empty())
      bad_input("problem_outputs.jsonl: expected an output for each of {}", problems.size());
  }
  return problems;
}

// Ends with EOS, and what stands before it, after the thinking if there is any, is the answer.
bool right(const TrainedCase& c, const Problem& p, std::span<const int32_t> ids) {
  const auto& eos = c.runner.model().config().eos_token_ids;
  if (ids.empty() || std::find(eos.begin(), eos.end(), ids.back()) == eos.end()) return false;
  const std::string text = c.tokenizer.decode(ids.first(ids.size() - 1), false);
  if (p.mode != "think") return text == p.answer;
  constexpr std::string_view kEnd = "</think>";
  const size_t end = text.rfind(kEnd);
  return end != std::string::npos && text.substr(end + kEnd.size()) == p.answer;
}

}  // namespace

void check_problems(TrainedCase& c) {
  if (!is_file(c.checks.folder() / "problems.jsonl")) return;
  std::vector<Problem> problems = read_problems(c.checks);
  std::map<std::string, int64_t> longest;
  for (const Problem& p : problems) {
    c.checks.differing("problems: whether an output is right", right(c, p, p.expected) != p.expected_right,
                       1);
    int64_t& most = longest[p.mode];
    most = std::max(most, static_cast<int64_t>(p.expected.size()));
  }
  const bool full = c.checks.options().full;
  if (!full) {
    std::vector<Problem> sample;
    // One of each 40 lines, at another place in each 40: lines alternate between the modes.
    for (size_t i = 0; i < problems.size(); ++i) {
      const auto at = static_cast<int64_t>(i);
      if (at % kSampleStep == at / kSampleStep % kSampleStep) sample.push_back(std::move(problems[i]));
    }
    c.checks.not_checked(
        fmt::format("problems.jsonl: all but {} of {} (--full runs all)", sample.size(), problems.size()));
    problems = std::move(sample);
  }
  std::vector<GreedyRequest> requests;
  for (const Problem& p : problems) requests.push_back({p.prompt, longest[p.mode], true});
  const auto of = static_cast<int64_t>(requests.size());
  const auto answers =
      c.runner.greedy(requests, 128, [&](int64_t done) { c.checks.progress("problems", done, of); });

  std::map<std::string, int64_t> correct;
  for (size_t i = 0; i < problems.size(); ++i) {
    const Problem& p = problems[i];
    c.checks.differing("problems: ids of the outputs", answers[i].ids != p.expected, 1,
                       full ? kIdsDiffering : 0.02);
    correct[p.task + ", " + p.mode] += right(c, p, answers[i].ids);
  }
  if (!full) return;
  const JsonField accuracy = c.expected.at("accuracy");
  for (const auto& [task, modes] : accuracy.json().items()) {
    for (const auto& [mode, value] : modes.items()) {
      const JsonField field = accuracy.at(task.c_str()).at(mode.c_str());
      const double count = field.at("of").number(1, 1e9);
      const double points =
          100 * (static_cast<double>(correct[task + ", " + mode]) - field.at("correct").number(0, 1e9)) /
          count;
      c.checks.worst("problems: accuracy in points, " + task + ", " + mode, std::abs(points), kPoints);
    }
  }
}

}  // namespace fathom::verify
