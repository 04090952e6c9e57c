#include "text/byte_level.h"

#include <algorithm>
#include <numeric>

namespace fathom {
namespace {

struct ByteLevelAlphabet {
  std::array<int16_t, 0x144> byte_of;  // code point -> byte, or -1
  std::array<uint16_t, 256> code_of{};
  ByteLevelAlphabet() {
    byte_of.fill(-1);
    uint16_t next = 0x100;
    for (int16_t b = 0; b < 256; ++b) {
      const bool prints = (b >= '!' && b <= '~') || (b >= 0xA1 && b <= 0xAC) || b >= 0xAE;
      const uint16_t code = prints ? static_cast<uint16_t>(b) : next++;
      byte_of[code] = b;
      code_of[static_cast<size_t>(b)] = code;
    }
  }
};

const ByteLevelAlphabet& alphabet() {
  static const ByteLevelAlphabet table;
  return table;
}

}  // namespace

bool append_byte_level(std::string_view text, std::string& out) {
  const auto& byte_of = alphabet().byte_of;
  const size_t before = out.size();
  for (size_t i = 0; i < text.size(); ++i) {
    uint32_t code = static_cast<unsigned char>(text[i]);
    if (code >= 0x80) {  // the JSON parser has checked that it is UTF-8
      code = code < 0xE0 ? (code & 0x1F) << 6 | (static_cast<unsigned char>(text[i + 1]) & 0x3F) : UINT32_MAX;
      ++i;
    }
    if (code >= byte_of.size() || byte_of[code] < 0) {
      out.resize(before);
      return false;
    }
    out += static_cast<char>(byte_of[code]);
  }
  return true;
}

std::string byte_level_text(std::string_view bytes) {
  std::string out;
  for (const char c : bytes) {
    const uint16_t code = alphabet().code_of[static_cast<unsigned char>(c)];
    if (code < 0x80) {
      out += static_cast<char>(code);
    } else {
      out += static_cast<char>(0xC0 | code >> 6);
      out += static_cast<char>(0x80 | (code & 0x3F));
    }
  }
  return out;
}

std::array<uint8_t, 256> byte_level_order() {
  std::array<uint8_t, 256> order;
  std::iota(order.begin(), order.end(), uint8_t{0});
  const auto& code_of = alphabet().code_of;
  std::sort(order.begin(), order.end(), [&](uint8_t a, uint8_t b) { return code_of[a] < code_of[b]; });
  return order;
}

}  // namespace fathom
