#include "checkpoint/tensor_file.h"

#include <cstring>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/file.h"

namespace fathom {
namespace {

template <class T>
MemoryTensor make(std::string name, DType dtype, std::vector<int64_t> shape, const std::vector<T>& values) {
  int64_t count = 1;
  for (const int64_t n : shape) count *= n;
  FATHOM_CHECK(count == static_cast<int64_t>(values.size()));
  MemoryTensor t{std::move(name), dtype, std::move(shape), std::vector<std::byte>(values.size() * sizeof(T))};
  if (!values.empty()) std::memcpy(t.bytes.data(), values.data(), t.bytes.size());
  return t;
}

}  // namespace

MemoryTensor memory_tensor(std::string name, std::vector<int64_t> shape, const std::vector<float>& values) {
  return make(std::move(name), DType::F32, std::move(shape), values);
}
MemoryTensor memory_tensor(std::string name, std::vector<int64_t> shape, const std::vector<int32_t>& values) {
  return make(std::move(name), DType::I32, std::move(shape), values);
}

void write_tensor_file(const std::filesystem::path& path, const std::vector<MemoryTensor>& tensors) {
  nlohmann::ordered_json header;
  size_t offset = 0;
  for (const MemoryTensor& t : tensors) {
    header[t.name] = {
        {"dtype", name(t.dtype)}, {"shape", t.shape}, {"data_offsets", {offset, offset + t.bytes.size()}}};
    offset += t.bytes.size();
  }
  std::string text = header.is_null() ? "{}" : header.dump();
  text.resize((text.size() + 7) / 8 * 8, ' ');
  std::string file(8 + text.size() + offset, '\0');
  const uint64_t size = text.size();
  std::memcpy(file.data(), &size, 8);
  std::memcpy(file.data() + 8, text.data(), text.size());
  size_t at = 8 + text.size();
  for (const MemoryTensor& t : tensors) {
    if (!t.bytes.empty()) std::memcpy(file.data() + at, t.bytes.data(), t.bytes.size());
    at += t.bytes.size();
  }
  write_atomically(path, file);
}

}  // namespace fathom
