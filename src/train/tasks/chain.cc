// Serial composition, which a fixed number of layers cannot do at once: chains of operations, cups.
#include <fmt/format.h>

#include "train/tasks/family.h"

namespace fathom {
namespace {

struct Operation {
  char sign;
  int64_t by;
  int64_t on(int64_t value) const { return sign == '+' ? value + by : sign == '-' ? value - by : value * by; }
};

// slip: the step whose result is one too high; -1: none.
std::string chain_trace(int64_t value, const std::vector<Operation>& operations, int64_t slip,
                        int64_t& result) {
  std::string text;
  for (size_t i = 0; i < operations.size(); ++i) {
    const int64_t full = operations[i].on(value) + (static_cast<int64_t>(i) == slip);
    text += fmt::format("{}{}{}{}={}", i > 0 ? "\n" : "", value, operations[i].sign, operations[i].by, full);
    value = full % 100;
    if (full > 99) text += fmt::format(" keep {}", value);
  }
  result = value;
  return text;
}

// The same chain on last digits only.
std::string last_digit_check(int64_t value, const std::vector<Operation>& operations, int64_t result) {
  std::string text = fmt::format("last digits: {}", value % 10);
  for (const Operation& operation : operations) {
    value = ((operation.on(value) % 10) + 10) % 10;
    text += fmt::format(" {}{} {}", operation.sign, operation.by % 10, value);
  }
  return text +
         fmt::format("\n{} {} {}", value % 10, result % 10, value % 10 == result % 10 ? "ok" : "wrong");
}

}  // namespace

void make_chain(Draw& draw, const Difficulty& d, Problem& p) {
  const int64_t least[] = {2, 3, 4, 6, 8}, most[] = {3, 4, 6, 8, 10};
  const int64_t steps = d.size > 0 ? d.size : draw.between(by_level(d, least), by_level(d, most));
  const int64_t start = draw.between(1, 99);
  int64_t value = start;
  std::vector<Operation> operations;
  std::string text = fmt::format("Start with {}. After each step keep only the last two digits.", start);
  p.key = fmt::to_string(start);
  for (int64_t i = 0; i < steps; ++i) {
    Operation operation{'+', draw.between(2, 99)};
    if (const int64_t kind = draw.below(3); kind == 1 && value >= 3) {
      operation = {'-', draw.between(2, value - 1)};
    } else if (kind == 2) {
      operation = {'*', draw.between(2, 9)};
    }
    value = operation.on(value) % 100;
    operations.push_back(operation);
    const char* word = operation.sign == '+' ? "Add" : operation.sign == '-' ? "Subtract" : "Multiply by";
    text += fmt::format(" {} {}.", word, operation.by);
    p.key += fmt::format(" {}{}", operation.sign, operation.by);
  }
  p.ask(text + " What is the result?");
  int64_t result = 0, wrong_result = 0;
  p.trace = chain_trace(start, operations, -1, result);
  p.answer = fmt::to_string(result);
  std::string wrong;
  if (draw.chance(d.slips)) wrong = chain_trace(start, operations, draw.below(steps), wrong_result);
  p.checked_trace = with_check(p.trace, last_digit_check(start, operations, result), wrong,
                               last_digit_check(start, operations, wrong_result));
}

void make_cups(Draw& draw, const Difficulty& d, Problem& p) {
  const int64_t most_cups[] = {3, 3, 4, 5, 6}, most[] = {3, 4, 6, 8, 12};
  const int64_t cups = draw.between(3, by_level(d, most_cups));
  const int64_t swaps = d.size > 0 ? d.size : draw.between(2, by_level(d, most));
  const int64_t start = draw.between(1, cups);
  int64_t at = start;
  std::string text = fmt::format("{} cups stand in a row. A {} is under cup {}.", cups,
                                 draw.pick({"coin", "ball", "ring", "bean"}), start);
  p.key = fmt::format("{} {}", cups, start);
  std::vector<std::pair<int64_t, int64_t>> moves;
  for (int64_t i = 0; i < swaps; ++i) {
    const int64_t a = draw.between(1, cups), step = draw.between(1, cups - 1), b = (a - 1 + step) % cups + 1;
    moves.emplace_back(a, b);
    text += fmt::format(" Swap cups {} and {}.", a, b);
    p.key += fmt::format(" {}{}", a, b);
    at = at == a ? b : at == b ? a : at;
    p.trace += fmt::format("{}{} {}: {}", i > 0 ? "\n" : "", a, b, at);
  }
  p.ask(text + " Under which cup is it now?");
  p.answer = fmt::to_string(at);
  std::string back = fmt::format("back from {}", at);
  for (size_t i = moves.size(); i-- > 0;) {
    const auto [a, b] = moves[i];
    at = at == a ? b : at == b ? a : at;
    back += fmt::format("\n{} {}: {}", a, b, at);
  }
  p.checked_trace = with_check(p.trace, fmt::format("{}\n{} {} ok", back, start, at));
}

}  // namespace fathom
