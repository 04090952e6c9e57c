// Reading GBNF into a Grammar.
#include <algorithm>
#include <map>
#include <optional>

#include "base/error.h"
#include "engine/serving/grammar.h"
#include "text/code_points.h"
#include "text/utf8_stream.h"

namespace fathom {
namespace {

constexpr size_t kMaxElements = 200'000;
constexpr int64_t kMaxRepeat = 10'000;
constexpr uint32_t kLastCode = 0x10FFFF;

using Ranges = std::vector<std::pair<uint32_t, uint32_t>>;  // of code points, inclusive

class Parser {
 public:
  explicit Parser(std::string_view text) : text_(text) {}

  std::shared_ptr<const Grammar> grammar() {
    space(true);
    while (at_ < text_.size()) rule();
    const auto root = names_.find("root");
    if (root == names_.end()) refuse("a rule named root");
    for (const auto& [name, id] : names_) {
      if (!defined_[static_cast<size_t>(id)])
        bad_input("grammar: expected a rule '{}', found none", printable(name, 64));
    }
    out_->root = root->second;
    check_recursion(*out_);
    return out_;
  }

 private:
  using Sequence = std::vector<Grammar::Element>;

  [[noreturn]] void refuse(std::string_view expected) const {
    const auto line = 1 + std::ranges::count(text_.substr(0, at_), '\n');
    bad_input("grammar: expected {}, found '{}' in line {}", expected, printable(text_.substr(at_, 16)),
              line);
  }
  bool take(std::string_view word) {
    if (text_.substr(at_, word.size()) != word) return false;
    at_ += word.size();
    return true;
  }
  void space(bool lines) {
    while (at_ < text_.size()) {
      const char c = text_[at_];
      if (c == '#') {
        while (at_ < text_.size() && text_[at_] != '\n') ++at_;
      } else if (c == ' ' || c == '\t' || (lines && (c == '\n' || c == '\r'))) {
        ++at_;
      } else {
        return;
      }
    }
  }
  static bool is_name(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
  }
  std::string name() {
    const size_t start = at_;
    while (at_ < text_.size() && is_name(text_[at_])) ++at_;
    if (at_ == start) refuse("the name of a rule");
    return std::string(text_.substr(start, at_ - start));
  }
  int32_t new_rule(bool is_defined) {
    out_->rules.emplace_back();
    defined_.push_back(is_defined);
    return static_cast<int32_t>(out_->rules.size()) - 1;
  }
  int32_t rule_id(const std::string& name) {
    const auto known = names_.find(name);
    if (known != names_.end()) return known->second;
    const int32_t id = new_rule(false);
    names_.emplace(name, id);
    return id;
  }
  void add_alternative(int32_t rule, const Sequence& sequence) {
    if (out_->elements.size() + sequence.size() > kMaxElements)
      fail(ErrorCode::unsupported, "grammar: expected at most {} elements, found more", kMaxElements);
    out_->rules[static_cast<size_t>(rule)].push_back(static_cast<int32_t>(out_->elements.size()));
    out_->elements.insert(out_->elements.end(), sequence.begin(), sequence.end());
    out_->elements.push_back({});
  }

  void rule() {
    const std::string own = name();
    space(false);
    if (!take("::=")) refuse("'::='");
    const int32_t id = rule_id(own);
    if (defined_[static_cast<size_t>(id)])
      bad_input("grammar: expected one rule '{}', found two", printable(own, 64));
    defined_[static_cast<size_t>(id)] = true;
    alternatives(id, false);
    space(true);
  }

  void alternatives(int32_t rule, bool nested) {
    if (++depth_ > 200) refuse("fewer parentheses in parentheses");
    space(true);
    while (true) {
      add_alternative(rule, sequence(nested));
      // A rule goes on in the next line if that starts with '|'.
      const size_t end = at_;
      space(true);
      if (take("|")) {
        space(true);
        continue;
      }
      if (!nested) at_ = end;
      break;
    }
    --depth_;
  }

