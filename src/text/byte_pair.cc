#include "text/byte_pair.h"

#include <algorithm>
#include <bit>
#include <string>

#include "base/error.h"

namespace fathom {

namespace {

constexpr uint64_t kEmpty = UINT64_MAX;
constexpr int kBits = 20;
constexpr int64_t kMaxProbes = 256;
// Up to here a scan over all ranks per merge beats a heap.
constexpr size_t kShortPiece = 128;

size_t byte_at(std::string_view text, size_t i) { return static_cast<unsigned char>(text[i]); }
bool continues(size_t byte) { return (byte & 0xC0) == 0x80; }
// Bytes of the character that starts with `lead`, 1 for what starts none.
size_t character_bytes(size_t lead) { return lead < 0xC0 ? 1 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4; }

struct Character {
  size_t bytes;
  size_t code;  // of two and three bytes only
};

// The character of two or three bytes at text[i], or one byte.
Character character_at(std::string_view text, size_t i) {
  const size_t lead = byte_at(text, i), bytes = character_bytes(lead);
  if (bytes == 1 || bytes == 4 || i + bytes > text.size() || !continues(byte_at(text, i + 1))) return {1, 0};
  const size_t second = byte_at(text, i + 1) & 0x3F;
  if (bytes == 2) return {2, (lead & 0x1F) << 6 | second};
  if (!continues(byte_at(text, i + 2))) return {1, 0};
  return {3, (lead & 0x0F) << 12 | second << 6 | (byte_at(text, i + 2) & 0x3F)};
}

// What the shortcut must know of a token's bytes.
struct Edges {
  size_t bytes = 0;  // 0: not known
  uint8_t first = 0;
  std::array<uint8_t, 3> tail{};  // the last bytes, the very last at [2]

  bool starts_within() const { return continues(first); }
  bool ends_within() const {
    for (size_t k = 1; k <= 3 && k <= bytes; ++k) {
      if (!continues(tail[3 - k])) return k < character_bytes(tail[3 - k]);
    }
    return false;
  }
  Edges operator+(const Edges& right) const {
    Edges sum{bytes + right.bytes, first, right.tail};
    for (size_t k = right.bytes; k < 3; ++k) sum.tail[2 - k] = tail[2 - (k - right.bytes)];
    return sum;
  }
};

uint64_t pair_key(int32_t left, int32_t right) {
  return (static_cast<uint64_t>(left) << kBits) | static_cast<uint64_t>(right);
}

}  // namespace

BytePairEncoder::BytePairEncoder(const std::array<int32_t, 256>& byte_ids, const std::vector<Merge>& merges)
    : byte_ids_(byte_ids) {
  FATHOM_CHECK(std::ssize(merges) < kMaxTokens);
  const size_t slots = std::bit_ceil(std::max<size_t>(merges.size() * 2, 16));
  shift_ = 64 - std::countr_zero(slots);
  table_.resize(slots);
  filter_shift_ = shift_ - 2;
  filter_.resize(slots * 4 / 64);
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
  find_characters(merges);
}

// Text of other scripts would spend most of its time on putting characters together from bytes, always the
// same way. A character may start as its token if that cannot change the result. Say every merge stands
// behind those that make its parts (as training writes them; checked here). Then encoding is: each merge in
// order of rank, everywhere. A character's own merges come to the same end early or late, unless another
// merge takes a part of it away, across one of its borders; and until it is whole no other merge can use it,
// for those that do have higher ranks. So it may start whole if at both borders no merge exists that joins
// there with a part of a character on either side: straddled_ has the last and first bytes of all merges that
// do.
void BytePairEncoder::find_characters(const std::vector<Merge>& merges) {
  int32_t most = *std::max_element(byte_ids_.begin(), byte_ids_.end());
  for (const Merge& merge : merges) most = std::max({most, merge.left, merge.right, merge.result});
  std::vector<Edges> edges(static_cast<size_t>(most) + 1);
  std::vector<bool> used(edges.size());
  for (size_t byte = 0; byte < 256; ++byte) {
    const auto b = static_cast<uint8_t>(byte);
    edges[static_cast<size_t>(byte_ids_[byte])] = {1, b, {0, 0, b}};
  }
  std::vector<std::string> single;  // tokens that are one character
  for (const Merge& merge : merges) {
    const Edges &left = edges[static_cast<size_t>(merge.left)],
                &right = edges[static_cast<size_t>(merge.right)];
    // A part that is not made yet, or that is made once more after its use: no order to rely on.
    if (left.bytes == 0 || right.bytes == 0 || used[static_cast<size_t>(merge.result)]) return;
    used[static_cast<size_t>(merge.left)] = used[static_cast<size_t>(merge.right)] = true;
    if (!continues(right.first) && !left.ends_within() && (left.starts_within() || right.ends_within())) {
      straddled_.set(size_t{left.tail[2]} << 8 | right.first);
    }
    const Edges sum = left + right;
    edges[static_cast<size_t>(merge.result)] = sum;
    if (sum.bytes <= 3 && sum.bytes == character_bytes(sum.first) && !sum.ends_within()) {
      single.emplace_back(sum.tail.end() - static_cast<std::ptrdiff_t>(sum.bytes), sum.tail.end());
    }
  }
  std::vector<int32_t> characters(1 << 16, -1), ids;
  BytePairScratch scratch;
  for (const std::string& text : single) {
    const Character c = character_at(text, 0);
    if (c.bytes != text.size() || c.bytes == 1) continue;
    ids.clear();
    start_from_bytes(text, scratch);
    merge_all(scratch, ids);
    if (ids.size() == 1) characters[c.code] = ids[0];
  }
  characters_ = std::move(characters);
}

bool BytePairEncoder::insert_all(const std::vector<Merge>& merges) {
  std::fill(table_.begin(), table_.end(), kEmpty);
  std::fill(filter_.begin(), filter_.end(), 0);
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
    const uint64_t bit = key * multiplier_ >> filter_shift_;
    filter_[bit / 64] |= uint64_t{1} << bit % 64;
  }
  return true;
}

