#pragma once
/// A safetensors file of expected values, read by name; what was never read can be listed.

#include <cstdint>
#include <filesystem>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "base/file.h"
#include "checkpoint/safetensors.h"

namespace fathom::verify {

/// Every reader throws Error(bad_input) naming file and tensor: absent, or of another type.
class ExpectedFile {
 public:
  explicit ExpectedFile(const std::filesystem::path& path);

  bool has(const std::string& name) const { return tensors_.contains(name); }
  const std::vector<int64_t>& shape(const std::string& name) const { return find(name).shape; }
  DType dtype(const std::string& name) const { return find(name).dtype; }
  /// F32, BF16, F16 exactly; F64 rounded.
  std::vector<float> floats(const std::string& name) const;
  /// F64, F32, BF16, F16 exactly.
  std::vector<double> doubles(const std::string& name) const;
  /// I64 and I32 whose values fit int32; I8, U8.
  std::vector<int32_t> ints(const std::string& name) const;
  /// The one value of an integer tensor with one element.
  int64_t scalar(const std::string& name) const;
  /// The stored bytes, of any type.
  std::vector<uint8_t> bytes(const std::string& name) const;
  /// "path: name", for messages.
  std::string where(const std::string& name) const;

  std::vector<std::string> names() const;
  /// Names that no reader above was asked for.
  std::vector<std::string> unread() const;

 private:
  const SafetensorsTensor& find(const std::string& name) const;
  template <class Real>
  std::vector<Real> reals(const std::string& name) const;

  MappedFile file_;
  std::map<std::string, SafetensorsTensor> tensors_;
  mutable std::set<std::string> read_;
};

}  // namespace fathom::verify
