#pragma once
/// What a program does with an opened checkpoint, for the fuzz targets of its formats.

#include "checkpoint/checkpoint.h"
#include "fuzz/fuzz.h"

namespace fathom::fuzz {

/// Reads the first and the last byte of every tensor, takes it as a matrix and checks its scales: what open()
/// accepted must lie inside the file.
inline void read_everything(const Checkpoint& checkpoint) {
  unsigned sum = 0;
  for (const std::string& name : checkpoint.names()) {
    const TensorView tensor = checkpoint.tensor(name);
    if (tensor.bytes > 0) {
      sum += static_cast<unsigned>(tensor.data[0]) + static_cast<unsigned>(tensor.data[tensor.bytes - 1]);
    }
    int64_t rows = 1;
    for (size_t i = 0; i + 1 < tensor.shape.size(); ++i) rows *= tensor.shape[i];
    const int64_t cols = tensor.shape.empty() ? 1 : tensor.shape.back();
    may_refuse([&] { checkpoint.matrix(name, rows, cols); });
    if (rows * cols < 4096) may_refuse([&] { checkpoint.floats(name, rows * cols); });
    if (rows * cols < 4096) may_refuse([&] { checkpoint.ints(name, rows * cols, 16); });
  }
  may_refuse([&] { checkpoint.validate_scales(); });
  volatile unsigned keep = sum;  // the reads must happen
  static_cast<void>(keep);
}

}  // namespace fathom::fuzz