inline uint32_t BytePairEncoder::rank_of(int32_t left, int32_t right) const {
  const uint64_t key = pair_key(left, right), hash = key * multiplier_;
  const uint64_t bit = hash >> filter_shift_;
  if ((filter_[bit / 64] >> bit % 64 & 1) == 0) return kNone;
  for (size_t slot = hash >> shift_;; slot = (slot + 1) & (table_.size() - 1)) {
    const uint64_t entry = table_[slot];
    if (entry >> kBits == key) return static_cast<uint32_t>(entry & ((uint64_t{1} << kBits) - 1));
    if (entry == kEmpty) return kNone;
  }
}

void BytePairEncoder::encode(std::string_view piece, BytePairScratch& scratch,
                             std::vector<int32_t>& out) const {
  if (piece.empty()) return;
  const bool ascii = std::all_of(piece.begin(), piece.end(), [](char c) { return (c & 0x80) == 0; });
  if (ascii || characters_.empty()) {
    start_from_bytes(piece, scratch);
  } else {
    start_from_characters(piece, scratch);
  }
  merge_all(scratch, out);
}

void BytePairEncoder::start_from_bytes(std::string_view piece, BytePairScratch& scratch) const {
  scratch.ids.resize(piece.size());
  scratch.ranks.resize(piece.size());
  for (size_t i = 0; i < piece.size(); ++i) scratch.ids[i] = byte_ids_[byte_at(piece, i)];
  for (size_t i = 0; i + 1 < piece.size(); ++i) {
    scratch.ranks[i] = byte_ranks_[byte_at(piece, i) << 8 | byte_at(piece, i + 1)];
  }
  scratch.ranks.back() = kNone;  // ranks[i] is of the pair (i, i + 1)
}

void BytePairEncoder::start_from_characters(std::string_view piece, BytePairScratch& scratch) const {
  auto& [ids, ranks, next, previous, heap] = scratch;
  ids.resize(piece.size());
  ranks.resize(piece.size());
  size_t count = 0;
  bool after_clean = true;  // whether the border before i is clean
  for (size_t i = 0; i < piece.size();) {
    const Character c = character_at(piece, i);
    const size_t end = i + c.bytes;
    const bool clean = end == piece.size() || !straddled_[byte_at(piece, end - 1) << 8 | byte_at(piece, end)];
    const int32_t whole = c.bytes > 1 ? characters_[c.code] : -1;
    if (whole >= 0 && after_clean && clean) {
      ids[count++] = whole;
    } else {
      for (; i < end; ++i) ids[count++] = byte_ids_[byte_at(piece, i)];
    }
    after_clean = clean;
    i = end;
  }
  ids.resize(count);
  ranks.resize(count);
  for (size_t i = 0; i + 1 < count; ++i) ranks[i] = rank_of(ids[i], ids[i + 1]);
  ranks.back() = kNone;
}

void BytePairEncoder::merge_all(BytePairScratch& scratch, std::vector<int32_t>& out) const {
  return scratch.ids.size() <= kShortPiece ? encode_short(scratch, out) : encode_long(scratch, out);
}

void BytePairEncoder::encode_short(BytePairScratch& scratch, std::vector<int32_t>& out) const {
  // Symbols stay in their slots, linked; a slot's key is rank << 7 | slot, so that one minimum over all finds
  // the lowest rank and the leftmost place at once.
  static_assert(kShortPiece <= 128);
  constexpr int kSlotBits = 7;
  constexpr size_t kStep = 8;  // keys are padded to this, for a loop without remainder
  std::array<uint32_t, kShortPiece> keys;
  std::array<uint8_t, kShortPiece + 1> next, previous;
  int32_t* ids = scratch.ids.data();
  const size_t count = scratch.ids.size();
  const size_t padded = (count + kStep - 1) / kStep * kStep;
  const auto key = [](uint32_t rank, size_t slot) {
    return rank == kNone ? kNone : rank << kSlotBits | static_cast<uint32_t>(slot);
  };
  for (size_t i = 0; i < count; ++i) {
    keys[i] = key(scratch.ranks[i], i);
    next[i] = static_cast<uint8_t>(i + 1);
    previous[i + 1] = static_cast<uint8_t>(i);
  }
  std::fill(keys.begin() + count, keys.begin() + padded, kNone);
  while (true) {
    uint32_t lowest = kNone;
    for (size_t i = 0; i < padded; ++i) lowest = std::min(lowest, keys[i]);
    if (lowest == kNone) break;
    const size_t at = lowest & ((1u << kSlotBits) - 1);
    const size_t gone = next[at], after = next[gone];
    ids[at] = results_[lowest >> kSlotBits];
    keys[gone] = kNone;
    next[at] = static_cast<uint8_t>(after);
    previous[after] = static_cast<uint8_t>(at);
    keys[at] = after < count ? key(rank_of(ids[at], ids[after]), at) : kNone;
    if (at > 0) keys[previous[at]] = key(rank_of(ids[previous[at]], ids[at]), previous[at]);
  }
  for (size_t i = 0; i < count; i = next[i]) out.push_back(ids[i]);
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
