#include "cli/number_checks.h"

#include <fmt/format.h>

#include <charconv>
#include <cmath>

#include "base/error.h"

namespace fathom::cli {
namespace {

template <class T>
NumberCheck number(const char* kind, T low, T high) {
  return [=](const std::string& text) -> std::string {
    T value{};
    const char* end = text.data() + text.size();
    const auto [rest, error] = std::from_chars(text.data(), end, value);
    // NaN is in no range.
    if (error == std::errc{} && rest == end && value >= low && value <= high) return {};
    return fmt::format("expected a {} from {} to {}, found '{}'", kind, low, high, printable(text));
  };
}

}  // namespace

NumberCheck whole_number(uint64_t low, uint64_t high) { return number("whole number", low, high); }
NumberCheck finite_number(double low, double high) { return number("number", low, high); }

}  // namespace fathom::cli
