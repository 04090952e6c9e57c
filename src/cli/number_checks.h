#pragma once
/// Checks of numbers on the command line. CLI11's own reading takes a number that overflows for the largest
/// one, and NaN for a number.

#include <cstdint>
#include <functional>
#include <string>

namespace fathom::cli {

/// For CLI::Option::check(): what is wrong with the text, empty if nothing.
using NumberCheck = std::function<std::string(const std::string&)>;

/// A whole number in decimal digits from `low` (>= 0) to `high`.
NumberCheck whole_number(uint64_t low, uint64_t high);
/// A finite number from `low` to `high`.
NumberCheck finite_number(double low, double high);

/// A number >= 0 with an optional suffix of KMGTP; `thousand` is what K stands for (M its square, and so on).
/// Throws CLI::ValidationError naming the flag.
double scaled_number(const std::string& text, const std::string& flag, double thousand);

}  // namespace fathom::cli
