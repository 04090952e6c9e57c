#pragma once
/// The byte-level alphabet of tokenizer.json (GPT-2's): a printable character for each byte, so that tokens
/// of any bytes can stand in JSON. Bytes that print stand for themselves, the others for U+0100, U+0101, ...

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

namespace fathom {

/// Appends the bytes that `text` (valid UTF-8) stands for; false, with `out` as it was, if a character is not
/// of the alphabet.
bool append_byte_level(std::string_view text, std::string& out);

/// The characters that stand for `bytes`, as UTF-8.
std::string byte_level_text(std::string_view bytes);

/// The 256 bytes in the order of their characters' code points: the order in which trainers number them.
std::array<uint8_t, 256> byte_level_order();

}  // namespace fathom
