// Arithmetic: add, sub, mul, div, sum. Operands are uniform in their number of digits.
#include <fmt/format.h>

#include <algorithm>

#include "train/tasks/arithmetic_traces.h"
#include "train/tasks/family.h"

namespace fathom {
namespace {

using arithmetic::digit_count;
using arithmetic::mod9;
using arithmetic::Worked;

int64_t operand(Draw& draw, const Difficulty& d, const int64_t (&most)[Difficulty::kLevels],
                int64_t least = 1) {
  return draw.number(d.size > 0 ? d.size : draw.between(least, by_level(d, most)));
}

// "8+0=8", "8 8 ok" or "8 7 wrong": the remainders by 9 agree where the calculation is right.
std::string compare(int64_t expected, int64_t found) {
  return fmt::format("{} {} {}", expected, found, expected == found ? "ok" : "wrong");
}

std::string check_by_9(int64_t a, char operation, int64_t b, int64_t result) {
  const int64_t x = a % 9, y = b % 9, joined = operation == '+' ? x + y : x * y;
  return fmt::format("mod 9\n{}\n{}\n{}{}{}={} {}\n{}\n{}", mod9(a), mod9(b), x, operation, y, joined,
                     joined % 9, mod9(result), compare(joined % 9, result % 9));
}

std::string check_by_adding(int64_t a, int64_t b, int64_t difference) {
  const Worked back = arithmetic::add(difference, b);
  return fmt::format("{}+{}: {}\n{}", difference, b, back.text, compare(a, back.result));
}

// "2+3", also in words.
std::string question(Draw& draw, int64_t a, char sign, int64_t b) {
  switch (draw.below(4)) {
    case 0:
      return fmt::format("{} {} {} = ?", a, sign, b);
    case 1:
      return fmt::format("What is {} {} {}?", a, sign, b);
    case 2:
      return fmt::format("Compute {} {} {}.", a, sign, b);
    default:
      return sign == '+'   ? fmt::format("Add {} and {}.", a, b)
             : sign == '-' ? fmt::format("Subtract {} from {}.", b, a)
                           : fmt::format("Multiply {} by {}.", a, b);
  }
}

bool slips(Draw& draw, const Difficulty& d) { return draw.chance(d.slips); }

}  // namespace

void make_add(Draw& draw, const Difficulty& d, Problem& p) {
  const int64_t most[] = {2, 3, 4, 6, 8};
  const int64_t a = operand(draw, d, most), b = operand(draw, d, most);
  p.key = fmt::format("{} {}", std::min(a, b), std::max(a, b));
  p.ask(question(draw, a, '+', b));
  const Worked right = arithmetic::add(a, b);
  p.answer = fmt::to_string(right.result);
  p.trace = right.text;
  const Worked wrong =
      slips(draw, d) ? arithmetic::add(a, b, draw.below(std::max(digit_count(a), digit_count(b)))) : Worked{};
  p.checked_trace = with_check(right.text, check_by_9(a, '+', b, right.result), wrong.text,
                               check_by_9(a, '+', b, wrong.result));
}

void make_sub(Draw& draw, const Difficulty& d, Problem& p) {
  const int64_t most[] = {2, 3, 4, 6, 8};
  int64_t a = operand(draw, d, most);
  int64_t b = draw.number(draw.between(1, digit_count(a)));
  if (a < b) std::swap(a, b);
  p.key = fmt::format("{} {}", a, b);
  p.ask(question(draw, a, '-', b));
  const Worked right = arithmetic::sub(a, b);
  p.answer = fmt::to_string(right.result);
  p.trace = right.text;
  const Worked wrong = slips(draw, d) ? arithmetic::sub(a, b, draw.below(digit_count(a))) : Worked{};
  p.checked_trace = with_check(right.text, check_by_adding(a, b, right.result), wrong.text,
                               check_by_adding(a, b, wrong.result));
}

void make_mul(Draw& draw, const Difficulty& d, Problem& p) {
  const int64_t most_a[] = {2, 3, 3, 4, 4}, most_b[] = {1, 1, 2, 3, 3};
  const int64_t least = std::min(d.level, 3);
  const int64_t a = operand(draw, d, most_a, std::min<int64_t>(2, least)),
                b = operand(draw, d, most_b, d.level == 5 ? 2 : 1);
  p.key = fmt::format("{} {}", std::min(a, b), std::max(a, b));
  p.ask(question(draw, a, '*', b));
  const Worked right = arithmetic::mul(a, b);
  p.answer = fmt::to_string(right.result);
  p.trace = right.text;
  const Worked wrong = slips(draw, d) ? arithmetic::mul(a, b, draw.below(digit_count(a))) : Worked{};
  p.checked_trace = with_check(right.text, check_by_9(a, '*', b, right.result), wrong.text,
                               check_by_9(a, '*', b, wrong.result));
}

void make_div(Draw& draw, const Difficulty& d, Problem& p) {
  const int64_t most[] = {2, 3, 4, 5, 7};
  const int64_t a = operand(draw, d, most), b = draw.between(2, 9);
  p.key = fmt::format("{} {}", a, b);
  p.ask(draw.chance(0.5) ? fmt::format("Divide {} by {} with remainder.", a, b)
                         : fmt::format("What is {} / {} and what remains?", a, b));
  int64_t rest = 0;
  for (const char c : fmt::to_string(a)) {
    const int64_t part = rest * 10 + (c - '0');
    rest = part % b;
    p.trace += fmt::format("{}/{}={} rest {}; ", part, b, part / b, rest);
  }
  p.answer = fmt::format("{} remainder {}", a / b, rest);
  p.trace += p.answer;
  const Worked product = arithmetic::mul(a / b, b);
  const Worked back = arithmetic::add(product.result, rest);
  p.checked_trace = with_check(p.trace, fmt::format("{}\n{}+{}: {}\n{}", product.text, product.result, rest,
                                                    back.text, compare(a, back.result)));
}

void make_sum(Draw& draw, const Difficulty& d, Problem& p) {
  const int64_t most_numbers[] = {3, 3, 4, 5, 6}, most_digits[] = {1, 2, 3, 3, 4};
  std::vector<int64_t> numbers(static_cast<size_t>(d.size > 0 ? std::max<int64_t>(2, d.size)
                                                              : draw.between(3, by_level(d, most_numbers))));
  for (int64_t& n : numbers) n = draw.number(draw.between(1, by_level(d, most_digits)));
  const std::string list = comma_list(numbers);
  p.key = list;
  p.ask(draw.chance(0.5) ? fmt::format("Add these numbers: {}.", list)
                         : fmt::format("What is the sum of {}?", list));
  int64_t sum = numbers[0], rest = numbers[0] % 9;
  std::string check = "mod 9\n" + mod9(numbers[0]);
  for (size_t i = 1; i < numbers.size(); ++i) {
    const Worked step = arithmetic::add(sum, numbers[i]);
    p.trace += fmt::format("{}{}+{}: {}", i > 1 ? "\n" : "", sum, numbers[i], step.text);
    const int64_t joined = rest + numbers[i] % 9;
    check += fmt::format("\n{}\n{}+{}={} {}", mod9(numbers[i]), rest, numbers[i] % 9, joined, joined % 9);
    rest = joined % 9;
    sum = step.result;
  }
  p.answer = fmt::to_string(sum);
  p.checked_trace = with_check(p.trace, fmt::format("{}\n{}\n{}", check, mod9(sum), compare(rest, sum % 9)));
}

}  // namespace fathom
