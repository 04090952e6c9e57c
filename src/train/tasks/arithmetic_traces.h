#pragma once
/// Worked arithmetic, column by column, last digit first.

#include <cstdint>
#include <string>

namespace fathom::arithmetic {

/// A worked calculation and what it comes to; wrong if a slip was put in.
struct Worked {
  std::string text;
  int64_t result = 0;
};

/// slip: the column (of mul: the column of the first partial product) whose sum is one too high; -1: none.
Worked add(int64_t a, int64_t b, int64_t slip = -1);
/// a >= b.
Worked sub(int64_t a, int64_t b, int64_t slip = -1);
/// By the digits of b, last first, each partial product added to the sum so far.
Worked mul(int64_t a, int64_t b, int64_t slip = -1);
/// The remainder by 9 of a number, digit by digit: "168: 1 7 6".
std::string mod9(int64_t n);

int64_t digit_count(int64_t n);

}  // namespace fathom::arithmetic
