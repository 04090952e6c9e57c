#include "text/utf8_stream.h"

#include <simdjson.h>

namespace fathom {

namespace {

constexpr std::string_view kReplacement = "\xEF\xBF\xBD";

}  // namespace

Utf8Step next_utf8(std::string_view bytes) {
  using Kind = Utf8Step::Kind;
  const auto byte = [&](size_t i) { return static_cast<unsigned char>(bytes[i]); };
  const unsigned lead = byte(0);
  if (lead < 0x80) return {Kind::character, 1};
  if (lead < 0xC2 || lead > 0xF4) return {Kind::invalid, 1};
  const size_t length = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : 2;
  // The second byte's range excludes overlong forms, surrogates and what is above U+10FFFF (Unicode table
  // 3-7).
  const unsigned low = lead == 0xE0 ? 0xA0 : lead == 0xF0 ? 0x90 : 0x80;
  const unsigned high = lead == 0xED ? 0x9F : lead == 0xF4 ? 0x8F : 0xBF;
  for (size_t i = 1; i < length; ++i) {
    if (i == bytes.size()) return {Kind::incomplete, static_cast<int64_t>(i)};
    const bool continues = i == 1 ? byte(i) >= low && byte(i) <= high : (byte(i) & 0xC0) == 0x80;
    if (!continues) return {Kind::invalid, static_cast<int64_t>(i)};
  }
  return {Kind::character, static_cast<int64_t>(length)};
}

bool is_valid_utf8(std::string_view bytes) { return simdjson::validate_utf8(bytes.data(), bytes.size()); }

void append_valid_utf8(std::string_view bytes, std::string& out) {
  if (is_valid_utf8(bytes)) {
    out += bytes;
    return;
  }
  while (!bytes.empty()) {
    const Utf8Step step = next_utf8(bytes);
    const auto length = static_cast<size_t>(step.bytes);
    out += step.kind == Utf8Step::Kind::character ? bytes.substr(0, length) : kReplacement;
    bytes.remove_prefix(length);
  }
}

std::string Utf8Stream::push(std::string_view bytes) {
  std::string joined;
  if (!pending_.empty()) {
    joined = std::move(pending_);
    pending_.clear();
    joined += bytes;
    bytes = joined;
  }
  // Only the last three bytes can belong to an unfinished character: look for the lead byte among them.
  size_t complete = bytes.size();
  for (size_t back = 1; back <= 3 && back <= bytes.size(); ++back) {
    const auto byte = static_cast<unsigned char>(bytes[bytes.size() - back]);
    if ((byte & 0xC0) == 0x80) continue;  // a continuation byte
    if (next_utf8(bytes.substr(bytes.size() - back)).kind == Utf8Step::Kind::incomplete) {
      complete = bytes.size() - back;
    }
    break;
  }
  std::string out;
  append_valid_utf8(bytes.substr(0, complete), out);
  pending_ = bytes.substr(complete);
  return out;
}

std::string Utf8Stream::finish() {
  std::string out;
  append_valid_utf8(pending_, out);
  pending_.clear();
  return out;
}

}  // namespace fathom
