#include "train/tasks/arithmetic_traces.h"

#include <fmt/format.h>

#include <algorithm>
#include <vector>

namespace fathom::arithmetic {
namespace {

// Last digit first.
std::vector<int64_t> digits_of(int64_t n) {
  std::vector<int64_t> digits;
  do {
    digits.push_back(n % 10);
  } while (n /= 10);
  return digits;
}

// "digits 2 8 6 -> 682", the last step of every calculation.
Worked close(std::string text, const std::vector<int64_t>& digits) {
  text += "digits";
  int64_t value = 0, place = 1;
  for (const int64_t digit : digits) {
    text += fmt::format(" {}", digit);
    value += digit * place;
    place *= 10;
  }
  text += fmt::format(" -> {}", value);
  return {std::move(text), value};
}

Worked times_digit(int64_t a, int64_t digit, int64_t slip) {
  std::string text;
  std::vector<int64_t> digits;
  int64_t carry = 0;
  for (const int64_t d : digits_of(a)) {
    const int64_t value = d * digit + carry + (std::ssize(digits) == slip);
    text += fmt::format("{}*{}+{}={}; ", d, digit, carry, value);
    digits.push_back(value % 10);
    carry = value / 10;
  }
  if (carry > 0) digits.push_back(carry);
  return close(std::move(text), digits);
}

}  // namespace

int64_t digit_count(int64_t n) { return std::ssize(digits_of(n)); }

Worked add(int64_t a, int64_t b, int64_t slip) {
  auto x = digits_of(a), y = digits_of(b);
  const size_t columns = std::max(x.size(), y.size());
  x.resize(columns);
  y.resize(columns);
  std::string text;
  std::vector<int64_t> digits;
  int64_t carry = 0;
  for (size_t i = 0; i < columns; ++i) {
    const int64_t value = x[i] + y[i] + carry + (static_cast<int64_t>(i) == slip);
    text += fmt::format("{}+{}+{}={}; ", x[i], y[i], carry, value);
    digits.push_back(value % 10);
    carry = value / 10;
  }
  if (carry > 0) digits.push_back(carry);
  return close(std::move(text), digits);
}

Worked sub(int64_t a, int64_t b, int64_t slip) {
  const auto x = digits_of(a);
  auto y = digits_of(b);
  y.resize(x.size());
  std::string text;
  std::vector<int64_t> digits;
  int64_t borrow = 0;
  for (size_t i = 0; i < x.size(); ++i) {
    const bool lends = x[i] - y[i] - borrow < 0;
    const int64_t from = x[i] + (lends ? 10 : 0);
    const int64_t value = from - y[i] - borrow;
    const int64_t written = static_cast<int64_t>(i) == slip ? (value + 1) % 10 : value;
    text += fmt::format("{}-{}-{}={}{}; ", from, y[i], borrow, written, lends ? " borrow" : "");
    digits.push_back(written);
    borrow = lends;
  }
  return close(std::move(text), digits);
}

Worked mul(int64_t a, int64_t b, int64_t slip) {
  std::string text;
  int64_t sum = 0, place = 1;
  bool first = true;
  for (const int64_t digit : digits_of(b)) {
    const Worked partial = times_digit(a, digit, first ? slip : -1);
    text += fmt::format("{}{}*{}: {}", first ? "" : "\n", a, digit, partial.text);
    if (first) {
      sum = partial.result;
    } else {
      const int64_t shifted = partial.result * place;
      const Worked total = add(sum, shifted);
      text += fmt::format(", shifted {}\n{}+{}: {}", shifted, sum, shifted, total.text);
      sum = total.result;
    }
    place *= 10;
    first = false;
  }
  return {std::move(text), sum};
}

std::string mod9(int64_t n) {
  auto digits = digits_of(n);
  std::reverse(digits.begin(), digits.end());
  std::string text = fmt::format("{}:", n);
  int64_t rest = 0;
  for (const int64_t digit : digits) {
    rest = (rest + digit) % 9;
    text += fmt::format(" {}", rest);
  }
  return text;
}

}  // namespace fathom::arithmetic
