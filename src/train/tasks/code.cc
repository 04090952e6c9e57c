// Short programs and formulas: what they print, what they come to.
#include <fmt/format.h>

#include <map>

#include "train/tasks/family.h"

namespace fathom {
namespace {

constexpr int64_t kMost = 9999;

int64_t apply(int64_t a, char sign, int64_t b) { return sign == '+' ? a + b : sign == '-' ? a - b : a * b; }

char sign_for(Draw& draw, int64_t a, int64_t b) {
  const int64_t kind = draw.below(3);
  if (kind == 2 && std::abs(a * b) <= kMost) return '*';
  return kind == 1 ? '-' : '+';
}

}  // namespace

void make_code(Draw& draw, const Difficulty& d, Problem& p) {
  const int64_t most[] = {2, 3, 4, 6, 8};
  const int64_t lines = d.size > 0 ? d.size : draw.between(2, by_level(d, most));
  std::map<char, int64_t> value;
  std::string program;
  const std::string names = "abxyn";
  const auto put = [&](char name, int64_t v) {
    value[name] = v;
    p.trace += fmt::format("{}={}\n", name, v);
  };
  for (int64_t i = 0; i < lines; ++i) {
    if (value.empty() || (value.size() < 2 && draw.chance(0.5))) {
      const char name = names[static_cast<size_t>(draw.below(2)) + (value.empty() ? 0 : 2)];
      const int64_t n = draw.between(1, 20);
      program += fmt::format("{} = {}\n", name, n);
      put(name, n);
      continue;
    }
    const auto from = *std::next(value.begin(), draw.below(std::ssize(value)));
    const char to = draw.chance(0.6) ? from.first : names[static_cast<size_t>(draw.below(4))];
    if (d.level >= 4 && d.size == 0 && draw.chance(0.25) && std::abs(from.second) < 100) {
      const int64_t rounds = draw.between(2, 4), add = draw.between(1, 9);
      program += fmt::format("for i in range({}):\n    {} = {} + {}\n", rounds, from.first, from.first, add);
      for (int64_t r = 0; r < rounds; ++r) put(from.first, value[from.first] + add);
      continue;
    }
    const bool by_name = value.size() > 1 && draw.chance(0.4);
    const auto other = *std::next(value.begin(), draw.below(std::ssize(value)));
    const int64_t b = by_name ? other.second : draw.between(2, 12);
    const char sign = sign_for(draw, from.second, b);
    program += fmt::format("{} = {} {} {}\n", to, from.first, sign,
                           by_name ? std::string(1, other.first) : fmt::to_string(b));
    const int64_t result = apply(from.second, sign, b);
    p.trace += fmt::format("{}{}{}: ", from.second, sign, b);
    put(to, result);
  }
  const auto shown = *std::next(value.begin(), draw.below(std::ssize(value)));
  program += fmt::format("print({})", shown.first);
  p.ask(draw.chance(0.5) ? "What does this program print?\n" + program : program + "\nWhat is printed?");
  p.key = program;
  p.answer = fmt::to_string(shown.second);
  p.trace += fmt::format("print {}", shown.second);
  std::string values;
  for (const auto& [name, v] : value) values += fmt::format("{}={} ", name, v);
  p.checked_trace = with_check(p.trace, fmt::format("at the end {}\nprint {} ok", values, shown.first));
}

void make_formula(Draw& draw, const Difficulty& d, Problem& p) {
  const int64_t most[] = {1, 2, 3, 4, 5};
  const int64_t operations = d.size > 0 ? d.size : draw.between(1, by_level(d, most));
  int64_t value = draw.between(1, 20);
  std::string text = fmt::to_string(value);
  bool compound = false, sum = false;
  for (int64_t i = 0; i < operations; ++i) {
    const int64_t b = draw.between(2, 12);
    const char sign = sign_for(draw, value, b);
    const std::string inner = sign == '*' && compound && sum ? "(" + text + ")" : text;
    const bool mirrored = sign != '-' && draw.chance(0.3);
    const std::string second = mirrored && sign == '*' && compound && !sum ? "(" + inner + ")" : inner;
    text = mirrored ? fmt::format("{} {} {}", b, sign, second) : fmt::format("{} {} {}", inner, sign, b);
    const int64_t result = apply(value, sign, b);
    p.trace += mirrored ? fmt::format("{}{}{}{}={}", i > 0 ? "\n" : "", b, sign, value, result)
                        : fmt::format("{}{}{}{}={}", i > 0 ? "\n" : "", value, sign, b, result);
    value = result;
    compound = true;
    sum = sign != '*';
  }
  p.ask(draw.chance(0.5) ? fmt::format("Evaluate {}.", text) : fmt::format("What is the value of {}?", text));
  p.key = text;
  p.answer = fmt::to_string(value);
  p.checked_trace = with_check(p.trace, fmt::format("again\n{}\n{} ok", p.trace, value));
}

}  // namespace fathom
