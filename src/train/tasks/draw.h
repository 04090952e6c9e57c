#pragma once
/// Random choices of a generator: a stream that depends on (seed, index) alone, so that any problem can be
/// made again, in any order.

#include <cstdint>
#include <iterator>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/rng.h"

namespace fathom {

class Draw {
 public:
  Draw(uint64_t seed, uint64_t index) : seed_(seed), index_(index) {}

  /// Uniform in 0 .. n - 1; n at least 1 and below 2^32.
  int64_t below(int64_t n) {
    const auto word = philox(seed_, count_++, index_)[0];
    return static_cast<int64_t>(uint64_t{word} * static_cast<uint64_t>(n) >> 32);
  }
  /// Uniform in low .. high.
  int64_t between(int64_t low, int64_t high) { return low + below(high - low + 1); }
  bool chance(double share) { return philox_uniform(seed_, count_++, index_) < share; }
  double uniform() { return philox_uniform(seed_, count_++, index_); }

  template <class List>
  const auto& pick(const List& list) {
    return *std::next(std::begin(list), below(static_cast<int64_t>(std::size(list))));
  }
  std::string_view pick(std::initializer_list<std::string_view> list) {
    return *std::next(list.begin(), below(static_cast<int64_t>(list.size())));
  }
  template <class T>
  void shuffle(std::vector<T>& list) {
    for (size_t i = list.size(); i > 1; --i)
      std::swap(list[i - 1], list[static_cast<size_t>(below(int64_t(i)))]);
  }
  /// A number of exactly so many digits (at most 9); one digit includes 0.
  int64_t number(int64_t digits) {
    int64_t low = 1;
    for (int64_t i = 1; i < digits; ++i) low *= 10;
    return between(digits == 1 ? 0 : low, low * 10 - 1);
  }
  /// A string of lower-case letters.
  std::string letters(int64_t count, int64_t alphabet = 26) {
    std::string out;
    for (int64_t i = 0; i < count; ++i) out += static_cast<char>('a' + below(alphabet));
    return out;
  }

 private:
  uint64_t seed_, index_, count_ = 0;
};

}  // namespace fathom
