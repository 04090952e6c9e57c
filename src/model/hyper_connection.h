#pragma once
/// mHC around a sublayer: mix, collapse to one row, apply. Source: architecture.md section 2.

#include "model/context.h"
#include "model/params.h"

namespace fathom {

/// Mixing weights of a batch; views into the arena of ctx.
template <class Real>
struct HcWeights {
  const Real* pre;   ///< [rows, n]
  const Real* post;  ///< [rows, n]
  const Real* comb;  ///< [rows, n, n], [from][to]
};

/// The mixing weights of streams [rows, n*D].
template <class Real>
HcWeights<Real> hc_mix(const Context<Real>& ctx, const ModelConfig& config, const HcParams<WeightView>& w,
                       Mat<const Real> streams);

/// x [rows, D] = sum_i pre_i X_i.
template <class Real>
void hc_collapse(const Context<Real>& ctx, const ModelConfig& config, Mat<const Real> streams,
                 const Real* pre, Mat<Real> x);

/// streams'_j = post_j y + sum_i comb[i][j] X_i, in place.
template <class Real>
void hc_apply(const Context<Real>& ctx, const ModelConfig& config, const HcWeights<Real>& weights,
              Mat<const Real> y, Mat<Real> streams);

/// The head's collapse: pre = sigmoid(z * scale + base) + eps, no Sinkhorn; x = sum_i pre_i X_i.
template <class Real>
void hc_head(const Context<Real>& ctx, const ModelConfig& config, const HcParams<WeightView>& w,
             Mat<const Real> streams, Mat<Real> x);

}  // namespace fathom
