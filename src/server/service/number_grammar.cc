#include "server/service/number_grammar.h"

#include <fmt/core.h>

#include <algorithm>
#include <numeric>
#include <vector>

namespace fathom::server {
namespace {

constexpr int kMostPlaces = 6, kMostDigits = 16;
constexpr int64_t kMostBound = 100'000'000'000;

int64_t power(int exponent) {
  int64_t out = 1;
  while (exponent-- > 0) out *= 10;
  return out;
}

std::string joined(const std::vector<std::string>& parts) {
  std::string out;
  for (const std::string& part : parts) out += (out.empty() ? "" : " | ") + part;
  return parts.size() > 1 ? "(" + out + ")" : out;
}

// Digits with a point before the last `places` of them, as GBNF; all texts have the same length.
class Digits {
 public:
  explicit Digits(int places) : places_(places) {}

  // lo..hi as texts of equal length.
  std::string between(const std::string& lo, const std::string& hi) const {
    const size_t n = lo.size();
    if (n == 0) return "";
    if (lo == std::string(n, '0') && hi == std::string(n, '9')) return any(n);
    const char a = lo[0], b = hi[0];
    const std::string rest_lo = lo.substr(1), rest_hi = hi.substr(1);
    if (a == b) return digit(n, a, a) + between(rest_lo, rest_hi);
    std::vector<std::string> ways;
    const bool low_whole = rest_lo == std::string(n - 1, '0'),
               high_whole = rest_hi == std::string(n - 1, '9');
    if (!low_whole) ways.push_back(digit(n, a, a) + between(rest_lo, std::string(n - 1, '9')));
    const char from = low_whole ? a : static_cast<char>(a + 1),
               to = high_whole ? b : static_cast<char>(b - 1);
    if (from <= to) ways.push_back(digit(n, from, to) + any(n - 1));
    if (!high_whole) ways.push_back(digit(n, b, b) + between(std::string(n - 1, '0'), rest_hi));
    return joined(ways) + " ";
  }

  // Whole numbers lo..hi >= 0 in units of the last place, without needless zeros before.
  std::string range(int64_t lo, int64_t hi) const {
    if (lo > hi) return "";
    std::vector<std::string> ways;
    for (int length = places_ + 1; length <= kMostDigits + places_; ++length) {
      const int64_t least = length == places_ + 1 ? 0 : power(length - 1), most = power(length) - 1;
      if (hi < least) break;
      if (lo > most) continue;
      ways.push_back(between(text(std::max(lo, least), length), text(std::min(hi, most), length)));
      if (length >= 18) break;  // of what 64 bits hold
    }
    return joined(ways);
  }
  std::string one(int64_t value) const { return range(value, value); }

 private:
  static std::string text(int64_t value, int length) { return fmt::format("{:0{}}", value, length); }
  std::string point(size_t left) const {
    return places_ > 0 && left == static_cast<size_t>(places_) ? "\".\" " : "";
  }
  // The first of `left` digits.
  std::string digit(size_t left, char from, char to) const {
    return point(left) + (from == to ? fmt::format("\"{}\" ", from) : fmt::format("[{}-{}] ", from, to));
  }
  std::string any(size_t left) const {
    const auto places = static_cast<size_t>(places_);
    if (left == 0) return "";
    if (places == 0 || left < places) return fmt::format("[0-9]{{{}}} ", left);
    const std::string whole = left > places ? fmt::format("[0-9]{{{}}} ", left - places) : "";
    return fmt::format("{}\".\" [0-9]{{{}}} ", whole, places);
  }

