#pragma once
/// Where a converted or trained model goes, tensor by tensor: implemented by SafetensorsWriter and
/// GgufWriter.

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/dtype.h"

namespace fathom {

/// A tensor to come. Shape row-major, slowest dimension first.
struct TensorDeclaration {
  std::string name;
  DType dtype = DType::F32;
  std::vector<int64_t> shape;
};

/// Takes the bytes of tensors that were declared when it was made. Nothing appears under a final name before
/// finish() has everything on disk; a sink that goes away before leaves nothing behind.
class TensorSink {
 public:
  TensorSink() = default;
  TensorSink(const TensorSink&) = delete;
  TensorSink& operator=(const TensorSink&) = delete;
  virtual ~TensorSink() = default;

  /// The next bytes of a declared tensor; tensors may come in any order and in any number of pieces. Throws
  /// Error(io) naming the file (a full disk too), Error(internal) for an undeclared name or too many bytes.
  virtual void append(std::string_view name, const void* data, int64_t bytes) = 0;

  /// Flushes to the disk and renames. Throws Error(internal) naming a tensor whose bytes are not all there
  /// (in a sparse sink, tensors without any bytes are legal: they stay holes, which read as zeros), Error(io)
  /// otherwise.
  virtual void finish() = 0;
};

/// Bytes of the tensor. Throws Error(bad_input) naming it if a dimension is negative, the last one is no
/// multiple of the dtype's block or the product does not fit 2^62.
int64_t tensor_bytes(const TensorDeclaration& tensor);

}  // namespace fathom
