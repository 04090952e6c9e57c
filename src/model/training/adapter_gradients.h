#pragma once
/// Gradients of adapters (checkpoint/adapter.h): a pass over W + scale B A gives dW block by block, and from
/// it dA = scale B^T dW and dB = scale dW A^T; dW itself goes again. Source: arXiv 2106.09685.

#include <map>
#include <string>

#include "model/training/loss.h"

namespace fathom {

/// One adapted matrix and where its gradients are added.
template <class Real>
struct AdaptedMatrix {
  Mat<const Real> a, b;  ///< [rank, cols], [rows, rank]
  Mat<Real> d_a, d_b;    ///< of the same shapes
};

template <class Real>
class AdapterGradients : public BlockGradients<Real> {
 public:
  /// @param matrices by official name
  AdapterGradients(const ModelConfig& config, Real scale,
                   const std::map<std::string, AdaptedMatrix<Real>>& matrices)
      : config_(config), scale_(scale), matrices_(matrices) {}

  BlockParams<Mat<Real>> begin(const Context<Real>& ctx, int64_t layer) override;
  void end(const Context<Real>& ctx, int64_t layer, const BlockParams<Mat<Real>>& gradients) override;

 private:
  std::string prefix(int64_t layer) const;
  const ModelConfig& config_;
  Real scale_;
  const std::map<std::string, AdaptedMatrix<Real>>& matrices_;
};

}  // namespace fathom
