#pragma once
/// A single safetensors file of tensors that are in memory: logits and traces for other programs.

#include <filesystem>
#include <string>
#include <vector>

#include "base/dtype.h"

namespace fathom {

struct MemoryTensor {
  std::string name;
  DType dtype = DType::F32;
  std::vector<int64_t> shape;
  std::vector<std::byte> bytes;
};

/// A tensor of floats or ints. Throws Error(internal) if the shape does not fit the values.
MemoryTensor memory_tensor(std::string name, std::vector<int64_t> shape, const std::vector<float>& values);
MemoryTensor memory_tensor(std::string name, std::vector<int64_t> shape, const std::vector<int32_t>& values);

/// Writes the file atomically. Throws Error(io) naming it.
void write_tensor_file(const std::filesystem::path& path, const std::vector<MemoryTensor>& tensors);

}  // namespace fathom