  Sequence sequence(bool nested) {
    Sequence out;
    while (true) {
      space(nested);
      if (at_ >= text_.size()) return out;
      const char c = text_[at_];
      Sequence item;
      if (c == '"') {
        item = literal();
      } else if (take("%dsml")) {  // the token of tool calls' markup
        item = {{-1, byte_set(kMarkupSymbol, kMarkupSymbol)}};
      } else if (c == '[' || c == '.') {
        item = {{to_rule(c == '.' ? any() : char_class()), -1}};
      } else if (c == '(') {
        ++at_;
        const int32_t id = new_rule(true);
        alternatives(id, true);
        space(true);
        if (!take(")")) refuse("')'");
        item = {{id, -1}};
      } else if (is_name(c)) {
        // The name of the next rule ends this one.
        const size_t start = at_;
        const std::string word = name();
        space(false);
        if (text_.substr(at_).starts_with("::=")) {
          at_ = start;
          return out;
        }
        item = {{rule_id(word), -1}};
      } else {
        return out;
      }
      repeat(item);
      out.insert(out.end(), item.begin(), item.end());
      if (out.size() > kMaxElements)
        fail(ErrorCode::unsupported, "grammar: expected fewer elements, found more");
    }
  }

  void repeat(Sequence& item) {
    int64_t least = 1, most = 1;
    if (take("*")) {
      least = 0, most = -1;
    } else if (take("+")) {
      most = -1;
    } else if (take("?")) {
      least = 0;
    } else if (take("{")) {
      least = number();
      most = least;
      if (take(",")) most = at_ < text_.size() && text_[at_] != '}' ? number() : -1;
      if (!take("}")) refuse("'}'");
      if (most >= 0 && most < least) refuse("a repeat whose end is not below its start");
    } else {
      return;
    }
    const Sequence one = item;
    item.clear();
    if (static_cast<size_t>(least) * one.size() > kMaxElements)
      fail(ErrorCode::unsupported, "grammar: expected fewer elements, found more");
    for (int64_t i = 0; i < least; ++i) item.insert(item.end(), one.begin(), one.end());
    if (most < 0) {
      const int32_t more = new_rule(true);
      Sequence again = one;
      again.push_back({more, -1});
      add_alternative(more, again);
      add_alternative(more, {});
      item.push_back({more, -1});
    } else {
      // x? nested in x?: a chain of rules.
      int32_t next = -1;
      for (int64_t i = least; i < most; ++i) {
        const int32_t maybe = new_rule(true);
        Sequence again = one;
        if (next >= 0) again.push_back({next, -1});
        add_alternative(maybe, again);
        add_alternative(maybe, {});
        next = maybe;
      }
      if (next >= 0) item.push_back({next, -1});
    }
  }
  int64_t number() {
    int64_t value = 0;
    const size_t start = at_;
    while (at_ < text_.size() && text_[at_] >= '0' && text_[at_] <= '9' && value <= kMaxRepeat)
      value = value * 10 + (text_[at_++] - '0');
    if (at_ == start) refuse("a number");
    if (value > kMaxRepeat)
      fail(ErrorCode::unsupported, "grammar: expected at most {} repeats, found more", kMaxRepeat);
    return value;
  }

  uint32_t hex(int digits) {
    uint32_t value = 0;
    for (int i = 0; i < digits; ++i, ++at_) {
      const char c = at_ < text_.size() ? static_cast<char>(text_[at_] | 0x20) : ' ';
      const bool digit = c >= '0' && c <= '9';
      if (!digit && (c < 'a' || c > 'f')) refuse("a hexadecimal digit");
      value = value * 16 + static_cast<uint32_t>(digit ? c - '0' : c - 'a' + 10);
    }
    return value;
  }
  // One character of a literal or a class.
  uint32_t character() {
    if (take("\\")) {
      if (take("n")) return '\n';
      if (take("r")) return '\r';
      if (take("t")) return '\t';
      if (take("x")) return hex(2);
      if (take("u")) return hex(4);
      if (at_ < text_.size() && std::string_view("\\\"[]-^").find(text_[at_]) != std::string_view::npos)
        return static_cast<unsigned char>(text_[at_++]);
      refuse("an escape: \\n \\r \\t \\\\ \\\" \\xHH or \\uHHHH");
    }
    if (at_ >= text_.size()) refuse("a character");
    const Utf8Step step = next_utf8(text_.substr(at_));
    if (step.kind != Utf8Step::Kind::character) refuse("UTF-8");
    const auto byte = [&](int64_t i) {
      return static_cast<uint32_t>(static_cast<unsigned char>(text_[at_ + static_cast<size_t>(i)]));
    };
    uint32_t code = byte(0);
    if (step.bytes > 1) {
      code &= (0x7Fu >> step.bytes);
      for (int64_t i = 1; i < step.bytes; ++i) code = code << 6 | (byte(i) & 0x3F);
    }
    at_ += static_cast<size_t>(step.bytes);
    return code;
  }

