#pragma once
/// Philox4x32-10: random numbers as a pure function of (key, counter), so that any draw can be made again
/// anywhere. Source: Salmon et al., "Parallel random numbers: as easy as 1, 2, 3" (SC 2011).

#include <array>
#include <cmath>
#include <cstdint>
#include <numbers>

namespace fathom {

/// Four 32-bit words for a 64-bit key and a 128-bit counter.
inline std::array<uint32_t, 4> philox(uint64_t key, uint64_t counter_low, uint64_t counter_high = 0) {
  std::array<uint32_t, 4> c{static_cast<uint32_t>(counter_low), static_cast<uint32_t>(counter_low >> 32),
                            static_cast<uint32_t>(counter_high), static_cast<uint32_t>(counter_high >> 32)};
  uint32_t k0 = static_cast<uint32_t>(key), k1 = static_cast<uint32_t>(key >> 32);
  for (int round = 0; round < 10; ++round) {
    const uint64_t a = uint64_t{0xD2511F53u} * c[0], b = uint64_t{0xCD9E8D57u} * c[2];
    c = {static_cast<uint32_t>(b >> 32) ^ c[1] ^ k0, static_cast<uint32_t>(b),
         static_cast<uint32_t>(a >> 32) ^ c[3] ^ k1, static_cast<uint32_t>(a)};
    k0 += 0x9E3779B9u;
    k1 += 0xBB67AE85u;
  }
  return c;
}

/// Uniform in [0, 1), 53 bits.
inline double philox_uniform(uint64_t key, uint64_t counter_low, uint64_t counter_high = 0) {
  const auto w = philox(key, counter_low, counter_high);
  const uint64_t bits = (uint64_t{w[0]} << 32 | w[1]) >> 11;
  return static_cast<double>(bits) * 0x1.0p-53;
}

/// Standard normal (Box-Muller).
inline double philox_normal(uint64_t key, uint64_t counter_low, uint64_t counter_high = 0) {
  const auto w = philox(key, counter_low, counter_high);
  const double u = (static_cast<double>(w[0]) + 1) * 0x1.0p-32;  // (0, 1]
  const double v = static_cast<double>(w[1]) * 0x1.0p-32;
  return std::sqrt(-2 * std::log(u)) * std::cos(2 * std::numbers::pi * v);
}

}  // namespace fathom
