#pragma once
/// Backward passes of kernels/hyper_connection.h. Source: architecture.md section 2.

#include <vector>

#include "kernels/hyper_connection.h"

namespace fathom {

/// Backward of hc_mix, the Sinkhorn steps included.
///
/// @param z, inv_rms, scale, base  as hc_mix had them
/// @param d_pre, d_post, d_comb    gradients of hc_mix's results
/// @param dz        [rows, (2+n)n], set
/// @param d_inv_rms [rows], set
/// @param d_scale   [3], d_base [(2+n)n], += the rows' in their order
template <class Real>
using HcMixBackward = void(const Real* z, const Real* inv_rms, const Real* scale, const Real* base,
                           int64_t rows, int64_t n, int64_t iterations, Real eps, const Real* d_pre,
                           const Real* d_post, const Real* d_comb, Real* dz, Real* d_inv_rms, Real* d_scale,
                           Real* d_base);

/// Backward of hc_collapse: d_streams[t][i] += pre[t][i] dx[t]; d_pre[t][i] = dx[t] . X[t][i].
template <class Real>
using HcCollapseBackward = void(const Real* streams, const Real* pre, const Real* dx, int64_t rows, int64_t n,
                                int64_t dim, Real* d_streams, Real* d_pre);

/// Backward of hc_apply.
///
/// @param streams   [rows, n, dim] before apply
/// @param d_streams [rows, n, dim] gradient of the new streams, replaced by that of the old ones
/// @param dy        [rows, dim], d_post [rows, n], d_comb [rows, n, n], set
template <class Real>
using HcApplyBackward = void(const Real* streams, const Real* y, const Real* post, const Real* comb,
                             int64_t rows, int64_t n, int64_t dim, Real* d_streams, Real* dy, Real* d_post,
                             Real* d_comb);

/// y[t] += factor[t] x[t]: rows of `dim`; the RMS of mix's row on its way back.
template <class Real>
using AddScaledRows = void(const Real* x, const Real* factor, int64_t rows, int64_t dim, Real* y);

template <class Real>
void hc_mix_backward_reference(const Real* z, const Real* inv_rms, const Real* scale, const Real* base,
                               int64_t rows, int64_t n, int64_t iterations, Real eps, const Real* d_pre,
                               const Real* d_post, const Real* d_comb, Real* dz, Real* d_inv_rms,
                               Real* d_scale, Real* d_base) {
  const int64_t width = (2 + n) * n, square = n * n, steps = 2 * iterations - 1;
  const auto sigmoid = [](Real v) { return 1 / (1 + std::exp(-v)); };
  std::vector<Real> after(static_cast<size_t>(steps * square)), below(static_cast<size_t>(steps * n));
  std::vector<Real> soft(static_cast<size_t>(square)), d(static_cast<size_t>(width));
  for (int64_t t = 0; t < rows; ++t, z += width, dz += width) {
    const Real r = inv_rms[t];
    for (int64_t i = 0; i < n; ++i) {
      const Real pre = sigmoid(z[i] * r * scale[0] + base[i]);
      const Real post = sigmoid(z[n + i] * r * scale[1] + base[n + i]);
      d[static_cast<size_t>(i)] = d_pre[t * n + i] * (pre * (1 - pre));
      d[static_cast<size_t>(n + i)] = d_post[t * n + i] * (2 * (post * (1 - post)));
    }
    // Forward again: the matrix after each step, and what the step divided by.
    std::vector<Real> now(static_cast<size_t>(square));
    for (int64_t i = 0; i < n; ++i) {
      Real mx = 0, sum = 0;
      for (int64_t j = 0; j < n; ++j) {
        Real& v = soft[static_cast<size_t>(i * n + j)];
        v = z[2 * n + i * n + j] * r * scale[2] + base[2 * n + i * n + j];
        mx = j == 0 || v > mx ? v : mx;
      }
      for (int64_t j = 0; j < n; ++j) {
        Real& v = soft[static_cast<size_t>(i * n + j)];
        sum += v = std::exp(v - mx);
      }
      for (int64_t j = 0; j < n; ++j) {
        const auto at = static_cast<size_t>(i * n + j);
        now[at] = (soft[at] /= sum) + eps;
      }
    }
    const auto index = [&](bool columns, int64_t a, int64_t b) {  // b runs along the sum
      return static_cast<size_t>(columns ? b * n + a : a * n + b);
    };
    for (int64_t step = 0; step < steps; ++step) {  // columns first and last
      for (int64_t a = 0; a < n; ++a) {
        Real sum = 0;
        for (int64_t b = 0; b < n; ++b) sum += now[index(step % 2 == 0, a, b)];
        below[static_cast<size_t>(step * n + a)] = sum + eps;
        for (int64_t b = 0; b < n; ++b) now[index(step % 2 == 0, a, b)] /= sum + eps;
      }
      std::copy(now.begin(), now.end(), after.begin() + step * square);
    }
    std::vector<Real> g(d_comb + t * square, d_comb + (t + 1) * square);
    for (int64_t step = steps - 1; step >= 0; --step) {
      for (int64_t a = 0; a < n; ++a) {
        Real dot = 0;
        for (int64_t b = 0; b < n; ++b) {
          const size_t at = index(step % 2 == 0, a, b);
          dot += g[at] * after[static_cast<size_t>(step * square) + at];
        }
        for (int64_t b = 0; b < n; ++b) {
          Real& v = g[index(step % 2 == 0, a, b)];
          v = (v - dot) / below[static_cast<size_t>(step * n + a)];
        }
      }
    }
    for (int64_t i = 0; i < n; ++i) {
      Real dot = 0;
      for (int64_t j = 0; j < n; ++j)
        dot += g[static_cast<size_t>(i * n + j)] * soft[static_cast<size_t>(i * n + j)];
      for (int64_t j = 0; j < n; ++j) {
        const auto at = static_cast<size_t>(i * n + j);
        d[static_cast<size_t>(2 * n) + at] = soft[at] * (g[at] - dot);
      }
    }
    Real to_rms = 0;
    for (int64_t i = 0; i < width; ++i) {
      const int64_t which = i < n ? 0 : i < 2 * n ? 1 : 2;
      const Real v = d[static_cast<size_t>(i)], scaled = v * scale[which];
      d_base[i] += v;
      d_scale[which] += v * (z[i] * r);
      to_rms += scaled * z[i];
      dz[i] = scaled * r;
    }
    d_inv_rms[t] = to_rms;
  }
}

template <class Real>
void hc_collapse_backward_reference(const Real* streams, const Real* pre, const Real* dx, int64_t rows,
                                    int64_t n, int64_t dim, Real* d_streams, Real* d_pre) {
  for (int64_t t = 0; t < rows; ++t) {
    for (int64_t i = 0; i < n; ++i) {
      const int64_t row = (t * n + i) * dim;
      Real dot = 0;
      for (int64_t c = 0; c < dim; ++c) {
        dot += dx[t * dim + c] * streams[row + c];
        d_streams[row + c] += pre[t * n + i] * dx[t * dim + c];
      }
      d_pre[t * n + i] = dot;
    }
  }
}

template <class Real>
void hc_apply_backward_reference(const Real* streams, const Real* y, const Real* post, const Real* comb,
                                 int64_t rows, int64_t n, int64_t dim, Real* d_streams, Real* dy,
                                 Real* d_post, Real* d_comb) {
  for (int64_t t = 0; t < rows; ++t, d_post += n, d_comb += n * n) {
    std::fill_n(d_post, n, Real(0));
    std::fill_n(d_comb, n * n, Real(0));
    for (int64_t c = 0; c < dim; ++c) {
      Real g[kMaxStreams];
      Real out = 0;
      for (int64_t j = 0; j < n; ++j) {
        g[j] = d_streams[(t * n + j) * dim + c];
        out += post[t * n + j] * g[j];
        d_post[j] += g[j] * y[t * dim + c];
      }
      dy[t * dim + c] = out;
      for (int64_t i = 0; i < n; ++i) {
        const int64_t at = (t * n + i) * dim + c;
        Real sum = 0;
        for (int64_t j = 0; j < n; ++j) {
          sum += comb[(t * n + i) * n + j] * g[j];
          d_comb[i * n + j] += g[j] * streams[at];
        }
        d_streams[at] = sum;
      }
    }
  }
}

template <class Real>
void add_scaled_rows_reference(const Real* x, const Real* factor, int64_t rows, int64_t dim, Real* y) {
  for (int64_t t = 0; t < rows; ++t) {
    for (int64_t c = 0; c < dim; ++c) y[t * dim + c] += factor[t] * x[t * dim + c];
  }
}

/// The bodies for a target.
HcMixBackward<float>* hc_mix_backward_for(Target target);
HcCollapseBackward<float>* hc_collapse_backward_for(Target target);
HcApplyBackward<float>* hc_apply_backward_for(Target target);
AddScaledRows<float>* add_scaled_rows_for(Target target);

}  // namespace fathom
