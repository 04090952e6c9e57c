#include "train/tasks/task.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "train/tasks/family.h"

namespace fathom {
namespace {

constexpr int kTries = 20000;  // until a problem of the asked part comes
constexpr uint64_t kHeldOutOneIn = 20;

const TaskFamily kFamilies[] = {
#define FATHOM_TASK(name, what, size, max_size, weight) {#name, what, size, max_size, weight, make_##name},
#include "train/tasks/family_list.h"
#undef FATHOM_TASK
};

// FNV-1a, and a mixing step so that all bits count.
uint64_t hash_of(std::string_view text) {
  uint64_t h = 0xCBF29CE484222325u;
  for (const char c : text) h = (h ^ static_cast<unsigned char>(c)) * 0x100000001B3u;
  h ^= h >> 33;
  h *= 0xFF51AFD7ED558CCDu;
  return h ^ h >> 33;
}

std::string_view trimmed(std::string_view text) {
  const auto begin = text.find_first_not_of(" \t\r\n");
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(" \t\r\n") - begin + 1);
}

nlohmann::json parsed(std::string_view text) {
  return nlohmann::json::parse(text.begin(), text.end(), nullptr, false);  // discarded if it is no JSON
}
bool same_json(std::string_view a, std::string_view b) {
  const auto x = parsed(a), y = parsed(b);
  return !x.is_discarded() && !y.is_discarded() && x == y;
}

nlohmann::ordered_json message_json(const ChatMessage& message) {
  nlohmann::ordered_json out = {{"role", name(message.role)}, {"content", message.content.value_or("")}};
  if (!message.reasoning_content.empty()) out["reasoning_content"] = message.reasoning_content;
  for (const JsonValue& tool : message.tools) {
    out["tools"].push_back(
        {{"type", "function"}, {"function", nlohmann::ordered_json::parse(dump_json(tool))}});
  }
  for (const ToolCall& call : message.tool_calls) {
    out["tool_calls"].push_back({{"id", call.id},
                                 {"type", "function"},
                                 {"function", {{"name", call.name}, {"arguments", call.arguments}}}});
  }
  if (!message.tool_call_id.empty()) out["tool_call_id"] = message.tool_call_id;
  return out;
}

std::string family_names() {
  std::vector<std::string> names;
  for (const TaskFamily& family : kFamilies) names.emplace_back(family.name);
  return comma_list(names);
}

double number_in(std::string_view text, std::string_view item) {
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || !(value > 0) || value > 1e6) {
    bad_input("task '{}': expected a number above 0, found '{}'", printable(item, 60), printable(text, 40));
  }
  return value;
}

}  // namespace

std::span<const TaskFamily> task_families() { return kFamilies; }
const TaskFamily* find_family(std::string_view name) {
  const auto* end = std::end(kFamilies);
  const auto* found = std::find_if(kFamilies, end, [&](const TaskFamily& f) { return f.name == name; });
  return found == end ? nullptr : found;
}

std::string_view name(Think think) {
  return think == Think::off ? "off" : think == Think::high ? "high" : "max";
}
Think parse_think_mode(std::string_view word) {
  for (const Think think : {Think::off, Think::high, Think::max}) {
    if (word == name(think)) return think;
  }
  bad_input("think: expected off, high or max, found '{}'", printable(word, 40));
}

void Problem::ask(std::string question) {
  prompt = {ChatMessage{.role = Role::user, .content = std::move(question)}};
}
const std::string& Problem::question() const {
  static const std::string none;
  for (const ChatMessage& message : prompt) {
    if (message.role == Role::user && message.content.has_value()) return *message.content;
  }
  return none;
}

std::string with_check(const std::string& trace, const std::string& check, const std::string& wrong,
                       const std::string& wrong_check) {
  // A slip that the check cannot see (it may cancel out) teaches nothing.
  const bool seen = !wrong.empty() && wrong_check.ends_with("wrong");
  const std::string right = trace + "\ncheck " + check;
  return seen ? wrong + "\ncheck " + wrong_check + "\nagain\n" + right : right;
}

std::string comma_list(std::span<const std::string> items) {
  return fmt::format("{}", fmt::join(items, ", "));
}
std::string comma_list(std::span<const int64_t> items) { return fmt::format("{}", fmt::join(items, ", ")); }

void TaskMix::check() const {
  double weights = families.empty() ? 1 : 0;
  for (const TaskShare& share : families) {
    const TaskFamily* family = find_family(share.family);
    if (family == nullptr) {
      bad_input("task: expected one of {}, found '{}'", family_names(), printable(share.family, 60));
    }
    if (share.size < 0 || share.size > family->max_size) {
      bad_input("task {}: expected a size of at most {}, found {}", share.family, family->max_size,
                share.size);
    }
    if (!(share.weight >= 0 && share.weight <= 1e6))
      bad_input("task {}: expected a weight of 0 to 1e6, found {}", share.family, share.weight);
    weights += share.weight;
  }
  if (!(weights > 0)) bad_input("tasks: expected one with a weight above 0, found none");
  if (min_level < 1 || max_level > Difficulty::kLevels || min_level > max_level) {
    bad_input("level: expected 1 to {}, the lower first, found {} to {}", Difficulty::kLevels, min_level,
              max_level);
  }
  for (const double share : {off, high, max, slips}) {
    if (!(share >= 0 && share <= 1e6)) bad_input("share of a mode: expected 0 to 1e6, found {}", share);
  }
  if (!(off + high + max > 0)) bad_input("shares of the modes: expected one above 0, found none");
}

