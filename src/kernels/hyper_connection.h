#pragma once
/// Manifold-constrained hyper-connections (mHC): the mixing weights with their Sinkhorn projection, and the
/// two ways they act on the n residual streams. Source: architecture.md section 2.

#include <cmath>
#include <cstdint>

#include "kernels/target.h"

namespace fathom {

/// From z = (fn row) / rms(row) to the mixing weights of each row.
///
/// @param z       [rows, (2+n)n] the product fn * row
/// @param inv_rms [rows] 1 / rms of the row
/// @param scale   [3], base [(2+n)n]
/// @param pre     [rows, n]    sigmoid(z[0:n] s0 + b) + eps
/// @param post    [rows, n]    2 sigmoid(z[n:2n] s1 + b)
/// @param comb    [rows, n, n] [from i][to j], softmax over j then `iterations` Sinkhorn steps ending with
/// columns n is at most kMaxStreams.
template <class Real>
using HcMix = void(const Real* z, const Real* inv_rms, const Real* scale, const Real* base, int64_t rows,
                   int64_t n, int64_t iterations, Real eps, Real* pre, Real* post, Real* comb);
inline constexpr int64_t kMaxStreams = 16;

/// x[t] = sum_i pre[t][i] X[t][i]: streams X [rows, n, dim] to one row per token.
template <class Real>
using HcCollapse = void(const Real* streams, const Real* pre, int64_t rows, int64_t n, int64_t dim, Real* x);

/// X'[t][j] = post[t][j] y[t] + sum_i comb[t][i][j] X[t][i], in place in streams [rows, n, dim].
template <class Real>
using HcApply = void(Real* streams, const Real* y, const Real* post, const Real* comb, int64_t rows,
                     int64_t n, int64_t dim);

template <class Real>
void hc_mix_reference(const Real* z, const Real* inv_rms, const Real* scale, const Real* base, int64_t rows,
                      int64_t n, int64_t iterations, Real eps, Real* pre, Real* post, Real* comb) {
  const auto sigmoid = [](Real v) { return 1 / (1 + std::exp(-v)); };
  const int64_t width = (2 + n) * n;
  for (int64_t t = 0; t < rows; ++t, z += width, pre += n, post += n, comb += n * n) {
    const Real r = inv_rms[t];
    for (int64_t i = 0; i < n; ++i) {
      pre[i] = sigmoid(z[i] * r * scale[0] + base[i]) + eps;
      post[i] = 2 * sigmoid(z[n + i] * r * scale[1] + base[n + i]);
    }
    for (int64_t i = 0; i < n; ++i) {
      Real* row = comb + i * n;
      Real mx = 0, sum = 0;
      for (int64_t j = 0; j < n; ++j) {
        row[j] = z[2 * n + i * n + j] * r * scale[2] + base[2 * n + i * n + j];
        mx = j == 0 || row[j] > mx ? row[j] : mx;
      }
      for (int64_t j = 0; j < n; ++j) sum += row[j] = std::exp(row[j] - mx);
      for (int64_t j = 0; j < n; ++j) row[j] = row[j] / sum + eps;
    }
    const auto normalise_columns = [&] {
      for (int64_t j = 0; j < n; ++j) {
        Real sum = 0;
        for (int64_t i = 0; i < n; ++i) sum += comb[i * n + j];
        for (int64_t i = 0; i < n; ++i) comb[i * n + j] /= sum + eps;
      }
    };
    normalise_columns();
    for (int64_t step = 1; step < iterations; ++step) {
      for (int64_t i = 0; i < n; ++i) {
        Real sum = 0;
        for (int64_t j = 0; j < n; ++j) sum += comb[i * n + j];
        for (int64_t j = 0; j < n; ++j) comb[i * n + j] /= sum + eps;
      }
      normalise_columns();
    }
  }
}

template <class Real>
void hc_collapse_reference(const Real* streams, const Real* pre, int64_t rows, int64_t n, int64_t dim,
                           Real* x) {
  for (int64_t t = 0; t < rows; ++t) {
    for (int64_t c = 0; c < dim; ++c) {
      Real sum = 0;
      for (int64_t i = 0; i < n; ++i) sum += pre[t * n + i] * streams[(t * n + i) * dim + c];
      x[t * dim + c] = sum;
    }
  }
}

template <class Real>
void hc_apply_reference(Real* streams, const Real* y, const Real* post, const Real* comb, int64_t rows,
                        int64_t n, int64_t dim) {
  for (int64_t t = 0; t < rows; ++t) {
    for (int64_t c = 0; c < dim; ++c) {
      Real in[kMaxStreams];
      for (int64_t i = 0; i < n; ++i) in[i] = streams[(t * n + i) * dim + c];
      for (int64_t j = 0; j < n; ++j) {
        Real sum = post[t * n + j] * y[t * dim + c];
        for (int64_t i = 0; i < n; ++i) sum += comb[(t * n + i) * n + j] * in[i];
        streams[(t * n + j) * dim + c] = sum;
      }
    }
  }
}

/// The bodies for a target.
HcMix<float>* hc_mix_for(Target target);
HcCollapse<float>* hc_collapse_for(Target target);
HcApply<float>* hc_apply_for(Target target);

}  // namespace fathom
