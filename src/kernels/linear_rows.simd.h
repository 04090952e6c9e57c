// Rows of stored weights as floats, whatever their format.

// clang-format off: in this order
#include "kernels/linear_vector.simd.h"
#include "kernels/linear_decode.simd.h"
#include "kernels/linear_blocks.simd.h"
// clang-format on

namespace fathom::FATHOM_TARGET {

// Row `row` of w as floats in out, which has room for a multiple of 32; fetches row `next`.
template <class D>
static void decode_to(const WeightView& w, int64_t row, int64_t next, float* out) {
  D decoder(w, row);
  FetchAhead ahead(w, next, D::bytes(w.cols));
  for (int64_t k = 0; k < w.cols; k += 32) {
    if (k % 128 == 0) ahead.next(D::bytes(128));
    decoder.block(k);
    for (int64_t j = k; j < std::min(k + 32, w.cols); j += kLanes) {
      vstore(out + j, j + kLanes <= w.cols ? decoder.at(j) : decoder.at(j, w.cols - j));
    }
  }
}

static void decode_any(const WeightView& w, int64_t row, int64_t next, float* out) {
#if FATHOM_LEVEL >= 1
  switch (linear_format(w)) {
    case LinearFormat::bf16:
      return decode_to<RowBf16>(w, row, next, out);
    case LinearFormat::f16:
      return decode_to<RowF16>(w, row, next, out);
    case LinearFormat::fp8:
      return decode_to<RowFp8>(w, row, next, out);
    case LinearFormat::fp4:
      return decode_to<RowFp4>(w, row, next, out);
    default:
      if (decode_ggml_to(w, row, next, out)) return;
  }
#endif
  static_cast<void>(next);
  decode_row(w, row, out);
}

}  // namespace fathom::FATHOM_TARGET
