#include "cli/number_checks.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <charconv>
#include <cmath>
#include <string_view>

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

double scaled_number(const std::string& text, const std::string& flag, double thousand) {
  double value = 0;
  const char* end = text.data() + text.size();
  auto [rest, error] = std::from_chars(text.data(), end, value);
  constexpr std::string_view kSuffixes = "KMGTP";
  if (error == std::errc{} && rest + 1 == end) {
    const size_t power = kSuffixes.find(static_cast<char>(*rest & ~0x20));
    if (power != std::string_view::npos) {
      value *= std::pow(thousand, static_cast<double>(power + 1));
      ++rest;
    }
  }
  if (error != std::errc{} || rest != end || !std::isfinite(value) || value < 0) {
    throw CLI::ValidationError(flag, "expected a number, with K, M, G, T or P if you like, found " + text);
  }
  return value;
}

}  // namespace fathom::cli
