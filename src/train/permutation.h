#pragma once
/// A random order of 0 .. n-1 without a table: a keyed Feistel network over the next power of four, walked
/// until it lands inside. Source: Black and Rogaway, "Ciphers with arbitrary finite domains" (CT-RSA 2002).

#include <bit>
#include <cstdint>

#include "base/rng.h"

namespace fathom {

class Permutation {
 public:
  Permutation(uint64_t count, uint64_t key) : count_(count), key_(key) {
    const int bits = count > 1 ? 64 - std::countl_zero(count - 1) : 1;
    half_ = (bits + 1) / 2;
  }
  /// The element at place i < count.
  uint64_t operator()(uint64_t i) const {
    do {
      i = shuffled(i);
    } while (i >= count_);
    return i;
  }

 private:
  uint64_t shuffled(uint64_t i) const {
    const uint64_t mask = (uint64_t{1} << half_) - 1;
    uint64_t left = i >> half_, right = i & mask;
    for (uint64_t round = 0; round < 6; ++round) {
      const auto words = philox(key_, right, round);
      const uint64_t mixed = left ^ ((uint64_t{words[1]} << 32 | words[0]) & mask);
      left = right;
      right = mixed;
    }
    return left << half_ | right;
  }

  uint64_t count_, key_;
  int half_ = 1;
};

}  // namespace fathom
