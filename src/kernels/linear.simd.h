// y = x W^T of floats. One row decodes the weights in registers, as memory is the limit there; more rows
// decode a panel of weights into a buffer that stays in the cache.

// clang-format off: in this order
#include "kernels/linear_rows.simd.h"
#include "kernels/linear_tile.simd.h"
// clang-format on

namespace fathom::FATHOM_TARGET {

// One row of x against O outputs, decoded on the way.
template <class D, size_t... O>
static void one_row(const float* x, const WeightView& w, int64_t first, float* y, std::index_sequence<O...>) {
  constexpr int kOutputs = sizeof...(O);
  FetchAhead ahead(w, first + kOutputs, D::bytes(w.cols));
  D rows[kOutputs] = {D(w, first + static_cast<int64_t>(O))...};
  V sum[kOutputs];
  for (V& s : sum) s = vzero();
  int64_t k = 0;
  for (; k + 32 <= w.cols; k += 32) {
    for (int o = 0; o < kOutputs; ++o) {
      ahead.next(D::bytes(32));
      rows[o].block(k);
      for (int64_t j = k; j < k + 32; j += kLanes) sum[o] = vfma(vload(x + j), rows[o].at(j), sum[o]);
    }
  }
  if (k < w.cols) {
    for (int o = 0; o < kOutputs; ++o) {
      rows[o].block(k);
      int64_t j = k;
      for (; j + kLanes <= w.cols; j += kLanes) sum[o] = vfma(vload(x + j), rows[o].at(j), sum[o]);
      if (j < w.cols) sum[o] = vfma(vload(x + j, w.cols - j), rows[o].at(j, w.cols - j), sum[o]);
    }
  }
  if constexpr (kOutputs == 4) {
    vfold4(sum[0], sum[1], sum[2], sum[3], y);
  } else {
    for (int o = 0; o < kOutputs; ++o) y[o] = vfold(sum[o]);
  }
}

template <class D>
static void one_row(const float* x, const WeightView& w, int64_t first, int64_t last, float* y) {
  int64_t o = first;
  for (; o + 4 <= last; o += 4) one_row<D>(x, w, o, y + o, std::make_index_sequence<4>());
  for (; o < last; ++o) one_row<D>(x, w, o, y + o, std::make_index_sequence<1>());
}

static void linear_decoded(const float* x, int64_t rows, int64_t x_stride, const WeightView& w, int64_t first,
                           int64_t last, float* y, int64_t y_stride, bool round) {
  const int64_t width = (w.cols + 31) / 32 * 32 + 16;  // rows a power of two apart would share cache sets
  float* buffer =
      thread_scratch(ScratchSlot::weights).take<float>(panel_size<FloatDot>(rows, w.cols) * width);
  panels<FloatDot>(
      x, rows, x_stride, w.cols, first, last, y, y_stride,
      [&](int64_t o, int64_t n) {
        for (int64_t i = 0; i < n; ++i) {
          float* out = buffer + i * width;
          decode_any(w, o + i, o + i + n, out);
          if (round) {
            for (int64_t k = 0; k < w.cols; ++k) out[k] = round_bf16(out[k]);
          }
        }
        return WeightRows{reinterpret_cast<const std::byte*>(buffer), width * 4};
      },
      [](int64_t) { return nullptr; });
}

static void linear(const float* x, int64_t rows, int64_t x_stride, const WeightView& w, int64_t first,
                   int64_t last, float* y, int64_t y_stride) {
  const LinearFormat format = linear_format(w);
  if (rows == 1) {
    switch (format) {
      case LinearFormat::f32:
        return one_row<RowF32>(x, w, first, last, y);
      case LinearFormat::bf16:
        return one_row<RowBf16>(x, w, first, last, y);
#if FATHOM_LEVEL >= 1
      case LinearFormat::f16:
        return one_row<RowF16>(x, w, first, last, y);
      case LinearFormat::fp8:
        return one_row<RowFp8>(x, w, first, last, y);
      case LinearFormat::fp4:
        return one_row<RowFp4>(x, w, first, last, y);
#endif
      default:
        break;
    }
  }
  if (format == LinearFormat::f32) {
    return panels_in_place<FloatDot>(x, rows, x_stride, w, first, last, y, y_stride);
  }
  linear_decoded(x, rows, x_stride, w, first, last, y, y_stride, false);
}

#if FATHOM_LEVEL < 3
// Without an instruction for bfloat16 products: as floats, which hold them exactly.
static void linear_bf16(const Bf16* x, int64_t rows, int64_t x_stride, const WeightView& w, int64_t first,
                        int64_t last, float* y, int64_t y_stride) {
  constexpr int64_t kRows = 48;
  float* wide = thread_scratch(ScratchSlot::activations).take<float>(std::min(rows, kRows) * w.cols);
  for (int64_t t = 0; t < rows; t += kRows) {
    const int64_t n = std::min(kRows, rows - t);
    for (int64_t r = 0; r < n; ++r) {
      for_lanes(w.cols, [&](int64_t k, auto lanes) {
        store(wide + r * w.cols + k, lanes, load_bf16(x + (t + r) * x_stride + k, lanes));
      });
    }
    if (exact_in_bf16(w)) {
      linear(wide, n, w.cols, w, first, last, y + t * y_stride, y_stride);
    } else {
      linear_decoded(wide, n, w.cols, w, first, last, y + t * y_stride, y_stride, true);
    }
  }
}
#endif

}  // namespace fathom::FATHOM_TARGET

#if FATHOM_LEVEL == 3
#include "kernels/linear_bf16.simd.h"
#endif
