#pragma once
/// Numbers between bounds, as GBNF. Source: api.md section 5 (minimum, maximum, multipleOf).

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "text/python_json.h"

namespace fathom::server {

/// A decimal: value / 10^places, exactly.
struct Decimal {
  int64_t value = 0;
  int places = 0;
};
/// Nothing: no number, more than 6 places, or beyond 10^11.
std::optional<Decimal> decimal_of(const JsonValue& value);

struct NumberBounds {
  std::optional<Decimal> least, most;
  bool above = false, below = false;  ///< the bound itself is out
};

/// An expression for the integers within the bounds, of at most 16 digits; empty: there is none.
std::string integer_grammar(const NumberBounds& bounds);
/// The same for numbers, written without an exponent; a fraction has at least as many digits as the bounds.
std::string number_grammar(const NumberBounds& bounds);
/// Rules for the multiples of `step` > 0 (value at most 1000), the first named `name`; their names begin with
/// it.
std::string multiples_rules(const std::string& name, const Decimal& step);

/// What a schema demands of numbers, as an expression; empty: nothing fulfils it.
/// @param rules more rules are added, with names that begin with `name`
/// @param lost keywords that are not held are added
std::string numbers_of_schema(const JsonValue& schema, bool whole, const std::string& name,
                              std::string& rules, std::vector<std::string>& lost);

}  // namespace fathom::server
