#pragma once
/// GGUF files, versions 2 and 3, little endian: metadata and tensor table, checked before anything is read
/// through them. Source: github.com/ggml-org/ggml/blob/master/docs/gguf.md.

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/dtype.h"
#include "base/file.h"

namespace fathom {

enum class GgufType : uint32_t { u8, i8, u16, i16, u32, i32, f32, boolean, string, array, u64, i64, f64 };

/// One metadata value; views into the mapped file.
struct GgufValue {
  GgufType type = GgufType::u8;  ///< of each item, if is_array
  bool is_array = false;
  int64_t count = 1;
  const std::byte* data = nullptr;        ///< numbers and booleans: items side by side, any alignment
  std::vector<std::string_view> strings;  ///< strings; empty for arrays of arrays, whose items nobody reads
};

/// The key-value part. Getters throw Error(bad_input) "FILE: KEY: expected ..., found ...".
class GgufMetadata {
 public:
  bool has(std::string_view key) const { return values_.find(key) != values_.end(); }
  /// One integer; of an array (some writers give one per block), the value all its items share.
  int64_t integer(std::string_view key) const;
  /// One number; of an array, the value all its items share. F64 is rounded to float.
  float number(std::string_view key) const;
  bool boolean(std::string_view key) const;
  std::string_view text(std::string_view key) const;
  std::vector<int64_t> integers(std::string_view key) const;
  const std::vector<std::string_view>& strings(std::string_view key) const;
  /// Throws the error for a key whose value is not what is needed.
  [[noreturn]] void refuse(std::string_view key, const std::string& expected, const std::string& found) const;

 private:
  friend struct GgufFile read_gguf(const MappedFile& file);
  const GgufValue& find(std::string_view key, const char* expected) const;
  int64_t integer_at(std::string_view key, const GgufValue& value, int64_t i) const;
  float number_at(std::string_view key, const GgufValue& value, int64_t i) const;

  std::string file_;
  std::map<std::string_view, GgufValue> values_;
};

struct GgufTensor {
  std::string_view name;
  DType dtype = DType::F32;
  std::vector<int64_t> shape;  ///< slowest first: the file's order turned round
  int64_t offset = 0;          ///< of its first byte in the file
  int64_t bytes = 0;
};

struct GgufFile {
  GgufMetadata metadata;
  std::vector<GgufTensor> tensors;  ///< in the order of their data
};

/// Throws Error(bad_input) naming file, key or tensor and field: wrong magic, counts beyond the file, keys or
/// tensors twice, strings, arrays or data cut short, bad alignment, overlapping data; Error(unsupported) for
/// other versions, byte orders and tensor types. `file` must outlive the result.
GgufFile read_gguf(const MappedFile& file);

}  // namespace fathom
