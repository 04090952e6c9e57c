#pragma once
/// Gradients that a chunk of a long document leaves for earlier ones: those of rows and entries that its
/// queries read but that lie before it. Source: design, hard point 1e.

#include <algorithm>
#include <cstdint>
#include <vector>

#include "base/tensor.h"

namespace fathom {

/// One layer's part for one document; empty before the document's last chunk, which comes first.
template <class Real>
struct LayerKvGrad {
  std::vector<Real> kv;                     ///< of the window's rows before the chunk, the nearest last
  std::vector<Real> main_rows, index_rows;  ///< of the compressor rows before the chunk, likewise
  std::vector<Real> entries, index_keys;    ///< of all entries and keys
};

/// Adds to `gradient`, whose first `before` rows lie before the chunk, what later chunks left for its last
/// rows, and leaves those first rows in its place.
template <class Real>
void carry_rows(std::vector<Real>& left, Mat<Real> gradient, int64_t before) {
  const auto held = static_cast<int64_t>(left.size()) / gradient.cols;
  for (int64_t i = 0; i < held; ++i) {
    Real* to = gradient.row(gradient.rows - held + i);
    for (int64_t c = 0; c < gradient.cols; ++c) to[c] += left[static_cast<size_t>(i * gradient.cols + c)];
  }
  left.assign(gradient.data, gradient.row(before));
}

/// The gradients of `count` entries: those that later chunks left, or `none`, zeroed.
template <class Real>
Mat<Real> carried_entries(std::vector<Real>* left, int64_t count, Mat<Real> none) {
  if (!left) {
    std::fill_n(none.data, none.rows * none.cols, Real(0));
    return none;
  }
  left->resize(static_cast<size_t>(count * none.cols));
  return {left->data(), count, none.cols};
}

}  // namespace fathom
