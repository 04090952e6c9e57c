#pragma once
/// A small reader of safetensors files for tests: independent of checkpoint/safetensors, so that golden
/// vectors are not read by the code under test. Trusts its input (files of this repository), but a short file
/// or a wrong name throws. Header only; include it from .cc files of tests.

#include <cstdint>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <vector>

#include "formats/half.h"

namespace fathom::test {

/// tests/golden of the source tree, where a relative path of the golden data starts.
#ifdef FATHOM_SOURCE_DIR
inline std::filesystem::path golden(const std::string& relative) {
  return std::filesystem::path(FATHOM_SOURCE_DIR) / "tests" / "golden" / relative;
}
#endif

inline std::string read_text(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  if (!in) throw std::runtime_error("cannot read " + path.string());
  return {std::istreambuf_iterator<char>(in), {}};
}

inline nlohmann::json read_json(const std::filesystem::path& path) {
  return nlohmann::json::parse(read_text(path));
}

class TensorFile {
 public:
  static TensorFile open(const std::filesystem::path& path) {
    TensorFile file;
    file.path_ = path.string();
    file.content_ = read_text(path);
    uint64_t header = 0;
    if (file.content_.size() < 8) file.fail("shorter than 8 bytes");
    std::memcpy(&header, file.content_.data(), 8);
    if (header > file.content_.size() - 8) file.fail("header longer than the file");
    file.data_ = 8 + header;
    const auto json = nlohmann::json::parse(file.content_.begin() + 8,
                                            file.content_.begin() + static_cast<std::ptrdiff_t>(file.data_));
    for (const auto& [name, value] : json.items()) {
      if (name == "__metadata__") {
        file.metadata_ = value.get<std::map<std::string, std::string>>();
        continue;
      }
      Entry entry{value.at("dtype"), value.at("shape"), value.at("data_offsets").at(0),
                  value.at("data_offsets").at(1)};
      if (entry.end < entry.begin || entry.end > file.content_.size() - file.data_)
        file.fail("bad offsets: " + name);
      file.entries_.emplace(name, std::move(entry));
    }
    return file;
  }

  std::vector<std::string> names() const {
    std::vector<std::string> out;
    for (const auto& item : entries_) out.push_back(item.first);
    return out;
  }
  bool has(const std::string& name) const { return entries_.count(name) != 0; }
  const std::map<std::string, std::string>& metadata() const { return metadata_; }
  /// "F32", "BF16", "F8_E4M3", ... as the file spells it.
  const std::string& dtype(const std::string& name) const { return find(name).dtype; }
  const std::vector<int64_t>& shape(const std::string& name) const { return find(name).shape; }
  /// Offset of the tensor's first byte in the file.
  uint64_t offset(const std::string& name) const { return data_ + find(name).begin; }

  /// The stored bytes, of any dtype.
  std::vector<uint8_t> bytes(const std::string& name) const {
    const Entry& entry = find(name);
    std::vector<uint8_t> out(entry.end - entry.begin);
    if (!out.empty()) std::memcpy(out.data(), content_.data() + data_ + entry.begin, out.size());
    return out;
  }
  /// F32, BF16 and F16 exactly; F64 rounded.
  std::vector<float> f32(const std::string& name) const { return reals<float>(name); }
  /// F64, F32, BF16 and F16 exactly.
  std::vector<double> f64(const std::string& name) const { return reals<double>(name); }
  /// The bits of BF16, F16 or I16.
  std::vector<uint16_t> u16(const std::string& name) const { return raw<uint16_t>(name); }
  /// I32; I64 whose values fit; I8, U8, BOOL.
  std::vector<int32_t> i32(const std::string& name) const {
    std::vector<int32_t> out;
    for (const int64_t value : i64(name)) {
      if (value != static_cast<int32_t>(value)) fail(name + " has values beyond int32");
      out.push_back(static_cast<int32_t>(value));
    }
    return out;
  }
  std::vector<int64_t> i64(const std::string& name) const {
    const std::string& type = dtype(name);
    if (type == "I64") return raw<int64_t>(name);
    if (type == "I32") return widened<int64_t, int32_t>(name);
    if (type == "I16") return widened<int64_t, int16_t>(name);
    if (type == "I8") return widened<int64_t, int8_t>(name);
    if (type == "U8" || type == "BOOL") return widened<int64_t, uint8_t>(name);
    fail(name + " is " + type + ", not an integer type");
  }

 private:
  struct Entry {
    std::string dtype;
    std::vector<int64_t> shape;
    uint64_t begin, end;
  };

  [[noreturn]] void fail(const std::string& what) const { throw std::runtime_error(path_ + ": " + what); }
  const Entry& find(const std::string& name) const {
    const auto found = entries_.find(name);
    if (found == entries_.end()) fail("no tensor " + name);
    return found->second;
  }
  template <class T>
  std::vector<T> raw(const std::string& name) const {
    const Entry& entry = find(name);
    std::vector<T> out((entry.end - entry.begin) / sizeof(T));
    if (!out.empty()) std::memcpy(out.data(), content_.data() + data_ + entry.begin, out.size() * sizeof(T));
    return out;
  }
  template <class Out, class In>
  std::vector<Out> widened(const std::string& name) const {
    const std::vector<In> in = raw<In>(name);
    return std::vector<Out>(in.begin(), in.end());
  }
  template <class Real>
  std::vector<Real> reals(const std::string& name) const {
    const std::string& type = dtype(name);
    std::vector<Real> out;
    if (type == "F64") {
      for (const double value : raw<double>(name)) out.push_back(static_cast<Real>(value));
    } else if (type == "F32") {
      for (const float value : raw<float>(name)) out.push_back(value);
    } else if (type == "BF16") {
      for (const uint16_t bits : raw<uint16_t>(name)) out.push_back(to_float(Bf16{bits}));
    } else if (type == "F16") {
      for (const uint16_t bits : raw<uint16_t>(name)) out.push_back(to_float(Half{bits}));
    } else {
      fail(name + " is " + type + ", not a real type");
    }
    return out;
  }

  std::string path_;
  std::string content_;
  uint64_t data_ = 0;
  std::map<std::string, std::string> metadata_;
  std::map<std::string, Entry> entries_;
};

}  // namespace fathom::test