  Sequence literal() {
    ++at_;
    std::string bytes;
    while (!take("\"")) append_code_point(character(), bytes);
    Sequence out;
    for (const char c : bytes) {
      const auto byte = static_cast<uint32_t>(static_cast<unsigned char>(c));
      out.push_back({-1, byte_set(byte, byte)});
    }
    return out;
  }
  Ranges any() {
    ++at_;
    return {{0, kLastCode}};
  }
  Ranges char_class() {
    ++at_;
    const bool negated = take("^");
    Ranges ranges;
    while (!take("]")) {
      const uint32_t low = character();
      uint32_t high = low;
      if (text_.substr(at_).starts_with("-") && !text_.substr(at_).starts_with("-]")) {
        ++at_;
        high = character();
      }
      if (high < low) refuse("a range that goes up");
      ranges.emplace_back(low, high);
    }
    if (!negated) return ranges;
    std::ranges::sort(ranges);
    Ranges out;
    uint32_t next = 0;
    for (const auto& [low, high] : ranges) {
      if (low > next) out.emplace_back(next, low - 1);
      next = std::max(next, high + 1);
    }
    if (next <= kLastCode) out.emplace_back(next, kLastCode);
    return out;
  }

  int32_t byte_set(uint32_t low, uint32_t high) {
    const auto [known, is_new] = set_ids_.try_emplace({low, high}, static_cast<int32_t>(out_->sets.size()));
    if (is_new) {
      std::bitset<kGrammarSymbols> set;
      for (uint32_t b = low; b <= high; ++b) set.set(b);
      out_->sets.push_back(set);
    }
    return known->second;
  }

  // A class of characters as runs of byte ranges, surrogates left out.
  int32_t to_rule(const Ranges& ranges) {
    const int32_t rule = new_rule(true);
    for (const auto& [low, high] : ranges) {
      add_range(rule, low, std::min<uint32_t>(high, 0xD7FF));
      add_range(rule, std::max<uint32_t>(low, 0xE000), high);
    }
    if (ranges.empty()) refuse("a class with at least one character");
    return rule;
  }
  void add_range(int32_t rule, uint32_t low, uint32_t high) {
    if (low > high) return;
    for (const uint32_t last : {0x7Fu, 0x7FFu, 0xFFFFu}) {  // one length of encoding
      if (low <= last && high > last) {
        add_range(rule, low, last);
        return add_range(rule, last + 1, high);
      }
    }
    // Full blocks of continuation bytes below the first byte that differs.
    for (int shift = 6; shift <= 18 && high >= 0x80; shift += 6) {
      const uint32_t mask = (1u << shift) - 1;
      if ((low & ~mask) == (high & ~mask)) continue;
      if ((low & mask) != 0) {
        add_range(rule, low, low | mask);
        return add_range(rule, (low | mask) + 1, high);
      }
      if ((high & mask) != mask) {
        add_range(rule, low, (high & ~mask) - 1);
        return add_range(rule, high & ~mask, high);
      }
    }
    std::string first, last;
    append_code_point(low, first);
    append_code_point(high, last);
    Sequence bytes;
    for (size_t i = 0; i < first.size(); ++i)
      bytes.push_back(
          {-1, byte_set(static_cast<unsigned char>(first[i]), static_cast<unsigned char>(last[i]))});
    add_alternative(rule, bytes);
  }

  std::string_view text_;
  size_t at_ = 0;
  int depth_ = 0;
  std::shared_ptr<Grammar> out_ = std::make_shared<Grammar>();
  std::map<std::string, int32_t> names_;
  std::vector<bool> defined_;
  std::map<std::pair<uint32_t, uint32_t>, int32_t> set_ids_;
};

}  // namespace

std::shared_ptr<const Grammar> Grammar::parse(std::string_view gbnf) { return Parser(gbnf).grammar(); }

}  // namespace fathom
