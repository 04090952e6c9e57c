// Byte-pair encoding against its definition, with the published merges: the shortcut that starts from whole
// characters (byte_pair.cc) must never show.
#include "text/byte_pair.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <map>
#include <random>

#include "base/error.h"
#include "tests/text/tokenizer_files.h"
#include "text/tokenizer_json.h"

namespace fathom {
namespace {

using Ids = std::vector<int32_t>;

// From single bytes, the lowest rank first, the leftmost of equals.
class ByDefinition {
 public:
  explicit ByDefinition(const TokenizerData& data) : byte_ids_(data.byte_ids), merges_(data.merges) {
    for (size_t rank = 0; rank < merges_.size(); ++rank)
      ranks_[{merges_[rank].left, merges_[rank].right}] = rank;
  }
  Ids encode(std::string_view text) const {
    Ids ids;
    for (const char c : text) ids.push_back(byte_ids_[static_cast<unsigned char>(c)]);
    while (true) {
      size_t best = merges_.size(), at = 0;
      for (size_t i = 0; i + 1 < ids.size(); ++i) {
        const auto found = ranks_.find({ids[i], ids[i + 1]});
        if (found != ranks_.end() && found->second < best) best = found->second, at = i;
      }
      if (best == merges_.size()) return ids;
      ids[at] = merges_[best].result;
      ids.erase(ids.begin() + static_cast<std::ptrdiff_t>(at) + 1);
    }
  }

 private:
  std::array<int32_t, 256> byte_ids_;
  std::vector<Merge> merges_;
  std::map<std::pair<int32_t, int32_t>, size_t> ranks_;
};

std::string_view token(const TokenizerData& data, size_t id) {
  return std::string_view(data.token_bytes).substr(data.offsets[id], data.offsets[id + 1] - data.offsets[id]);
}

// Texts made of the file's tokens: their borders are where merges compete.
int64_t count_differences(const TokenizerData& data, const std::vector<std::string>& units, int rounds,
                          unsigned seed) {
  const ByDefinition definition(data);
  const BytePairEncoder encoder(data.byte_ids, data.merges);
  std::mt19937 random(seed);
  std::uniform_int_distribution<size_t> any(0, units.size() - 1);
  std::uniform_int_distribution<int> length(1, 24);
  BytePairScratch scratch;
  int64_t wrong = 0;
  for (int round = 0; round < rounds; ++round) {
    std::string joined, text;
    for (int i = length(random); i > 0; --i) joined += units[any(random)];
    append_valid_utf8(joined, text);
    Ids ids;
    encoder.encode(text, scratch, ids);
    wrong += ids != definition.encode(text);
  }
  return wrong;
}

TEST_CASE("published merges: texts of every script, and borders that merges go across") {
  const auto data = parse_tokenizer_json(test::tokenizer_file("deepseek_v3_tokenizer.json.gz"));
  std::vector<std::string> beyond_ascii, straddling, han;
  for (size_t id = 0; id < 128000; ++id) {
    const std::string_view bytes = token(data, id);
    const auto first = static_cast<unsigned char>(bytes[0]);
    if (first < 0x80 || bytes[0] == '<') continue;
    beyond_ascii.emplace_back(bytes);
    if (first < 0xC0 && bytes.size() > 1) straddling.emplace_back(bytes);
    if (first >= 0xE4 && first <= 0xE9 && is_valid_utf8(bytes)) han.emplace_back(bytes);
  }
  REQUIRE(straddling.size() > 100);
  CHECK(count_differences(data, han, 800, 1) == 0);
  CHECK(count_differences(data, beyond_ascii, 800, 2) == 0);
  straddling.insert(straddling.end(), beyond_ascii.begin(), beyond_ascii.begin() + 2000);
  CHECK(count_differences(data, straddling, 800, 3) == 0);

  // Every character of the file beside every straddled border's two sides, as valid text.
  std::vector<std::string> sides;
  for (const Merge& merge : data.merges) {
    const std::string_view left = token(data, static_cast<size_t>(merge.left));
    const std::string_view right = token(data, static_cast<size_t>(merge.right));
    const auto lead = static_cast<unsigned char>(right[0]);
    if ((left[0] & 0xC0) != 0x80 || lead < 0xE0 || lead >= 0xF0 || left.size() > 2) continue;
    // Characters that end as `left` does, then one that starts as `right` does.
    for (const int32_t before : {0xE4, 0xE6, 0xE9}) {
      std::string text(1, static_cast<char>(before));
      if (left.size() == 1) text += '\xB8';
      text += left;
      text += right.size() >= 3 ? std::string(right.substr(0, 3)) : std::string("\xE5\xAD\x90");
      sides.push_back(text);
    }
  }
  REQUIRE(sides.size() > 20);
  CHECK(count_differences(data, sides, 800, 4) == 0);
}

TEST_CASE("merges in an order that training would not write") {
  auto data = parse_tokenizer_json(test::tokenizer_file("tiny.json"));
  std::vector<std::string> units;
  for (size_t id = 3; id < 498; ++id) units.emplace_back(token(data, id));
  CHECK(count_differences(data, units, 2000, 5) == 0);
  std::reverse(data.merges.begin(), data.merges.end());
  CHECK(count_differences(data, units, 2000, 6) == 0);
  std::shuffle(data.merges.begin(), data.merges.end(), std::mt19937(9));
  CHECK(count_differences(data, units, 2000, 7) == 0);
  data.merges.clear();
  CHECK(count_differences(data, units, 100, 8) == 0);
}

TEST_CASE("a character whose parts merge out of order does not start whole") {
  // The bytes of é and of two neighbours: the merge across the border has a lower rank than é's own.
  auto data = parse_tokenizer_json(test::tokenizer_file("tiny.json"));
  const auto id = [&](unsigned char byte) { return data.byte_ids[byte]; };
  data.merges = {{id(0xA9), id(0xC3), 600}, {id(0xC3), id(0xA9), 601}, {601, 601, 602}};
  const std::vector<std::string> units = {"é", "\xC3", "\xA9", "a"};
  CHECK(count_differences(data, units, 2000, 10) == 0);
  data.merges = {{id(0xC3), id(0xA9), 601}, {601, 601, 602}};
  CHECK(count_differences(data, units, 2000, 11) == 0);
}

TEST_CASE("a pair that merges twice is refused") {
  auto data = parse_tokenizer_json(test::tokenizer_file("tiny.json"));
  data.merges.push_back(data.merges[7]);
  CHECK_THROWS_WITH_AS(BytePairEncoder(data.byte_ids, data.merges),
                       "merge 239: expected a new pair, found that of merge 7", Error);
}

}  // namespace
}  // namespace fathom
