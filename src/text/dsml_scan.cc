#include "text/dsml_scan.h"

#include <algorithm>
#include <array>

#include "text/protocol_strings.h"

namespace fathom {

namespace {

constexpr size_t kMaxSpaces = 16;        // inside a tag: more is no tag, so that little is ever held back
constexpr size_t kMaxAttributes = 4096;  // bytes
constexpr size_t kMaxWord = 32;          // bytes of an attribute's own name

bool is_space(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }

/// Of a literal that must be text: the longest start of it that is there.
Match match_literal(std::string_view text, std::string_view literal) {
  if (text.starts_with(literal)) return Match::yes;
  return literal.starts_with(text) ? Match::partial : Match::no;
}

struct Spelling {
  std::string_view bars;
  size_t token;  ///< where the added token is within; npos: nowhere
};
constexpr size_t kNoToken = std::string_view::npos;
constexpr std::array<Spelling, 4> kSpellings = {{
    {protocol::kDsml, 0},
    {"｜｜DSML｜｜", std::string_view("｜").size()},
    {"|DSML|", kNoToken},
    {"||DSML||", kNoToken},
}};

Match match_spelling(MarkedText at, const Spelling& spelling) {
  const Match match = match_literal(at.text, spelling.bars);
  if (match == Match::no || spelling.token == kNoToken || at.text.size() <= spelling.token) return match;
  return at.mark(spelling.token) == Piece::plain ? Match::no : match;
}

struct TagName {
  std::string_view name;
  TagKind kind;
};
constexpr std::array<TagName, 6> kTagNames = {{
    {"tool_calls", TagKind::block},
    {"invoke", TagKind::invoke},
    {"parameter", TagKind::parameter},
    {"toolcalls", TagKind::block},
    {"function_calls", TagKind::block},
    {"calls", TagKind::block},
}};

constexpr std::array<std::string_view, 3> kDoubleQuotes = {"\"", "“", "”"};
constexpr std::array<std::string_view, 3> kSingleQuotes = {"'", "‘", "’"};

/// A place in a growing text; `waits` once the text ended where more was needed.
class Cursor {
 public:
  explicit Cursor(std::string_view text) : text_(text) {}
  bool at_end() const { return at_ >= text_.size(); }
  char peek() const { return text_[at_]; }
  std::string_view rest() const { return text_.substr(at_); }
  size_t at() const { return at_; }
  void skip(size_t bytes) { at_ += bytes; }
  bool skip_spaces() {
    size_t spaces = 0;
    while (!at_end() && is_space(peek()) && spaces <= kMaxSpaces) ++spaces, ++at_;
    return spaces <= kMaxSpaces;
  }

