// Three products a step, all of the form C = A B with lanes along the columns of B and the inner index in
// order: an element's bits depend on nothing but its sum. A panel of B's columns is packed once and stays in
// the second-level cache while all rows of A pass. Of the two symmetric products only the tiles that touch
// the upper triangle are computed.

namespace fathom::FATHOM_TARGET {

constexpr int64_t kNsColumns = 64;  // of a packed panel
#if FATHOM_LEVEL >= 2
constexpr int kNsRows = 6, kNsVectors = 4;  // 24 accumulators
#else
constexpr int kNsRows = 3, kNsVectors = 2;
#endif

// sum[r][v] over l of a[r][l] * panel[l][column + 16 v ..].
template <int R, int C, class F>
FATHOM_INLINE void ns_tile(const float* a, int64_t a_stride, const float* panel, int64_t inner,
                           const F& take) {
  F32x16 sum[R][C];
#pragma GCC unroll 8
  for (int r = 0; r < R; ++r) {
#pragma GCC unroll 8
    for (int v = 0; v < C; ++v) sum[r][v] = zero16();
  }
  for (int64_t l = 0; l < inner; ++l) {
    F32x16 b[C];
#pragma GCC unroll 8
    for (int v = 0; v < C; ++v) b[v] = load(panel + l * kNsColumns + 16 * v);
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r) {
      const F32x16 x = set16(a[r * a_stride + l]);
#pragma GCC unroll 8
      for (int v = 0; v < C; ++v) sum[r][v] = fma(x, b[v], sum[r][v]);
    }
  }
#pragma GCC unroll 8
  for (int r = 0; r < R; ++r) {
#pragma GCC unroll 8
    for (int v = 0; v < C; ++v) take(r, v, sum[r][v]);
  }
}

// rows < R + 1 rows of a against one packed panel; take(row, column of the panel, sixteen sums).
template <int R, class F>
FATHOM_INLINE void ns_rows(int64_t rows, const float* a, int64_t a_stride, const float* panel, int64_t inner,
                           int64_t columns, const F& take) {
  if constexpr (R > 1) {
    if (rows < R) return ns_rows<R - 1>(rows, a, a_stride, panel, inner, columns, take);
  }
  for (int64_t j = 0; j < columns; j += 16 * kNsVectors) {
    ns_tile<R, kNsVectors>(a, a_stride, panel + j, inner, [&](int r, int v, F32x16 sum) {
      if (j + 16 * v < columns) take(r, j + 16 * v, sum);
    });
  }
}

// C = A B, [rows, inner] x [inner, columns]; b_transposed: B's columns are the rows of b. take(i, j, n, sums)
// gets elements (i, j ..) n at a time. upper: only what touches the upper triangle.
template <class F>
static inline void ns_product(const float* a, int64_t rows, int64_t inner, const float* b, bool b_transposed,
                              int64_t columns, bool upper, float* panel, const F& take) {
  for (int64_t first = 0; first < columns; first += kNsColumns) {
    const int64_t width = std::min(kNsColumns, columns - first);
    if (b_transposed) {
      for (int64_t l = 0; l < inner; ++l) {
        float* row = panel + l * kNsColumns;
        for (int64_t j = 0; j < width; ++j) row[j] = b[(first + j) * inner + l];
        std::fill(row + width, row + kNsColumns, 0.0f);
      }
    } else {
      for (int64_t l = 0; l < inner; ++l) {
        float* row = panel + l * kNsColumns;
        std::memcpy(row, b + l * columns + first, static_cast<size_t>(width) * sizeof(float));
        std::fill(row + width, row + kNsColumns, 0.0f);
      }
    }
    const int64_t end = upper ? std::min(rows, first + width) : rows;
    for (int64_t i = 0; i < end; i += kNsRows) {
      ns_rows<kNsRows>(std::min<int64_t>(kNsRows, end - i), a + i * inner, inner, panel, inner, width,
                       [&](int r, int64_t j, F32x16 sum) {
                         take(i + r, first + j, std::min<int64_t>(16, width - j), sum);
                       });
    }
  }
}

// The lower triangle from the upper one.
static inline void ns_mirror(float* s, int64_t n) {
  for (int64_t i = 1; i < n; ++i) {
    for (int64_t j = 0; j < i; ++j) s[i * n + j] = s[j * n + i];
  }
}

// x = m / ||m||, transposed if need be; false if m is zero.
static bool ns_start(const float* m, int64_t rows, int64_t cols, float* x) {
  F32x16 top = zero16();
  for_lanes(rows * cols, [&](int64_t i, auto n) { top = max(top, abs16(load(m + i, n))); });
  const float largest = fold_max(top);
  if (largest == 0) return false;
  // A power of two first, so that no square under- or overflows.
  const float unit =
      std::isfinite(largest) ? std::ldexp(1.0f, std::clamp(-std::ilogb(largest), -126, 126)) : 1;
  F32x16 sum = zero16();
  for_lanes(rows * cols, [&](int64_t i, auto n) {
    const F32x16 v = load(m + i, n) * set16(unit);
    sum = fma(v, v, sum);
  });
  const float norm = std::sqrt(fold(sum));
  if (rows <= cols) {
    for_lanes(rows * cols,
              [&](int64_t i, auto n) { store(x + i, n, load(m + i, n) * set16(unit) / set16(norm)); });
  } else {
    for (int64_t i = 0; i < cols; ++i) {
      for (int64_t j = 0; j < rows; ++j) x[i * rows + j] = m[j * cols + i] * unit / norm;
    }
  }
  return true;
}

static void newton_schulz(const float* m, int64_t rows, int64_t cols, float* u, float* scratch) {
  const int64_t n = std::min(rows, cols), k = std::max(rows, cols);
  float *x = scratch, *next = x + n * k, *gram = next + n * k, *mix = gram + n * n, *panel = mix + n * n;
  if (!ns_start(m, rows, cols, x)) {
    std::fill(u, u + rows * cols, 0.0f);
    return;
  }
  for (int step = 0; step < kNewtonSchulzSteps; ++step) {
    const NewtonSchulzStep s = newton_schulz_step(step);
    const F32x16 a = set16(static_cast<float>(s.a)), b = set16(static_cast<float>(s.b)),
                 c = set16(static_cast<float>(s.c));
    ns_product(x, n, k, x, true, n, true, panel,
               [&](int64_t i, int64_t j, int64_t count, F32x16 sum) { store(gram + i * n + j, count, sum); });
    ns_mirror(gram, n);
    ns_product(gram, n, n, gram, false, n, true, panel, [&](int64_t i, int64_t j, int64_t count, F32x16 sum) {
      store(mix + i * n + j, count, fma(c, sum, b * load(gram + i * n + j, count)));
    });
    ns_mirror(mix, n);
    ns_product(mix, n, n, x, false, k, false, panel, [&](int64_t i, int64_t j, int64_t count, F32x16 sum) {
      store(next + i * k + j, count, fma(a, load(x + i * k + j, count), sum));
    });
    std::swap(x, next);
  }
  if (rows <= cols) {
    std::memcpy(u, x, static_cast<size_t>(rows * cols) * sizeof(float));
  } else {
    for (int64_t i = 0; i < cols; ++i) {
      for (int64_t j = 0; j < rows; ++j) u[j * cols + i] = x[i * rows + j];
    }
  }
}

}  // namespace fathom::FATHOM_TARGET
