// Splits: the classes are Unicode 16's, the hand-written ASCII path equals the patterns, and no pattern
// hangs.
#include "text/pretokenizer.h"

#include <doctest/doctest.h>

#include <random>

#include "base/error.h"
#include "tests/text/tokenizer_files.h"
#include "text/ascii_splitter.h"
#include "text/regex_syntax.h"
#include "text/tokenizer_json.h"

namespace fathom {
namespace {

std::string utf8(char32_t c) {
  std::string out;
  if (c < 0x80) {
    out += static_cast<char>(c);
  } else if (c < 0x800) {
    out += {static_cast<char>(0xC0 | c >> 6), static_cast<char>(0x80 | (c & 0x3F))};
  } else if (c < 0x10000) {
    out += {static_cast<char>(0xE0 | c >> 12), static_cast<char>(0x80 | (c >> 6 & 0x3F)),
            static_cast<char>(0x80 | (c & 0x3F))};
  } else {
    out += {static_cast<char>(0xF0 | c >> 18), static_cast<char>(0x80 | (c >> 12 & 0x3F)),
            static_cast<char>(0x80 | (c >> 6 & 0x3F)), static_cast<char>(0x80 | (c & 0x3F))};
  }
  return out;
}

std::vector<std::string> pieces(const Pretokenizer& pretokenizer, std::string_view text) {
  RegexScratch scratch;
  std::vector<int64_t> ends;
  pretokenizer.split(text, scratch, ends);
  std::vector<std::string> out;
  size_t begin = 0;
  for (const int64_t end : ends) {
    out.emplace_back(text.substr(begin, static_cast<size_t>(end) - begin));
    begin = static_cast<size_t>(end);
  }
  CHECK(begin == text.size());
  return out;
}

using Pieces = std::vector<std::string>;

TEST_CASE("classes have exactly the code points of Unicode 16") {
  const auto classes = nlohmann::json::parse(test::tokenizer_file("unicode_classes.json"));
  const std::pair<const char*, const char*> patterns[] = {{"L", R"(\p{L})"}, {"M", R"([\p{M}])"},
                                                          {"N", R"(\p{N})"}, {"P", R"([x\p{P}])"},
                                                          {"S", R"(\p{S})"}, {"space", R"(\s)"}};
  for (const auto& [name, pattern] : patterns) {
    CAPTURE(name);
    std::vector<bool> wanted(0x110000);
    for (const auto& range : classes[name]) {
      for (size_t c = range[0]; c <= range[1].get<size_t>(); ++c) wanted[c] = true;
    }
    const Regex regex(to_pcre2(pattern), Regex::Guard::timed);
    RegexScratch scratch;
    scratch.start_clock(1 << 30);
    int64_t wrong = 0;
    for (char32_t c = 0; c < 0x110000; ++c) {
      if (c >= 0xD800 && c < 0xE000) continue;
      const std::string text = utf8(c);
      const bool matches = regex.find(text, 0, scratch).end > 0;
      const bool extra = std::string_view(pattern).find('x') != std::string_view::npos && c == 'x';
      wrong += matches != (wanted[c] || extra);
    }
    CHECK(wrong == 0);
  }
}

TEST_CASE("negated classes are the complements") {
  RegexScratch scratch;
  scratch.start_clock(1 << 30);
  const auto compiled = [](const char* pattern) { return Regex(to_pcre2(pattern), Regex::Guard::timed); };
  const Regex letter = compiled(R"(\p{L})"), not_letter = compiled(R"(\P{L})"), caret = compiled(R"(\p{^L})");
  const Regex space = compiled(R"(\s)"), not_space = compiled(R"(\S)"), in_set = compiled(R"([\S])");
  int64_t wrong = 0;
  for (char32_t c = 0; c < 0x32000; ++c) {
    if (c >= 0xD800 && c < 0xE000) continue;
    const std::string text = utf8(c);
    const auto matches = [&](const Regex& regex) { return regex.find(text, 0, scratch).end > 0; };
    wrong += matches(letter) == matches(not_letter) || matches(letter) == matches(caret);
    wrong += matches(space) == matches(not_space) || matches(space) == matches(in_set);
  }
  CHECK(wrong == 0);
}

TEST_CASE("the splits of the published file") {
  const auto v3 = parse_tokenizer_json(test::tokenizer_file("deepseek_v3_tokenizer.json.gz"));
  const Pretokenizer pretokenizer(v3.splits);
  CHECK(pretokenizer.has_ascii_path());
  CHECK(pieces(pretokenizer, "It's 12345 naïve\n\n  words") ==
        Pieces{"It", "'s", " ", "123", "45", " naïve", "\n\n", " ", " words"});
  CHECK(pieces(pretokenizer, "你好abc，世界 1") == Pieces{"你好", "abc", "，", "世界", " ", "1"});
  CHECK(pieces(pretokenizer, "").empty());
}

TEST_CASE("the ASCII path gives the pieces of the patterns") {
  const auto v3 = parse_tokenizer_json(test::tokenizer_file("deepseek_v3_tokenizer.json.gz")).splits;
  const auto tiny = parse_tokenizer_json(test::tokenizer_file("tiny.json")).splits;
  auto one_digit = v3;
  one_digit[0].pattern = R"(\p{N})";
  // What differs between the classes, and characters beyond ASCII that could continue each kind of piece.
  const Pieces alphabet = {"a",          "Z",      "the",        "7",      "12",
                           " ",          " ",      "  ",         "\n",     "\r",
                           "\t",         "\v",     "'",          "!",      "{",
                           "$",          "\x01",   "\x1c",       "\x7f",   std::string(1, '\0'),
                           "é",          "中",     "か",         "，",     "٣",
                           "\u0301",     "\u3000", "\u0085",     "€",      "😀",
                           "_",          "\u00a0", "\u2028",     "\u200b", "\u00b2",
                           "\U0001E030", "ß",      "\U000113B8", "<",      "-"};
  std::mt19937 random(11);
  std::uniform_int_distribution<size_t> any(0, alphabet.size() - 1), ascii(0, 19);
  std::uniform_int_distribution<int> length(1, 12), percent(0, 99);
  RegexScratch scratch;
  for (const auto& rules : {v3, tiny, one_digit}) {
    const Pretokenizer pretokenizer(rules);
    REQUIRE(pretokenizer.has_ascii_path());
    int64_t wrong = 0;
    std::string first_wrong;
    std::vector<int64_t> fast, slow;
    const auto compare = [&](const std::string& text) {
      fast.clear();
      slow.clear();
      pretokenizer.split(text, scratch, fast);
      pretokenizer.split_by_regex(text, scratch, slow);
      if (fast != slow && wrong++ == 0) first_wrong = text;
    };
    for (int round = 0; round < 60000; ++round) {
      const int beyond = (round % 3) * 25;  // percent of choices from the whole alphabet
      std::string text;
      for (int i = length(random); i > 0; --i)
        text += alphabet[percent(random) < beyond ? any(random) : ascii(random)];
      compare(text);
    }
    // Every string of three symbols.
    for (const auto& a : alphabet) {
      for (const auto& b : alphabet) {
        for (const auto& c : alphabet) compare(a + b + c);
      }
    }
    for (const auto& line : test::tokenizer_cases("ids.jsonl")) compare(line["text"].get<std::string>());
    CAPTURE(first_wrong);
    CHECK(wrong == 0);
  }
}

TEST_CASE("other patterns take no ASCII path") {
  auto rules = parse_tokenizer_json(test::tokenizer_file("tiny.json")).splits;
  CHECK(known_digits_per_piece(rules) == 3);
  auto changed = rules;
  changed[0].pattern = R"(\p{N}{1,2})";
  CHECK(known_digits_per_piece(changed) == 0);
  changed = rules;
  changed[2].pattern += "|x";
  CHECK(known_digits_per_piece(changed) == 0);
  changed = rules;
  std::swap(changed[0], changed[1]);
  CHECK(known_digits_per_piece(changed) == 0);
  changed = rules;
  changed[0].literal = true;
  CHECK(known_digits_per_piece(changed) == 0);
  CHECK(pieces(Pretokenizer({{"a+", false}, {"a.", true}}), "xaaya.a.") ==
        Pieces{"x", "aa", "y", "a", ".", "a", "."});
  CHECK(pieces(Pretokenizer({{"a.", true}}), "xaba.c") == Pieces{"xab", "a.", "c"});
  CHECK(pieces(Pretokenizer(std::vector<SplitRule>{}), "all of it") == Pieces{"all of it"});
}

TEST_CASE("Ruby's line anchors and escapes") {
  CHECK(pieces(Pretokenizer({{R"(\s+$)", false}}), "a  \nb ") == Pieces{"a", "  ", "\nb", " "});
  CHECK(pieces(Pretokenizer({{R"(^b)", false}}), "ab\nbb") == Pieces{"ab\n", "b", "b"});
  CHECK(pieces(Pretokenizer({{R"(\v|\x41|\u0042|\x{43})", false}}), "\v\nABCD") ==
        Pieces{"\v", "\n", "A", "B", "C", "D"});
  CHECK(pieces(Pretokenizer({{R"(x{,2}y)", false}}), "xxxy") == Pieces{"x", "xxy"});
  CHECK(pieces(Pretokenizer({{R"(é{2}|\é)", false}}), "éééx") == Pieces{"éé", "é", "x"});
}

TEST_CASE("patterns that mean something else in PCRE2, or run without bound, are refused") {
  const char* refused[] = {R"(\w+)",      R"(a\b)",        R"(\G)",     R"((a)\1)",  R"(\k<x>)",
                           R"((?R))",     R"((*ACCEPT)a)", R"([a[b]])", R"([a&&b])", R"(\X)",
                           R"(\C)",       R"(\Ka)",        R"(\h)",     R"((?m:.))", R"((?<n>a))",
                           R"([^\P{L}])", R"(a{2}+)",      R"(a{2}?)",  R"([]a])",   R"(\Qa\E)"};
  for (const std::string pattern : refused) {
    CAPTURE(pattern);
    try {
      to_pcre2(pattern);
      FAIL("accepted");
    } catch (const Error& error) {
      CHECK(error.code() == ErrorCode::unsupported);
      CHECK(error.message().find("expected a pattern without") == 0);
    }
  }
  const char* broken[] = {"(",       "a)", "[a",    R"(\p{Nonsense})", R"(\p{})",  R"(\pL)",
                          R"(\p{L)", "*a", R"(\x)", R"(\u12)",         R"(\x{41)", R"(\x{FFFFFF})",
                          "a\\",     "a*", "a|",    "(?=a)",           "[z-a]"};
  for (const std::string pattern : broken) {
    CAPTURE(pattern);
    CHECK_THROWS_AS(Pretokenizer({{pattern, false}}), Error);
  }
  CHECK_THROWS_AS(to_pcre2(std::string(20000, 'a')), Error);
  CHECK_THROWS_AS(to_pcre2(std::string("a\0b", 3)), Error);
  CHECK_THROWS_AS(Pretokenizer({{std::string(200, '(') + "a" + std::string(200, ')'), false}}), Error);
  CHECK_THROWS_AS(Pretokenizer(std::vector<SplitRule>(40, {"a", false})), Error);
}

TEST_CASE("hostile patterns end with an error") {
  const std::string text = std::string(20'000, 'a') + "cb";
  RegexScratch scratch;
  std::vector<int64_t> ends;
  for (const std::string pattern : {R"((a+)+b)", R"((?:(?!a*b)a)+b)", R"((?:a?){50}b)", R"(a*a*[bc]\d)"}) {
    CAPTURE(pattern);
    const Pretokenizer pretokenizer({{pattern, false}});
    CHECK_THROWS_AS(pretokenizer.split(text, scratch, ends), Error);
  }
}

TEST_CASE("long runs of one class stay within the limits") {
  const auto rules = parse_tokenizer_json(test::tokenizer_file("tiny.json")).splits;
  const Pretokenizer pretokenizer(rules);
  RegexScratch scratch;
  for (const std::string unit : {"a", " ", "é", "中", "!", "\n", "٣", "\u3000", "\x01", "，", "x ", "é "}) {
    CAPTURE(unit);
    std::string text;
    while (text.size() < 300'000) text += unit;
    std::vector<int64_t> fast, slow;
    pretokenizer.split(text, scratch, fast);
    pretokenizer.split_by_regex(text, scratch, slow);
    CHECK(fast == slow);
    CHECK(fast.back() == std::ssize(text));
  }
}

}  // namespace
}  // namespace fathom
