#pragma once
/// The mixture-of-experts sublayer: route, group by expert, run, combine. Source: architecture.md section 6.

#include "model/batch.h"
#include "model/context.h"
#include "model/moe/expert.h"
#include "model/moe/router.h"
#include "model/weights.h"

namespace fathom {

/// Pairs (row, its place among the row's k routes) in expert order, rows ascending within an expert; views
/// into the arena of ctx.
struct ExpertGroups {
  const int32_t* first = nullptr;  ///< [E + 1] where each expert's pairs begin
  const int32_t* pair = nullptr;   ///< [rows * k], row * k + place
};

/// Of experts: w1 x and w3 x before clamping.
template <class Real>
struct ExpertSaved {
  Mat<Real> gate, up;
};

/// What moe_backward() needs of moe_forward(); views into the arena of ctx.
template <class Real>
struct MoeSaved {
  Routes<Real> routes;
  RouterSaved<Real> router;
  ExpertGroups groups;
  ExpertSaved<Real> experts;  ///< [rows * k, inter], a row per pair
  ExpertSaved<Real> shared;   ///< [rows, inter]
};

/// y [rows, D] = sum over a token's experts in ascending id, then the shared expert.
/// @param layer  index for a trace; hash whether tid2eid routes
/// @param tokens [rows]
/// @param saved filled for the backward pass, or nullptr (inference)
template <class Real>
void moe_forward(const Context<Real>& ctx, const ModelConfig& config, const Weights& weights,
                 const MoeParams<WeightView>& w, int64_t layer, const int32_t* tokens, Mat<const Real> x,
                 Mat<Real> y, MoeSaved<Real>* saved = nullptr);

/// Adds to dx [rows, D] and grad.
/// @param documents for the balance loss; null: it is not asked for
/// @returns the balance losses of all documents together, each without a factor
template <class Real>
double moe_backward(const Context<Real>& ctx, const ModelConfig& config, const Weights& weights,
                    const MoeParams<WeightView>& w, const std::vector<Span>* documents, Mat<const Real> x,
                    const MoeSaved<Real>& saved, Mat<const Real> dy, Mat<Real> dx,
                    const MoeParams<Mat<Real>>& grad);

}  // namespace fathom