  int places_;
};

// Bounds in units of 10^-places, both within them; whether they themselves are out is kept.
struct Scaled {
  int64_t least, most;
  bool above, below;
};

int64_t scaled(const Decimal& d, int places) { return d.value * power(places - d.places); }

// Numbers >= 0 between bounds, with a fraction.
std::string fractions(Scaled b, int places) {
  if (b.least < 0) b.least = 0, b.above = false;
  if (b.most < b.least) return "";
  const Digits digits(places);
  std::vector<std::string> ways;
  const auto add = [&](const std::string& way, const char* tail) {
    if (!way.empty()) ways.push_back(way + " " + tail);
  };
  if (b.least == b.most) {
    if (!b.above && !b.below) add(digits.one(b.least), "\"0\"{0,9}");
    return joined(ways);
  }
  add(digits.range(b.above ? b.least + 1 : b.least, b.most - 1), "[0-9]{0,9}");
  if (b.above) add(digits.one(b.least), "[0-9]{0,8} [1-9]");
  if (!b.below) add(digits.one(b.most), "\"0\"{0,9}");
  return joined(ways);
}

int64_t floor_of(int64_t value, int64_t unit) {
  return value >= 0 ? value / unit : -((-value + unit - 1) / unit);
}

std::string integers(int64_t least, int64_t most) {
  const Digits digits(0);
  std::vector<std::string> ways;
  if (most >= 0) ways.push_back(digits.range(std::max<int64_t>(least, 0), most));
  if (least < 0) {
    const std::string negative = digits.range(std::max<int64_t>(-most, 1), -least);
    if (!negative.empty()) ways.push_back("\"-\" " + negative);
  }
  std::erase(ways, "");
  return joined(ways);
}

Scaled scaled_bounds(const NumberBounds& bounds, int places) {
  const int64_t far = power(std::min(18, kMostDigits + places)) - 1;
  return {bounds.least ? scaled(*bounds.least, places) : -far,
          bounds.most ? scaled(*bounds.most, places) : far, bounds.above && bounds.least,
          bounds.below && bounds.most};
}

int places_of(const NumberBounds& bounds) {
  return std::max(bounds.least ? bounds.least->places : 0, bounds.most ? bounds.most->places : 0);
}

// The multiples of the step within the bounds, if they are few, as literals.
std::optional<std::string> few_multiples(const NumberBounds& bounds, const Decimal& step) {
  constexpr int64_t kFew = 2000;
  if (!bounds.least || !bounds.most) return std::nullopt;
  const int places = std::max(places_of(bounds), step.places);
  const Scaled b = scaled_bounds(bounds, places);
  const int64_t unit = scaled(step, places);
  const int64_t first = b.above ? floor_of(b.least, unit) + 1 : -floor_of(-b.least, unit);
  const int64_t last = b.below ? -floor_of(-b.most, unit) - 1 : floor_of(b.most, unit);
  if (last - first >= kFew) return std::nullopt;
  std::vector<std::string> ways;
  for (int64_t i = first; i <= last; ++i) {
    const int64_t value = i * unit, size = value < 0 ? -value : value;
    std::string text = fmt::format("{}{}", value < 0 ? "-" : "", size / power(places));
    if (size % power(places) != 0) {
      text += fmt::format(".{:0{}}", size % power(places), places);
      while (text.back() == '0') text.pop_back();
    }
    ways.push_back("\"" + text + "\"");
  }
  return joined(ways);
}

}  // namespace

std::optional<Decimal> decimal_of(const JsonValue& value) {
  std::string text;
  if (const auto* integer = value.as_integer()) {
    text = integer->digits;
  } else if (const auto* number = value.as_float()) {
    text = float_text(*number, JsonDialect::serde);
  }
  const bool negative = text.starts_with('-');
  if (negative) text.erase(0, 1);
  Decimal out;
  bool fraction = false;
  if (text.empty()) return std::nullopt;
  for (const char c : text) {
    if (c == '.') {
      fraction = true;
      continue;
    }
    if (c < '0' || c > '9' || out.value > kMostBound * 100'000) return std::nullopt;
    out.value = out.value * 10 + (c - '0');
    if (fraction) ++out.places;
  }
  while (out.places > 0 && out.value % 10 == 0) out.value /= 10, --out.places;
  if (out.places > kMostPlaces || out.value / power(out.places) > kMostBound) return std::nullopt;
  if (negative) out.value = -out.value;
  return out;
}

std::string integer_grammar(const NumberBounds& bounds) {
  const int places = places_of(bounds);
  const int64_t unit = power(places);
  const Scaled b = scaled_bounds(bounds, places);
  const int64_t least = b.above ? floor_of(b.least, unit) + 1 : -floor_of(-b.least, unit);
  const int64_t most = b.below ? -floor_of(-b.most, unit) - 1 : floor_of(b.most, unit);
  return least > most ? "" : integers(least, most);
}

std::string number_grammar(const NumberBounds& bounds) {
  const int places = std::max(1, places_of(bounds));
  const Scaled b = scaled_bounds(bounds, places);
  std::vector<std::string> ways{integer_grammar(bounds), fractions(b, places)};
  const std::string negative = fractions({-b.most, -b.least, b.below, b.above}, places);
  if (!negative.empty()) ways.push_back("\"-\" " + negative);
  std::erase(ways, "");
  return joined(ways);
}

// A rule for each remainder of the digits so far, before the point and after it; but for those after the
// point from which no multiple can be reached.
std::string multiples_rules(const std::string& name, const Decimal& step) {
  const int64_t unit = step.value;
  const auto state = [&](int places, int64_t rest) { return fmt::format("{}-{}r{}", name, places, rest); };
  const auto after = [&](int64_t rest, int digit) { return (rest * 10 + digit) % unit; };
  // The text may end: what is left of the places would be zeros.
  const auto ends = [&](int places, int64_t rest) {
    for (int i = places; i < step.places; ++i) rest = after(rest, 0);
    return rest == 0;
  };
  std::vector<std::vector<bool>> alive(static_cast<size_t>(step.places) + 1,
                                       std::vector<bool>(static_cast<size_t>(unit), true));
  const auto lives = [&](int places, int64_t rest) {
    return static_cast<bool>(alive[static_cast<size_t>(places)][static_cast<size_t>(rest)]);
  };
  const auto digits = [&](int places, int64_t rest, int from) {
    std::string out;
    for (int digit = from; digit < 10; ++digit) {
      const int64_t next = after(rest, digit);
      if (!lives(places, next)) continue;
      out += fmt::format("{}\"{}\" {}", out.empty() ? "" : " | ", digit, state(places, next));
    }
    return out;
  };
  for (int places = step.places; places > 0; --places) {
    for (int64_t rest = 0; rest < unit; ++rest) {
      bool any = ends(places, rest);
      for (int digit = 0; digit < 10 && !any && places < step.places; ++digit)
        any = lives(places + 1, after(rest, digit));
      alive[static_cast<size_t>(places)][static_cast<size_t>(rest)] = any;
    }
  }
  const auto fraction = [&](int64_t rest) {
    const std::string first = step.places > 0 ? digits(1, rest, 0) : "";
    return first.empty() ? "" : " | \".\" (" + first + ")";
  };
  // After a single zero no digit follows.
  std::string out = fmt::format("{} ::= \"-\"? (\"0\" (\"\"{}) | {})\n", name, fraction(0), digits(0, 0, 1));
  for (int64_t rest = 0; rest < unit; ++rest)
    out += fmt::format("{} ::= {}{}{}\n", state(0, rest), digits(0, rest, 0), fraction(rest),
                       ends(0, rest) ? " | \"\"" : "");
  for (int places = 1; places <= step.places; ++places) {
    for (int64_t rest = 0; rest < unit; ++rest) {
      if (!lives(places, rest)) continue;
      std::string ways = places < step.places ? digits(places + 1, rest, 0) : "";
      if (ends(places, rest)) ways += ways.empty() ? "\"\"" : " | \"\"";
      out += state(places, rest) + " ::= " + ways + "\n";
    }
  }
  return out;
}

std::string numbers_of_schema(const JsonValue& schema, bool whole, const std::string& name,
                              std::string& rules, std::vector<std::string>& lost) {
  NumberBounds bounds;
  const auto read = [&](const char* key, bool least, bool out) {
    const JsonValue* value = schema.find(key);
    if (!value) return;
    const std::optional<Decimal> found = decimal_of(*value);
    if (!found) {
      lost.emplace_back(key);
      return;
    }
    auto& bound = least ? bounds.least : bounds.most;
    if (bound) {  // the inclusive one came first
      const int places = std::max(bound->places, found->places);
      const int64_t own = scaled(*bound, places), theirs = scaled(*found, places);
      if (least ? theirs < own : theirs > own) return;
    }
    bound = found;
    (least ? bounds.above : bounds.below) = out;
  };
  read("minimum", true, false);
  read("exclusiveMinimum", true, true);
  read("maximum", false, false);
  read("exclusiveMaximum", false, true);
  const JsonValue* multiple = schema.find("multipleOf");
  if (multiple) {
    std::optional<Decimal> step = decimal_of(*multiple);
    if (step && step->value > 0) {
      if (whole &&
          step->places > 0) {  // the multiples that are whole: of the step in lowest terms, its numerator
        const int64_t unit = power(step->places);
        step = Decimal{step->value / std::gcd(step->value, unit), 0};
      }
      if (const auto few = few_multiples(bounds, *step)) return *few;
      if (!bounds.least && !bounds.most && step->value <= 1000) {
        rules += multiples_rules(name, *step);
        return name;
      }
    }
    lost.emplace_back("multipleOf");
  }
  if (!bounds.least && !bounds.most) return whole ? "integer" : "number";
  return whole ? integer_grammar(bounds) : number_grammar(bounds);
}

}  // namespace fathom::server