std::vector<TaskShare> parse_task_list(std::string_view text) {
  std::vector<TaskShare> shares;
  while (!text.empty()) {
    const size_t comma = std::min(text.find(','), text.size());
    const std::string_view item = trimmed(text.substr(0, comma));
    text.remove_prefix(std::min(comma + 1, text.size()));
    TaskShare share;
    std::string_view rest = item;
    if (const size_t star = rest.find('*'); star != std::string_view::npos) {
      share.weight = number_in(rest.substr(star + 1), item);
      rest = rest.substr(0, star);
    }
    if (const size_t colon = rest.find(':'); colon != std::string_view::npos) {
      share.size = static_cast<int64_t>(number_in(rest.substr(colon + 1), item));
      rest = rest.substr(0, colon);
    }
    share.family = rest;
    shares.push_back(std::move(share));
  }
  TaskMix mix;
  mix.families = shares;
  mix.check();
  return shares;
}

bool is_held_out(const Problem& problem) {
  return hash_of(problem.family + "\n" + problem.key) % kHeldOutOneIn == 0;
}

Problem make_family_problem(std::string_view family_name, const Difficulty& difficulty, bool held_out,
                            uint64_t seed, uint64_t index) {
  const TaskFamily* family = find_family(family_name);
  if (family == nullptr)
    bad_input("task: expected one of {}, found '{}'", family_names(), printable(family_name, 60));
  Draw draw(seed ^ hash_of(family_name), index);
  for (int i = 0; i < kTries; ++i) {
    Problem problem;
    problem.family = family->name;
    family->make(draw, difficulty, problem);
    problem.family = family->name;
    if (is_held_out(problem) == held_out) return problem;
  }
  bad_input("task {}: expected {} problems at level {}, found none in {} draws", family_name,
            held_out ? "held-out" : "training", difficulty.level, kTries);
}

MadeProblem make_problem(const TaskMix& mix, uint64_t seed, uint64_t index) {
  Draw draw(seed, index);
  const TaskShare* chosen = nullptr;
  TaskShare usual;
  double total = 0;
  const auto weigh = [&](auto&& each) {
    for (const TaskShare& share : mix.families) each(share);
    if (!mix.families.empty()) return;
    for (const TaskFamily& family : kFamilies) each(TaskShare{family.name, 0, family.weight});
  };
  weigh([&](const TaskShare& share) { total += share.weight; });
  double at = draw.uniform() * total;
  weigh([&](const TaskShare& share) {
    if (chosen != nullptr || share.weight <= 0) return;
    usual = share;  // the last one, should rounding leave nothing
    at -= share.weight;
    if (at < 0) chosen = &usual;
  });
  Difficulty difficulty;
  difficulty.level = static_cast<int>(draw.between(mix.min_level, mix.max_level));
  difficulty.size = usual.size;
  difficulty.slips = mix.slips;
  const double mode = draw.uniform() * (mix.off + mix.high + mix.max);
  MadeProblem made;
  made.think = mode < mix.off ? Think::off : mode < mix.off + mix.high ? Think::high : Think::max;
  made.level = difficulty.level;
  made.problem = make_family_problem(usual.family, difficulty, mix.held_out, seed, index);
  return made;
}

ChatMessage answer_message(const Problem& problem, Think think) {
  ChatMessage message{.role = Role::assistant, .content = problem.answer, .tool_calls = problem.calls};
  if (think == Think::high) message.reasoning_content = problem.trace;
  if (think == Think::max) message.reasoning_content = problem.checked_trace;
  return message;
}

namespace {
void add_turn(const MadeProblem& made, nlohmann::ordered_json& messages) {
  for (const ChatMessage& message : made.problem.prompt) messages.push_back(message_json(message));
  messages.push_back(message_json(answer_message(made.problem, made.think)));
}

std::string line_of(nlohmann::ordered_json messages, const MadeProblem& last) {
  nlohmann::ordered_json out;
  out["messages"] = std::move(messages);
  out["options"]["thinking_mode"] = last.think == Think::off ? "chat" : "thinking";
  if (last.think == Think::max) out["options"]["reasoning_effort"] = "max";
  out["task"] = last.problem.family;
  out["think"] = name(last.think);
  out["level"] = last.level;
  out["answer"] = last.problem.answer;
  return out.dump();
}
}  // namespace

std::string problem_line(const MadeProblem& made) {
  nlohmann::ordered_json messages;
  add_turn(made, messages);
  return line_of(std::move(messages), made);
}

std::string conversation_line(const TaskMix& mix, uint64_t seed, uint64_t index, int turns) {
  const auto width = static_cast<uint64_t>(turns);
  MadeProblem made = make_problem(mix, seed, index * width);
  nlohmann::ordered_json messages;
  add_turn(made, messages);
  const uint64_t more = (index + seed) % width;
  for (uint64_t turn = 1; turn <= more; ++turn) {
    MadeProblem next = make_problem(mix, seed, index * width + turn);
    if (next.problem.prompt.size() != 1) continue;
    next.think = made.think;
    add_turn(next, messages);
    made = std::move(next);
  }
  return line_of(std::move(messages), made);
}

bool is_right(const Problem& problem, std::string_view content, const std::vector<ToolCall>& calls) {
  switch (problem.checker) {
    case Checker::exact:
      return calls.empty() && trimmed(content) == problem.answer;
    case Checker::json:
      return calls.empty() && same_json(content, problem.answer);
    case Checker::call:
      return std::equal(calls.begin(), calls.end(), problem.calls.begin(), problem.calls.end(),
                        [](const ToolCall& a, const ToolCall& b) {
                          return a.name == b.name && same_json(a.arguments, b.arguments);
                        });
    case Checker::mentions:
      return calls.empty() && trimmed(content).ends_with('.') &&
             std::all_of(problem.mentions.begin(), problem.mentions.end(), [&](const std::string& word) {
               return content.find(word) != std::string_view::npos;
             });
  }
  return false;
}

}  // namespace fathom
