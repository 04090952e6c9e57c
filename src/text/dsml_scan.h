#pragma once
/// Markup at a place of a text that may still grow: is it there, is it not, or must one wait for more?
/// Spellings that models are known to slip into are recognised too (api.md section 4, "Recovery").

#include <cstddef>
#include <string>
#include <string_view>

namespace fathom {

/// What may separate tags.
inline constexpr std::string_view kDsmlSpaces = " \t\r\n";

/// How text came to be, byte by byte: `text` may spell markup, `plain` is text whatever it spells (tokens
/// that are not added ones), `special` is an added token.
enum class Piece : char { text, plain, special };

/// A text and the origin of each byte.
struct MarkedText {
  std::string_view text;
  std::string_view marks;  ///< Piece as char, as many as text has bytes

  MarkedText substr(size_t at) const { return {text.substr(at), marks.substr(at)}; }
  Piece mark(size_t at) const { return static_cast<Piece>(marks[at]); }
};

enum class Match {
  no,
  partial,  ///< the text ends within it
  yes,
};

/// An added token at the start.
Match match_token(MarkedText at, std::string_view token);

enum class TagKind { block, invoke, parameter };

struct TagMatch {
  Match match = Match::no;
  TagKind kind = TagKind::block;
  bool closing = false;
  size_t bytes = 0;      ///< up to and with ">"; for an opening invoke or parameter tag up to its attributes
  bool official = true;  ///< spelt as the encoder spells it
  bool past_bars = false;  ///< partial: `<｜DSML｜` is complete, so this can hardly be text
};
/// A DSML tag at the start. `at_end`: no more text comes; an end tag then needs no ">". `in_call`: the tag of
/// a parameter is one without `｜DSML｜`, too.
TagMatch match_tag(MarkedText at, bool at_end, bool in_call = false);

/// The attributes of an invoke or parameter tag, up to and with its ">".
struct Attributes {
  Match match = Match::no;
  size_t bytes = 0;
  std::string name;
  std::string string;  ///< value of the attribute `string`; empty: missing
  bool self_closing = false;
  bool official = true;
};
Attributes match_attributes(MarkedText at);

}  // namespace fathom
