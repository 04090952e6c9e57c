#pragma once
/// Headers of .safetensors files: parsed and fully checked before anything is read through them.
/// Source: github.com/huggingface/safetensors (8 bytes of header length, JSON, then the data without holes).

#include <cstdint>
#include <string>
#include <vector>

#include "base/dtype.h"
#include "base/file.h"

namespace fathom {

struct SafetensorsTensor {
  std::string name;
  DType dtype = DType::F32;
  std::vector<int64_t> shape;
  int64_t offset = 0;  ///< of its first byte in the file; any value, also odd
  int64_t bytes = 0;
};

/// The tensors of a mapped file in the order of their data. Throws Error(bad_input) naming file, tensor and
/// field if the length of the header, the JSON, a dtype, a shape or the offsets are wrong (overlap, hole,
/// outside the file, not shape x dtype), or if a name comes twice; Error(unsupported) for a dtype that fathom
/// does not know.
std::vector<SafetensorsTensor> read_safetensors(const MappedFile& file);

}  // namespace fathom
