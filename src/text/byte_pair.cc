#include "text/byte_pair.h"

#include <algorithm>
#include <bit>

#include "base/error.h"

namespace fathom {

namespace {

constexpr uint64_t kEmpty = UINT64_MAX;
constexpr int kBits = 20;
constexpr int64_t kMaxProbes = 256;
// Up to here a scan over all ranks per merge beats a heap.
constexpr size_t kShortPiece = 96;

uint64_t pair_key(int32_t left, int32_t right) {
  return (static_cast<uint64_t>(left) << kBits) | static_cast<uint64_t>(right);
}

}  // namespace

BytePairEncoder::BytePairEncoder(const std::array<int32_t, 256>& byte_ids, const std::vector<Merge>& merges)
    : byte_ids_(byte_ids) {
  FATHOM_CHECK(std::ssize(merges) < kMaxTokens);
  const size_t slots = std::bit_ceil(std::max<size_t>(merges.size() * 3, 16));
  shift_ = 64 - std::countr_zero(slots);
  table_.resize(slots);
  for (const Merge& merge : merges) results_.push_back(merge.result);
  // A file made to collide would make insertion quadratic: then another multiplier is tried.
  bool done = false;
  multiplier_ = 0x9E3779B97F4A7C15;
  for (int attempt = 0; !done && attempt < 8; ++attempt, multiplier_ = multiplier_ * 0xD1342543DE82EF95 + 2) {
    done = insert_all(merges);
    if (done) break;
  }
  if (!done) bad_input("expected merges that spread over a hash table, found ones made to collide");

  byte_ranks_.resize(size_t{1} << 16);
  for (size_t pair = 0; pair < byte_ranks_.size(); ++pair) {
    byte_ranks_[pair] = rank_of(byte_ids_[pair >> 8], byte_ids_[pair & 255]);
  }
}

bool BytePairEncoder::insert_all(const std::vector<Merge>& merges) {
  std::fill(table_.begin(), table_.end(), kEmpty);
  for (size_t rank = 0; rank < merges.size(); ++rank) {
    const uint64_t key = pair_key(merges[rank].left, merges[rank].right);
    size_t slot = (key * multiplier_) >> shift_;
    for (int64_t probe = 0; table_[slot] != kEmpty; ++probe, slot = (slot + 1) & (table_.size() - 1)) {
      if (table_[slot] >> kBits == key) {
        bad_input("merge {}: expected a new pair, found that of merge {}", rank,
                  table_[slot] & ((uint64_t{1} << kBits) - 1));
      }
      if (probe == kMaxProbes) return false;
    }
    table_[slot] = key << kBits | rank;
  }
  return true;
}

inline uint32_t BytePairEncoder::rank_of(int32_t left, int32_t right) const {
  const uint64_t key = pair_key(left, right);
  for (size_t slot = (key * multiplier_) >> shift_;; slot = (slot + 1) & (table_.size() - 1)) {
    const uint64_t entry = table_[slot];
    if (entry >> kBits == key) return static_cast<uint32_t>(entry & ((uint64_t{1} << kBits) - 1));
    if (entry == kEmpty) return kNone;
  }
}

void BytePairEncoder::encode(std::string_view piece, BytePairScratch& scratch,
                             std::vector<int32_t>& out) const {
  const auto byte = [&](size_t i) { return size_t{static_cast<unsigned char>(piece[i])}; };
  if (piece.empty()) return;
  scratch.ids.resize(piece.size());
  scratch.ranks.resize(piece.size());
  for (size_t i = 0; i < piece.size(); ++i) scratch.ids[i] = byte_ids_[byte(i)];
  for (size_t i = 0; i + 1 < piece.size(); ++i) scratch.ranks[i] = byte_ranks_[byte(i) << 8 | byte(i + 1)];
  scratch.ranks.back() = kNone;  // ranks[i] is of the pair (i, i + 1)
  return piece.size() <= kShortPiece ? encode_short(scratch, out) : encode_long(scratch, out);
}

void BytePairEncoder::encode_short(BytePairScratch& scratch, std::vector<int32_t>& out) const {
  int32_t* ids = scratch.ids.data();
  uint32_t* ranks = scratch.ranks.data();
  size_t count = scratch.ids.size();
  while (count > 1) {
    uint32_t lowest = kNone;
    for (size_t i = 0; i < count; ++i) lowest = std::min(lowest, ranks[i]);
    if (lowest == kNone) break;
    size_t at = 0;
    while (ranks[at] != lowest) ++at;
    ids[at] = results_[lowest];
    std::move(ids + at + 2, ids + count, ids + at + 1);
    std::move(ranks + at + 2, ranks + count, ranks + at + 1);
    --count;
    ranks[at] = at + 1 < count ? rank_of(ids[at], ids[at + 1]) : kNone;
    if (at > 0) ranks[at - 1] = rank_of(ids[at - 1], ids[at]);
  }
  out.insert(out.end(), ids, ids + count);
}

void BytePairEncoder::encode_long(BytePairScratch& scratch, std::vector<int32_t>& out) const {
  auto& [ids, ranks, next, previous, heap] = scratch;
  // Symbols keep their first byte's position; the heap holds rank << 32 | position, stale entries are
  // skipped.
  const size_t count = ids.size();
  if (count > UINT32_MAX / 2) {
    bad_input("tokenizer: expected a piece of at most {} bytes, found {}", UINT32_MAX / 2, count);
  }
  next.resize(count);
  previous.resize(count);
  heap.clear();
  for (size_t i = 0; i < count; ++i) {
    next[i] = static_cast<int32_t>(i + 1);
    previous[i] = static_cast<int32_t>(i) - 1;
    if (ranks[i] != kNone) heap.push_back(uint64_t{ranks[i]} << 32 | i);
  }
  std::make_heap(heap.begin(), heap.end(), std::greater<>());
  const auto end = static_cast<int32_t>(count);
  const auto set_rank = [&](int32_t i) {
    const auto at = static_cast<size_t>(i);
    ranks[at] = next[at] < end ? rank_of(ids[at], ids[static_cast<size_t>(next[at])]) : kNone;
    if (ranks[at] == kNone) return;
    heap.push_back(uint64_t{ranks[at]} << 32 | at);
    std::push_heap(heap.begin(), heap.end(), std::greater<>());
  };
  while (!heap.empty()) {
    const auto at = static_cast<size_t>(heap.front() & UINT32_MAX);
    const auto rank = static_cast<uint32_t>(heap.front() >> 32);
    std::pop_heap(heap.begin(), heap.end(), std::greater<>());
    heap.pop_back();
    if (ranks[at] != rank) continue;
    const auto merged = static_cast<size_t>(next[at]);
    ids[at] = results_[rank];
    ranks[merged] = kNone;  // no longer a symbol
    next[at] = next[merged];
    if (next[at] < end) previous[static_cast<size_t>(next[at])] = static_cast<int32_t>(at);
    set_rank(static_cast<int32_t>(at));
    if (previous[at] >= 0) set_rank(previous[at]);
  }
  for (int32_t i = 0; i < end; i = next[static_cast<size_t>(i)]) out.push_back(ids[static_cast<size_t>(i)]);
}

}  // namespace fathom
