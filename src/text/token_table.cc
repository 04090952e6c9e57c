#include "text/token_table.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "base/error.h"

namespace fathom {

namespace {

constexpr int64_t kMaxProbes = 512;

uint64_t hash_of(std::string_view text) {
  uint64_t hash = 0x9E3779B97F4A7C15 ^ text.size();
  const char* at = text.data();
  size_t left = text.size();
  const auto mix = [&](uint64_t word) {
    hash = (hash ^ word) * 0xD6E8FEB86659FD93;
    hash ^= hash >> 32;
  };
  for (; left >= 8; left -= 8, at += 8) {
    uint64_t word;
    std::memcpy(&word, at, 8);
    mix(word);
  }
  uint64_t word = 0;
  for (size_t i = 0; i < left; ++i) word |= uint64_t{static_cast<unsigned char>(at[i])} << (8 * i);
  mix(word);
  return hash;
}

}  // namespace

TokenTable::TokenTable(int64_t tokens)
    : slots_(std::bit_ceil(static_cast<size_t>(std::max<int64_t>(tokens * 2, 16)))) {}

const TokenTable::Slot* TokenTable::locate(std::string_view text) const {
  const size_t mask = slots_.size() - 1;
  size_t at = hash_of(text) & mask;
  for (int64_t probe = 0; probe < kMaxProbes; ++probe, at = (at + 1) & mask) {
    const Slot& slot = slots_[at];
    if (slot.id < 0 || std::string_view(slot.text, slot.size) == text) return &slot;
  }
  return nullptr;
}

int32_t TokenTable::insert(std::string_view text, int32_t id) {
  const Slot* found = locate(text);
  if (!found) bad_input("expected tokens that spread over a hash table, found ones made to collide");
  if (found->id >= 0) return found->id;
  slots_[static_cast<size_t>(found - slots_.data())] = {text.data(), static_cast<uint32_t>(text.size()), id};
  return -1;
}

int32_t TokenTable::find(std::string_view text) const {
  const Slot* found = locate(text);
  return found ? found->id : -1;
}

}  // namespace fathom
