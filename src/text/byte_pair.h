#pragma once
/// Byte-pair encoding of one piece: from single bytes, the pair with the lowest rank is merged until no pair
/// has a merge; equal ranks go from left to right. Source: architecture.md section 11; Sennrich et al. 2016
/// (BPE), Hugging Face tokenizers' `BPE`.

#include <array>
#include <bitset>
#include <cstdint>
#include <string_view>
#include <vector>

namespace fathom {

/// A merge; its rank is its index in the list.
struct Merge {
  int32_t left, right, result;  ///< token ids
};

/// Working memory of BytePairEncoder::encode, one per thread.
struct BytePairScratch {
  std::vector<int32_t> ids;
  std::vector<uint32_t> ranks;
  std::vector<int32_t> next, previous;
  std::vector<uint64_t> heap;
};

class BytePairEncoder {
 public:
  /// Ids and merge counts must be below this.
  static constexpr int64_t kMaxTokens = int64_t{1} << 20;

  BytePairEncoder() = default;
  /// Throws Error(bad_input) if two merges have the same pair.
  BytePairEncoder(const std::array<int32_t, 256>& byte_ids, const std::vector<Merge>& merges);

  /// Appends the ids of `piece`, which must be valid UTF-8. Time n log n in its length.
  void encode(std::string_view piece, BytePairScratch& scratch, std::vector<int32_t>& out) const;

 private:
  static constexpr uint32_t kNone = UINT32_MAX;

  bool insert_all(const std::vector<Merge>& merges);
  void find_characters(const std::vector<Merge>& merges);
  void start_from_bytes(std::string_view piece, BytePairScratch& scratch) const;
  void start_from_characters(std::string_view piece, BytePairScratch& scratch) const;
  void merge_all(BytePairScratch& scratch, std::vector<int32_t>& out) const;
  uint32_t rank_of(int32_t left, int32_t right) const;
  void encode_short(BytePairScratch& scratch, std::vector<int32_t>& out) const;
  void encode_long(BytePairScratch& scratch, std::vector<int32_t>& out) const;

  std::array<int32_t, 256> byte_ids_{};
  // Rank of every pair of bytes [first * 256 + second]: where every piece starts.
  std::vector<uint32_t> byte_ranks_;
  // Open addressing: left (20 bits), right (20), rank (20), or kEmpty.
  std::vector<uint64_t> table_;
  int shift_ = 0;  // 64 - log2(table_.size())
  uint64_t multiplier_ = 0;
  // A bit per hash, four for each slot of the table: most pairs have no merge, and this small table, which
  // stays in a near cache, says so.
  std::vector<uint64_t> filter_;
  int filter_shift_ = 0;
  std::vector<int32_t> results_;  // by rank

  // Shortcut for text beyond ASCII (see byte_pair.cc): the token of each character of two or three bytes that
  // merges into one, by code point, else -1; empty if the merges do not allow it.
  std::vector<int32_t> characters_;
  // [last byte * 256 + first byte]: whether a merge can go across such a border between two characters with a
  // part of one of them.
  std::bitset<65536> straddled_;
};

}  // namespace fathom
