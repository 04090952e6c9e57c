#pragma once
/// mHC around a sublayer: mix, collapse to one row, apply; and the way back. Source: architecture.md
/// section 2.

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

/// What the backward passes need of hc_mix() and hc_head(); views into the arena of ctx.
template <class Real>
struct HcSaved {
  Mat<Real> z;                    ///< [rows, (2+n)n] or [rows, n]: fn row, not yet divided by the row's RMS
  const Real* inv_rms = nullptr;  ///< [rows]
};

/// The mixing weights of streams [rows, n*D].
/// @param saved filled for the backward pass, or nullptr (inference)
template <class Real>
HcWeights<Real> hc_mix(const Context<Real>& ctx, const ModelConfig& config, const HcParams<WeightView>& w,
                       Mat<const Real> streams, HcSaved<Real>* saved = nullptr);

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
             Mat<const Real> streams, Mat<Real> x, HcSaved<Real>* saved = nullptr);

/// Gradients of the mixing weights, to be written.
template <class Real>
struct HcGradients {
  Real* pre;
  Real* post;
  Real* comb;
};

/// Backward of hc_apply(): d_streams becomes the gradient of the streams before it, dy [rows, D] is set, and
/// so are d.post and d.comb.
/// @param streams before apply
template <class Real>
void hc_apply_backward(const Context<Real>& ctx, const ModelConfig& config, const HcWeights<Real>& weights,
                       Mat<const Real> streams, Mat<const Real> y, Mat<Real> d_streams, Mat<Real> dy,
                       const HcGradients<Real>& d);

/// Backward of hc_mix() and hc_collapse() together: adds to d_streams and grad. d.post and d.comb are read,
/// d.pre is set on the way.
/// @param dx [rows, D] gradient of the collapsed row
template <class Real>
void hc_mix_backward(const Context<Real>& ctx, const ModelConfig& config, const HcParams<WeightView>& w,
                     Mat<const Real> streams, const HcWeights<Real>& weights, const HcSaved<Real>& saved,
                     Mat<const Real> dx, const HcGradients<Real>& d, Mat<Real> d_streams,
                     const HcParams<Mat<Real>>& grad);

/// Backward of hc_head(): adds to d_streams and grad.
template <class Real>
void hc_head_backward(const Context<Real>& ctx, const ModelConfig& config, const HcParams<WeightView>& w,
                      Mat<const Real> streams, const HcSaved<Real>& saved, Mat<const Real> dx,
                      Mat<Real> d_streams, const HcParams<Mat<Real>>& grad);

}  // namespace fathom
