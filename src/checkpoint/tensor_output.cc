#include "checkpoint/tensor_output.h"

#include "base/error.h"

namespace fathom {

int64_t tensor_bytes(const TensorDeclaration& tensor) {
  constexpr int64_t kMost = int64_t{1} << 62;
  int64_t rows = 1;
  const int64_t cols = tensor.shape.empty() ? 1 : tensor.shape.back();
  bool fits = true;
  for (size_t i = 0; i < tensor.shape.size(); ++i) {
    const int64_t dimension = tensor.shape[i];
    if (dimension < 0)
      bad_input("tensor {}: expected sizes from 0, found {}", printable(tensor.name), dimension);
    if (i + 1 < tensor.shape.size()) fits = fits && !__builtin_mul_overflow(rows, dimension, &rows);
  }
  const int64_t row = row_bytes(tensor.dtype, cols);
  int64_t bytes = 0;
  if (!fits || row < 0 || __builtin_mul_overflow(rows, row, &bytes) || bytes > kMost) {
    bad_input(
        "tensor {}: expected rows in whole blocks of {} {} values and less than 2^62 bytes, found rows of {}",
        printable(tensor.name), block_values(tensor.dtype), name(tensor.dtype), cols);
  }
  return bytes;
}

size_t TensorOutput::add_file(const std::filesystem::path& path, int64_t size, std::string_view header) {
  files_.push_back({OutputFile(path, size, sparse_)});
  files_.back().output.write_at(0, header.data(), static_cast<int64_t>(header.size()));
  files_.back().output.release();
  return files_.size() - 1;
}

void TensorOutput::add_tensor(const std::string& name, size_t file, int64_t offset, int64_t bytes) {
  if (!places_.emplace(name, Place{file, offset, bytes}).second) {
    bad_input("tensor {}: expected once, found twice", printable(name));
  }
  names_.push_back(name);
  files_[file].missing += bytes;
}

void TensorOutput::append(std::string_view name, const void* data, int64_t bytes) {
  FATHOM_CHECK(!finished_);
  const auto found = places_.find(std::string(name));
  if (found == places_.end()) {
    fail(ErrorCode::internal, "tensor {}: expected a declared name", printable(name));
  }
  Place& place = found->second;
  if (bytes < 0 || bytes > place.bytes - place.written) {
    fail(ErrorCode::internal, "tensor {}: expected {} bytes, found {} more after {}", printable(name),
         place.bytes, bytes, place.written);
  }
  if (place.file != open_) files_[open_].output.release();
  open_ = place.file;
  File& file = files_[place.file];
  file.output.write_at(place.offset + place.written, data, bytes);
  place.written += bytes;
  file.missing -= bytes;
  file.synced = false;
  if (file.missing ==
      0) {  // now rather than all at the end: an error shows earlier, and the disk has work meanwhile
    file.output.sync();
    file.synced = true;
  }
}

void TensorOutput::finish() {
  FATHOM_CHECK(!finished_);
  for (const std::string& name : names_) {
    const Place& place = places_.at(name);
    if (place.written == place.bytes || (sparse_ && place.written == 0)) continue;
    fail(ErrorCode::internal, "{}: tensor {}: expected {} bytes, found {} written",
         printable(files_[place.file].output.path().string(), 400), printable(name), place.bytes,
         place.written);
  }
  finished_ = true;
  try {
    for (File& file : files_) {
      if (!file.synced) file.output.sync();
    }
    for (File& file : files_) file.output.commit();
  } catch (const Error&) {
    withdraw();
    throw;
  }
  for (const File& file : files_) sync_folder(file.output.folder());
}

void TensorOutput::withdraw() noexcept {
  for (File& file : files_) file.output.withdraw();
}

}  // namespace fathom
