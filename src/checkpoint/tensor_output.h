#pragma once
/// The part that all checkpoint writers share: tensors with known places in files that appear together at the
/// end; internal to the checkpoint writers.

#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "checkpoint/output_file.h"
#include "checkpoint/tensor_sink.h"

namespace fathom {

class TensorOutput {
 public:
  explicit TensorOutput(bool sparse) : sparse_(sparse) {}

  /// Makes a file of `size` bytes that begins with `header`; returns its index.
  size_t add_file(const std::filesystem::path& path, int64_t size, std::string_view header);
  /// Gives a tensor its place. Names must differ (Error(bad_input) if not).
  void add_tensor(const std::string& name, size_t file, int64_t offset, int64_t bytes);

  /// As TensorSink.
  void append(std::string_view name, const void* data, int64_t bytes);

  /// Checks that every tensor is complete, flushes all files and renames them in order. On an error, those
  /// already renamed are removed again.
  void finish();
  /// Removes all files.
  void withdraw() noexcept;

 private:
  struct Place {
    size_t file;
    int64_t offset, bytes, written = 0;
  };
  struct File {
    OutputFile output;
    int64_t missing = 0;  ///< bytes of its tensors that are not written yet
    bool synced = false;
  };

  bool sparse_, finished_ = false;
  std::vector<File> files_;
  std::unordered_map<std::string, Place> places_;
  std::vector<std::string> names_;  ///< in the order of add_tensor, so that errors name the first
  size_t open_ = 0;                 ///< the one file whose descriptor may be open
};

}  // namespace fathom
