#pragma once
/// Builds small safetensors and GGUF files in memory, right or deliberately wrong. Independent of the writers
/// under src/, so that readers are not tested with their own inverse alone.

#include <cstdint>
#include <cstring>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

namespace fathom::test {

template <class T>
std::string little_endian(T value) {
  std::string out(sizeof(T), '\0');
  std::memcpy(out.data(), &value, sizeof(T));
  return out;
}

/// A safetensors file of a header text and data, the header followed by `padding` spaces.
inline std::string safetensors_bytes(const std::string& header, std::string_view data, size_t padding = 0) {
  const std::string padded = header + std::string(padding, ' ');
  return little_endian<uint64_t>(padded.size()) + padded + std::string(data);
}

struct FileTensor {
  std::string name, dtype;
  std::vector<int64_t> shape;
  std::string data;
};

inline std::string safetensors_bytes(const std::vector<FileTensor>& tensors, size_t padding = 0) {
  nlohmann::ordered_json header = nlohmann::ordered_json::object();
  std::string data;
  for (const FileTensor& t : tensors) {
    header[t.name] = {
        {"dtype", t.dtype}, {"shape", t.shape}, {"data_offsets", {data.size(), data.size() + t.data.size()}}};
    data += t.data;
  }
  return safetensors_bytes(header.dump(), data, padding);
}

/// A GGUF file, little endian, version 3 unless told otherwise.
class GgufBuilder {
 public:
  enum Type : uint32_t {
    kU8 = 0,
    kU32 = 4,
    kI32 = 5,
    kF32 = 6,
    kBool = 7,
    kString = 8,
    kArray = 9,
    kU64 = 10
  };

  static std::string text(std::string_view s) { return little_endian<uint64_t>(s.size()) + std::string(s); }

  GgufBuilder& raw(std::string_view key, uint32_t type, std::string_view value) {
    metadata_ += text(key) + little_endian(type) + std::string(value);
    ++entries_;
    return *this;
  }
  GgufBuilder& set(std::string_view key, uint32_t value) { return raw(key, kU32, little_endian(value)); }
  GgufBuilder& set(std::string_view key, float value) { return raw(key, kF32, little_endian(value)); }
  GgufBuilder& set(std::string_view key, bool value) {
    return raw(key, kBool, value ? "\x01" : std::string(1, '\0'));
  }
  GgufBuilder& set(std::string_view key, std::string_view value) { return raw(key, kString, text(value)); }
  GgufBuilder& set(std::string_view key, const char* value) { return set(key, std::string_view(value)); }
  template <class T>
  GgufBuilder& set(std::string_view key, const std::vector<T>& values) {
    constexpr uint32_t type = std::is_same_v<T, float> ? kF32 : std::is_same_v<T, int32_t> ? kI32 : kU32;
    std::string items = little_endian(type) + little_endian<uint64_t>(values.size());
    for (const T value : values) items += little_endian(value);
    return raw(key, kArray, items);
  }
  GgufBuilder& set(std::string_view key, const std::vector<std::string>& values) {
    std::string items = little_endian<uint32_t>(kString) + little_endian<uint64_t>(values.size());
    for (const std::string& value : values) items += text(value);
    return raw(key, kArray, items);
  }

  /// `shape` slowest first; the file gets it turned round. ggml type ids: 0 F32, 1 F16, 8 Q8_0, 26 I32, 30
  /// BF16.
  GgufBuilder& tensor(std::string_view name, uint32_t type, std::vector<int64_t> shape,
                      std::string_view data) {
    align(data_);
    std::string info = text(name) + little_endian(static_cast<uint32_t>(shape.size()));
    for (auto dim = shape.rbegin(); dim != shape.rend(); ++dim) info += little_endian(*dim);
    raw_tensor(info + little_endian(type) + little_endian<uint64_t>(data_.size()));
    data_ += data;
    return *this;
  }
  GgufBuilder& raw_tensor(std::string_view info) {
    infos_ += info;
    ++tensors_;
    return *this;
  }
  GgufBuilder& add_data(std::string_view data) {
    data_ += data;
    return *this;
  }

  std::string bytes(uint32_t version = 3) const {
    std::string out = "GGUF" + little_endian(version) + little_endian(tensors_) + little_endian(entries_) +
                      metadata_ + infos_;
    if (!data_.empty()) align(out);
    return out + data_;
  }

 private:
  static void align(std::string& bytes) { bytes.resize((bytes.size() + 31) / 32 * 32); }

  uint64_t entries_ = 0, tensors_ = 0;
  std::string metadata_, infos_, data_;
};

}  // namespace fathom::test
