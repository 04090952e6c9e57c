#pragma once
/// The three splits of the V3 and V4 tokenizer files, by hand, where they depend on ASCII alone.

#include <cstdint>
#include <string_view>
#include <vector>

#include "text/pretokenizer.h"

namespace fathom {

/// Digits in a piece of numbers (3 in the published files) if `rules` are exactly the known splits
/// (architecture.md section 11), else 0.
int64_t known_digits_per_piece(const std::vector<SplitRule>& rules);

/// The splits of the published files, with pieces of numbers of 1 or 3 digits.
std::vector<SplitRule> v4_splits(int64_t digits_per_piece);

/// End of the piece that starts at `begin`, a piece's start, or -1 if characters beyond ASCII (or control
/// characters) have a say in it.
int64_t ascii_piece_end(std::string_view text, int64_t begin, int64_t digits_per_piece);

/// The first position after `begin` at which a piece ends whatever stands before or after: behind an ASCII
/// letter that another ASCII character follows, for no alternative of the patterns goes on from a letter to
/// such a one, and a letter is never left unmatched. Or text.size().
int64_t ascii_certain_end(std::string_view text, int64_t begin);

}  // namespace fathom