 private:
  std::string_view text_;
  size_t at_ = 0;
};

/// What may follow an attribute's value: the end of the tag, or spaces and the next attribute.
Match match_after_value(std::string_view text) {
  Cursor cursor(text);
  if (!cursor.skip_spaces()) return Match::no;
  const bool spaced = cursor.at() > 0;
  if (cursor.at_end()) return Match::partial;
  if (cursor.peek() == '>') return Match::yes;
  if (cursor.peek() == '/') return match_literal(cursor.rest(), "/>");
  if (!spaced) return Match::no;
  const size_t start = cursor.at();
  while (!cursor.at_end() && cursor.at() - start < kMaxWord &&
         ((cursor.peek() | 0x20) >= 'a' && (cursor.peek() | 0x20) <= 'z')) {
    cursor.skip(1);
  }
  if (cursor.at_end()) return Match::partial;
  if (cursor.at() == start || !cursor.skip_spaces()) return Match::no;
  if (cursor.at_end()) return Match::partial;
  return cursor.peek() == '=' ? Match::yes : Match::no;
}

struct QuotedValue {
  Match match = Match::no;
  std::string_view value;
  bool official = true;
};

/// A value from its quote on, or without quotes up to a space or ">".
QuotedValue match_value(Cursor& cursor) {
  if (cursor.at_end()) return {Match::partial, {}, true};
  const auto quote_at = [](std::string_view text, const auto& quotes) -> size_t {
    for (const std::string_view quote : quotes) {
      if (text.starts_with(quote)) return quote.size();
    }
    return 0;
  };
  for (const auto& quotes : {kDoubleQuotes, kSingleQuotes}) {
    for (const std::string_view quote : quotes) {
      const Match opens = match_literal(cursor.rest(), quote);
      if (opens == Match::partial) return {Match::partial, {}, true};
      if (opens == Match::no) continue;
      cursor.skip(quote.size());
      const std::string_view rest = cursor.rest();
      for (size_t i = 0; i < rest.size(); ++i) {
        const size_t closes = quote_at(rest.substr(i), quotes);
        if (closes == 0) continue;
        const Match after = match_after_value(rest.substr(i + closes));
        if (after == Match::no) continue;
        if (after == Match::yes) cursor.skip(i + closes);
        return {after, rest.substr(0, i), quote == "\"" && closes == 1};
      }
      return {Match::partial, {}, true};
    }
  }
  const std::string_view rest = cursor.rest();
  const size_t end = rest.find_first_of(" \t\r\n>");
  if (end == std::string_view::npos) return {Match::partial, {}, false};
  const std::string_view value =
      rest.substr(0, rest[end] == '>' && end > 0 && rest[end - 1] == '/' ? end - 1 : end);
  cursor.skip(value.size());
  return {value.empty() ? Match::no : Match::yes, value, false};
}

}  // namespace

Match match_token(MarkedText at, std::string_view token) {
  if (at.text.empty()) return Match::partial;
  return at.mark(0) == Piece::plain ? Match::no : match_literal(at.text, token);
}

TagMatch match_tag(MarkedText at, bool at_end, bool in_call) {
  TagMatch tag;
  const auto stop = [&](Match match) {
    tag.match = match;
    return tag;
  };
  if (at.text.empty()) return stop(Match::partial);
  if (at.text.front() != '<') return stop(Match::no);
  size_t i = 1;
  if (i < at.text.size() && at.text[i] == '/') {
    tag.closing = true;
    ++i;
  }
  if (i == at.text.size()) return stop(Match::partial);

  Match match = Match::no;
  for (const Spelling& spelling : kSpellings) {
    const Match found = match_spelling(at.substr(i), spelling);
    if (found == Match::no) continue;
    match = found;
    if (match == Match::partial) continue;
    i += spelling.bars.size();
    tag.official = &spelling == kSpellings.data();
    break;
  }
  const bool bare = match == Match::no && in_call && !tag.closing;
  if (match != Match::yes && !bare) return stop(match);
  tag.past_bars = !bare;
  // V4.1 writes a space after the bars.
  if (!bare && i < at.text.size() && at.text[i] == ' ') {
    tag.official = false;
    ++i;
  }

  const std::string_view rest = at.text.substr(i);
  match = Match::no;
  for (const TagName& known : kTagNames) {
    const Match found = match_literal(rest, known.name);
    if (found == Match::no || (bare && known.kind != TagKind::parameter)) continue;
    match = found;
    tag.kind = known.kind;
    if (found == Match::partial) continue;
    i += known.name.size();
    tag.official = tag.official && !bare && &known - kTagNames.data() < 3;
    break;
  }
  if (match != Match::yes) return stop(match);

  if (!tag.closing && tag.kind != TagKind::block) {
    tag.bytes = i;
    if (i == at.text.size()) return stop(Match::partial);
    return stop(is_space(at.text[i]) || at.text[i] == '>' || at.text[i] == '/' ? Match::yes : Match::no);
  }
  Cursor cursor(at.text.substr(i));
  if (!cursor.skip_spaces()) return stop(Match::no);
  tag.official = tag.official && cursor.at() == 0;
  tag.bytes = i + cursor.at();
  if (cursor.at_end()) return stop(at_end && tag.closing ? Match::yes : Match::partial);
  ++tag.bytes;
  return stop(cursor.peek() == '>' ? Match::yes : Match::no);
}

Attributes match_attributes(MarkedText at) {
  Attributes out;
  Cursor cursor(at.text.substr(0, kMaxAttributes));
  const Match at_limit = at.text.size() < kMaxAttributes ? Match::partial : Match::no;
  const auto stop = [&](Match match) {
    out.match = match == Match::partial ? at_limit : match;
    return out;
  };
  bool has_name = false;
  while (true) {
    const size_t before = cursor.at();
    if (!cursor.skip_spaces()) return stop(Match::no);
    const bool one_space = cursor.at() == before + 1 && at.text[before] == ' ';
    if (cursor.at_end()) return stop(Match::partial);
    if (cursor.peek() == '>' || cursor.peek() == '/') {
      const bool closes = cursor.peek() == '/';
      const Match end = match_literal(cursor.rest(), closes ? "/>" : ">");
      if (end != Match::yes) return stop(end);
      out.official = out.official && !closes && cursor.at() == before;
      out.self_closing = closes;
      out.bytes = cursor.at() + (closes ? 2 : 1);
      // A tag within means that an end was forgotten: what was read is not one tag.
      const bool one_tag = at.text.substr(0, out.bytes).find("DSML") == std::string_view::npos;
      return stop(has_name && one_tag ? Match::yes : Match::no);
    }
    out.official = out.official && one_space;

    std::string_view word = cursor.rest();
    const size_t word_end = word.find_first_of(" \t\r\n=>/<\"'");
    if (std::min(word_end, word.size()) > kMaxWord) return stop(Match::no);
    if (word_end == std::string_view::npos) return stop(Match::partial);
    word = word.substr(0, word_end);
    cursor.skip(word_end);
    const size_t equals = cursor.at();
    if (!cursor.skip_spaces()) return stop(Match::no);
    if (cursor.at_end()) return stop(Match::partial);
    if (cursor.peek() != '=' || word.empty()) return stop(Match::no);
    cursor.skip(1);
    const size_t value_start = cursor.at();
    if (!cursor.skip_spaces()) return stop(Match::no);
    out.official = out.official && equals + 1 == value_start && value_start == cursor.at();

    const QuotedValue value = match_value(cursor);
    if (value.match != Match::yes) return stop(value.match);
    out.official = out.official && value.official;
    if (word == "name" && !has_name) {
      has_name = true;
      out.name = value.value;
    } else if (word == "string") {
      out.string = value.value;
      out.official = out.official && has_name;
    } else {
      out.official = false;
    }
  }
}

}  // namespace fathom
