#pragma once
/// Writes a GGUF file, version 3. Source: github.com/ggml-org/ggml docs/gguf.md; architecture.md section 9.

#include <concepts>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "checkpoint/tensor_sink.h"

namespace fathom {

/// The plain value types of GGUF; strings and arrays come by their own functions.
template <class T>
concept GgufScalar = std::same_as<T, bool> || std::same_as<T, uint8_t> || std::same_as<T, int8_t> ||
                     std::same_as<T, uint16_t> || std::same_as<T, int16_t> || std::same_as<T, uint32_t> ||
                     std::same_as<T, int32_t> || std::same_as<T, uint64_t> || std::same_as<T, int64_t> ||
                     std::same_as<T, float> || std::same_as<T, double>;

/// Key-value pairs in the order they are added. The C++ type of a value is its GGUF type: write uint32_t{4}.
/// Every function throws Error(bad_input) for a key that is empty, longer than 65,535 bytes or there already.
class GgufKeyValues {
 public:
  template <GgufScalar T>
  void add(std::string_view key, T value);
  void add(std::string_view key, std::string_view text);
  /// Arrays; std::vector<bool> is an array of bool.
  template <GgufScalar T>
  void add(std::string_view key, const std::vector<T>& values);
  void add(std::string_view key, const std::vector<std::string>& texts);

  int64_t count() const { return static_cast<int64_t>(keys_.size()); }
  /// The pairs as they stand in the file.
  const std::string& bytes() const { return bytes_; }

 private:
  void begin(std::string_view key, uint32_t type);

  std::string bytes_;
  std::vector<std::string> keys_;
};

/// Tensors in declared order, each at a multiple of 32 bytes; dimensions are stored fastest first. The file
/// replaces an older one of its name when finish() has all bytes on disk.
class GgufWriter : public TensorSink {
 public:
  /// Reserves the space (unless sparse). Throws Error(bad_input) for a bad declaration (a name longer than 63
  /// bytes, more than four dimensions, two tensors of one name), Error(unsupported) for dtypes that GGUF does
  /// not have (FP8, FP4 with scales apart, BOOL, U8), Error(io).
  GgufWriter(const std::filesystem::path& path, const GgufKeyValues& metadata,
             const std::vector<TensorDeclaration>& tensors, bool sparse = false);
  ~GgufWriter() override;

  void append(std::string_view name, const void* data, int64_t bytes) override;
  void finish() override;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace fathom
