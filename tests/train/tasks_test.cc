// Problems are right, the same again from their seed, told apart into training and held-out ones, and come
// back from the prompt encoding as they went in.
#include <doctest/doctest.h>

#include <algorithm>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <regex>
#include <set>
#include <sstream>

#include "base/error.h"
#include "text/completion.h"
#include "text/encoding_lines.h"
#include "train/stories/story.h"
#include "train/tasks/arithmetic_traces.h"
#include "train/tasks/family.h"
#include "train/tasks/task.h"

namespace fathom {
namespace {

std::vector<int64_t> numbers_in(const std::string& text) {
  std::vector<int64_t> numbers;
  static const std::regex number("[0-9]+");
  for (std::sregex_iterator at(text.begin(), text.end(), number), end; at != end; ++at) {
    numbers.push_back(std::stoll(at->str()));
  }
  return numbers;
}

std::string quoted_in(const std::string& text) {
  const size_t open = text.find('"');
  return text.substr(open + 1, text.find('"', open + 1) - open - 1);
}

// The answer to a question, found another way than the generator's; nothing for families without one here.
std::string solve(const std::string& family, const std::string& q) {
  const auto n = numbers_in(q);
  if (family == "add" || family == "sum") {
    int64_t sum = 0;
    for (const int64_t each : n) sum += each;
    return std::to_string(sum);
  }
  if (family == "sub") return std::to_string(std::max(n[0], n[1]) - std::min(n[0], n[1]));
  if (family == "mul") return std::to_string(n[0] * n[1]);
  if (family == "div") return std::to_string(n[0] / n[1]) + " remainder " + std::to_string(n[0] % n[1]);
  if (family == "chain") {
    int64_t value = n[0];
    static const std::regex step("(Add|Subtract|Multiply by) ([0-9]+)");
    for (std::sregex_iterator at(q.begin(), q.end(), step), end; at != end; ++at) {
      const int64_t by = std::stoll((*at)[2]);
      value = ((*at)[1] == "Add" ? value + by : (*at)[1] == "Subtract" ? value - by : value * by) % 100;
    }
    return std::to_string(value);
  }
  if (family == "cups") {
    std::vector<bool> coin(static_cast<size_t>(n[0] + 1));
    coin[static_cast<size_t>(n[1])] = true;
    for (size_t i = 2; i + 1 < n.size(); i += 2) {
      const bool held = coin[static_cast<size_t>(n[i])];
      coin[static_cast<size_t>(n[i])] = coin[static_cast<size_t>(n[i + 1])];
      coin[static_cast<size_t>(n[i + 1])] = held;
    }
    return std::to_string(std::find(coin.begin(), coin.end(), true) - coin.begin());
  }
  if (family == "sort") {
    std::multiset<int64_t> sorted(n.begin(), n.end());
    std::vector<int64_t> list(sorted.begin(), sorted.end());
    if (q.find("largest to") != std::string::npos) std::reverse(list.begin(), list.end());
    return comma_list(list);
  }
  if (family == "count") {
    const std::string word = quoted_in(q);
    const std::string rest = q.substr(0, q.find('"'));
    std::smatch letter;
    std::regex_search(rest, letter, std::regex("many ([a-z])'s|letter ([a-z])"));
    const char wanted = (letter[1].matched ? letter[1] : letter[2]).str()[0];
    return std::to_string(std::count(word.begin(), word.end(), wanted));
  }
  if (family == "reverse") {
    const std::string word = quoted_in(q);
    return {word.rbegin(), word.rend()};
  }
  if (family == "kv" && q.find("What is the code") != std::string::npos) {
    static const std::regex asked("What is the code of (.*)\\?");
    std::smatch name;
    std::regex_search(q, name, asked);
    for (const char* between : {" = ", ": ", " is "}) {
      const std::string pair = name[1].str() + between;
      if (const size_t at = q.find(pair); at != std::string::npos) {
        return std::to_string(std::stoll(q.substr(at + pair.size())));
      }
    }
  }
  if (family == "clock" && n.size() == 3) {
    const int64_t end = (n[0] * 60 + n[1] + n[2]) % 1440;
    char text[32];
    std::snprintf(text, sizeof text, "%02d:%02d", static_cast<int>(end / 60), static_cast<int>(end % 60));
    return text;
  }
  return {};
}

Problem problem_of(const TaskFamily& family, int level, uint64_t index, bool held_out = false,
                   double slips = 0) {
  Difficulty difficulty;
  difficulty.level = level;
  difficulty.slips = slips;
  return make_family_problem(family.name, difficulty, held_out, 7, index);
}

TEST_CASE("answers equal another solution") {
  std::map<std::string, int> solved;
  for (const TaskFamily& family : task_families()) {
    for (int level = 1; level <= Difficulty::kLevels; ++level) {
      for (uint64_t i = 0; i < 60; ++i) {
        const Problem p = problem_of(family, level, i);
        const std::string expected = solve(family.name, p.question());
        if (expected.empty()) continue;
        CAPTURE(p.question());
        CHECK(p.answer == expected);
        ++solved[family.name];
      }
    }
  }
  CHECK(solved.size() == 12);
}

TEST_CASE("equations in traces hold, unless a slip was asked for") {
  static const std::regex equation("([0-9]+)([-+*/])([0-9]+)=(-?[0-9]+)");
  int64_t equations = 0;
  for (const TaskFamily& family : task_families()) {
    if (std::string_view(family.name) == "div" || std::string_view(family.name) == "clock") continue;
    for (uint64_t i = 0; i < 200; ++i) {
      const std::string trace = problem_of(family, 1 + static_cast<int>(i % 5), i).checked_trace;
      for (std::sregex_iterator at(trace.begin(), trace.end(), equation), end; at != end; ++at) {
        const auto before = static_cast<size_t>(at->position());
        if (before > 0 && (trace[before - 1] == '+' || trace[before - 1] == '-' || trace[before - 1] == '*'))
          continue;
        const int64_t a = std::stoll((*at)[1]), b = std::stoll((*at)[3]);
        const char sign = (*at)[2].str()[0];
        CAPTURE(at->str());
        CHECK((sign == '+'   ? a + b
               : sign == '-' ? a - b
               : sign == '*' ? a * b
                             : a / b) == std::stoll((*at)[4]));
        ++equations;
      }
    }
  }
  CHECK(equations > 3000);
}

TEST_CASE("worked arithmetic is written as the trained model was taught it") {
  std::ifstream file(FATHOM_SOURCE_DIR "/tests/golden/trained/problems.jsonl");
  std::map<std::string, int> compared;
  for (std::string line; std::getline(file, line);) {
    const auto entry = nlohmann::json::parse(line);
    if (!entry.contains("reference_trace")) continue;
    const auto task = entry["task"].get<std::string>();
    const auto n = numbers_in(entry["question"]);
    std::string trace;
    if (task == "add") trace = arithmetic::add(n[0], n[1]).text;
    if (task == "sub") trace = arithmetic::sub(std::max(n[0], n[1]), std::min(n[0], n[1])).text;
    if (task == "mul") trace = arithmetic::mul(n[0], n[1]).text;
    if (trace.empty()) continue;
    CHECK(trace == entry["reference_trace"].get<std::string>());
    ++compared[task];
  }
  CHECK(compared == std::map<std::string, int>{{"add", 200}, {"sub", 200}, {"mul", 200}});
}

TEST_CASE("every family and level has problems of both parts, which come again and do not mix") {
  for (const TaskFamily& family : task_families()) {
    CAPTURE(family.name);
    for (int level = 1; level <= Difficulty::kLevels; ++level) {
      std::set<std::string> trained, held_out;
      for (uint64_t i = 0; i < 40; ++i) {
        for (const bool part : {false, true}) {
          const Problem p = problem_of(family, level, i, part);
          CHECK(p.question() == problem_of(family, level, i, part).question());
          CHECK_FALSE(p.checked_trace.empty());
          (part ? held_out : trained).insert(p.key);
        }
      }
      for (const std::string& key : held_out) CHECK(trained.count(key) == 0);
      CHECK(trained.size() > 5);
    }
  }
}

TEST_CASE("right answers come back from the encoding and are graded right, others wrong") {
  for (const TaskFamily& family : task_families()) {
    for (uint64_t i = 0; i < 24; ++i) {
      MadeProblem made{problem_of(family, 1 + static_cast<int>(i % 5), i), Think(i % 3), 1};
      const Problem& p = made.problem;
      CAPTURE(p.question());
      const auto line = parse_json_value(problem_line(made));
      const auto read = read_encoding_case(line, {}, Generation::v2026_04);
      auto prompt = read.messages;
      prompt.pop_back();
      const auto all = encode_messages(read.messages, read.options, Generation::v2026_04).joined();
      const auto start = encode_messages(prompt, read.options, Generation::v2026_04).joined();
      REQUIRE(all.substr(0, start.size()) == start);
      const auto mode = made.think == Think::off ? ThinkingMode::chat : ThinkingMode::thinking;
      const Completion answer = parse_completion_strict(all.substr(start.size()), mode);
      CHECK(answer.reasoning_content == answer_message(p, made.think).reasoning_content);
      CHECK(is_right(p, answer.content, answer.tool_calls));
      CHECK_FALSE(is_right(p, "no idea", {}));
      CHECK_FALSE(is_right(p, p.answer + "0",
                           p.checker == Checker::call ? std::vector<ToolCall>{} : answer.tool_calls));
    }
  }
}

TEST_CASE("a slip is found by its check and mended") {
  int64_t mended = 0;
  for (const char* name : {"add", "sub", "mul", "chain"}) {
    for (uint64_t i = 0; i < 100; ++i) {
      const Problem p = problem_of(*find_family(name), 3, i, false, 1);
      CHECK(p.checked_trace.ends_with(" ok"));
      CHECK(p.trace.find("wrong") == std::string::npos);
      const size_t again = p.checked_trace.find(" wrong\nagain\n" + p.trace);
      mended += again != std::string::npos;
      CHECK((again != std::string::npos) == (p.checked_trace.find("wrong") != std::string::npos));
    }
  }
  CHECK(mended > 350);  // the check by 9 and by last digits cannot see every slip
}

TEST_CASE("sizes are what was asked for") {
  Difficulty d;
  d.size = 3;
  for (uint64_t i = 0; i < 30; ++i) {
    for (const int64_t n : numbers_in(make_family_problem("mul", d, false, 1, i).question())) {
      CHECK(arithmetic::digit_count(n) == 3);
    }
  }
  d.size = 8;
  CHECK(numbers_in(make_family_problem("chain", d, true, 1, 0).key).size() == 9);
  d.size = 100;
  const auto kv = make_family_problem("kv", d, true, 1, 3).question();
  CHECK(kv.size() > 900);
}

TEST_CASE("a needle lies where it was put") {
  for (const double depth : {0.0, 0.5, 1.0}) {
    Draw draw(1, 2);
    const Problem p = needle_problem(draw, 40, depth);
    const std::string& text = p.question();
    const double at = static_cast<double>(text.find("The secret number")) / static_cast<double>(text.size());
    CHECK(at == doctest::Approx(depth * 0.95).epsilon(0.15).scale(0.2));
    CHECK(text.find("is " + p.answer + ".") != std::string::npos);
  }
}

TEST_CASE("mixes: shares, levels, parts, and what is refused") {
  TaskMix mix;
  mix.families = parse_task_list("add*3, mul:3");
  mix.min_level = mix.max_level = 2;
  std::map<std::string, int> drawn, modes;
  for (uint64_t i = 0; i < 2000; ++i) {
    const MadeProblem made = make_problem(mix, 5, i);
    ++drawn[made.problem.family];
    ++modes[std::string(name(made.think))];
    CHECK(made.level == 2);
    CHECK_FALSE(is_held_out(made.problem));
  }
  CHECK(drawn["add"] == doctest::Approx(1500).epsilon(0.05));
  CHECK(modes["off"] == doctest::Approx(800).epsilon(0.1));
  CHECK(modes["max"] == doctest::Approx(300).epsilon(0.2));
  mix.held_out = true;
  CHECK(is_held_out(make_problem(mix, 5, 0).problem));
  CHECK(problem_line(make_problem(mix, 5, 9)) == problem_line(make_problem(mix, 5, 9)));

  const auto refused = [](const char* list, const char* message) {
    try {
      parse_task_list(list);
      FAIL("accepted");
    } catch (const Error& error) {
      CHECK(error.message().find(message) != std::string::npos);
    }
  };
  refused("nothing", "expected one of add, sub,");
  refused("add:99", "task add: expected a size of at most 9, found 99");
  refused("add*0", "expected a number above 0, found '0'");
  refused("add*x", "expected a number above 0, found 'x'");
  refused("add,,", "expected one of");
  CHECK_THROWS_AS(parse_think_mode("loud"), Error);
  TaskMix bad;
  bad.min_level = 0;
  CHECK_THROWS_AS(bad.check(), Error);
  TaskMix none;
  none.off = none.high = none.max = 0;
  CHECK_THROWS_AS(none.check(), Error);
}

TEST_CASE("stories are clean sentences about their cast") {
  std::set<std::string> different;
  for (uint64_t i = 0; i < 400; ++i) {
    Draw draw(11, i);
    const Story story = make_story(draw);
    const std::string text = story.text();
    CAPTURE(text);
    CHECK(text.find_first_of("{}|") == std::string::npos);
    CHECK(text.find("  ") == std::string::npos);
    CHECK(text.find(story.hero) != std::string::npos);
    CHECK((text.back() == '.' || text.back() == '"'));
    CHECK_FALSE(std::regex_search(text, std::regex("\\b[Aa] [aeiou]|\\b[Aa]n (?!honest)[^aeiou]|a honest")));
    CHECK(story.paragraphs.size() >= 4);
    different.insert(text);
  }
  CHECK(different.size() == 400);
  Draw draw(1, 1);
  CHECK(story_sentences(draw, 57).size() == 57);
}

TEST_CASE("conversations of several problems are in one mode, and one problem is a conversation of one") {
  TaskMix mix;
  CHECK(conversation_line(mix, 5, 9, 1) == problem_line(make_problem(mix, 5, 9)));
  int64_t longest = 0;
  for (uint64_t index = 0; index < 40; ++index) {
    const auto read =
        read_encoding_case(parse_json_value(conversation_line(mix, 5, index, 3)), {}, Generation::v2026_04);
    const bool thinks = make_problem(mix, 5, index * 3).think != Think::off;
    CHECK((read.options.thinking_mode == ThinkingMode::thinking) == thinks);
    int64_t answers = 0;
    for (const ChatMessage& message : read.messages) {
      if (message.role != Role::assistant) continue;
      ++answers;
      if (!thinks) CHECK(message.reasoning_content.empty());
    }
    longest = std::max(longest, answers);
  }
  CHECK(longest >= 3);
}

}  // namespace
}  // namespace fathom
