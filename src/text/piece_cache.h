#pragma once
/// Ids of short pieces seen before: most words of a text are ones that came already.

#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>
#include <vector>

namespace fathom {

/// Direct-mapped, keyed by the piece's bytes themselves, so a hit is exact. For one thread.
class PieceCache {
 public:
  static constexpr size_t kMaxBytes = 15;
  static constexpr size_t kMaxIds = 4;

  struct Entry {
    uint64_t low = 0, high = 0;  // the bytes, zero-padded, and their count in the last; never 0 for a piece
    int32_t ids[kMaxIds] = {-1, -1, -1, -1};

    size_t count() const {
      size_t n = 0;
      while (n < kMaxIds && ids[n] >= 0) ++n;
      return n;
    }
    void set(std::span<const int32_t> values) {
      for (size_t i = 0; i < kMaxIds; ++i) ids[i] = i < values.size() ? values[i] : -1;
    }
  };

  PieceCache() : entries_(size_t{1} << kLog2Entries) {}

  /// The entry where text[begin..begin + size) belongs, size 1 .. kMaxBytes, its key set; `hit` says whether
  /// its ids are those of the piece, else the caller fills them or calls clear().
  Entry& at(std::string_view text, size_t begin, size_t size, bool& hit) {
    uint64_t words[2] = {0, 0};
    if (begin + 16 <= text.size()) {  // one wide load, and the surplus masked away
      std::memcpy(words, text.data() + begin, 16);
      if (size < 8) {
        words[0] &= (uint64_t{1} << (8 * size)) - 1;
        words[1] = 0;
      } else {
        words[1] &= (uint64_t{1} << (8 * (size - 8))) - 1;
      }
    } else {
      std::memcpy(words, text.data() + begin, size);
    }
    words[1] |= uint64_t{size} << 56;
    uint64_t hash = words[0] * 0x9E3779B97F4A7C15 + words[1] * 0xC2B2AE3D27D4EB4F;
    hash = (hash ^ hash >> 32) * 0xD6E8FEB86659FD93;
    Entry& entry = entries_[hash >> (64 - kLog2Entries)];
    hit = entry.low == words[0] && entry.high == words[1];
    entry.low = words[0];
    entry.high = words[1];
    return entry;
  }
  static void clear(Entry& entry) { entry.high = 0; }

 private:
  static constexpr int kLog2Entries = 15;  // 1 MiB
  std::vector<Entry> entries_;
};

}  // namespace fathom
