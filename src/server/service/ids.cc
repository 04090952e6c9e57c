#include "server/service/ids.h"

#include <fmt/core.h>
#include <sodium.h>

#include <chrono>

namespace fathom::server {

std::string new_request_hex() {
  const auto now = std::chrono::duration_cast<std::chrono::milliseconds>(
      std::chrono::system_clock::now().time_since_epoch());
  uint64_t bits[2];
  randombytes_buf(bits, sizeof(bits));
  const uint64_t high = static_cast<uint64_t>(now.count()) << 16 | 0x7000 | (bits[0] & 0xFFF);
  const uint64_t low = (bits[1] & 0x3FFFFFFFFFFFFFFF) | 0x8000000000000000;
  return fmt::format("{:016x}{:016x}", high, low);
}

std::string new_call_suffix() {
  constexpr char kLetters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
  std::string out;
  for (int i = 0; i < 20; ++i) out += kLetters[randombytes_uniform(62)];
  return out;
}

uint64_t random_seed() {
  uint64_t bits = 0;
  randombytes_buf(&bits, sizeof(bits));
  return bits >> 1;
}

}  // namespace fathom::server
