#pragma once
/// The embedding, and its copies that are the first streams. Source: architecture.md section 2.

#include <span>

#include "model/context.h"
#include "model/params.h"

namespace fathom {

/// Rows [tokens, D] of the table, in the arena of ctx. Throws Error(bad_input) for an id that it does not
/// have.
template <class Real>
Mat<Real> embed(const Context<Real>& ctx, const WeightView& table, std::span<const int32_t> tokens);

/// Every embedding n times: streams [rows, n*D].
template <class Real>
void copy_to_streams(const Context<Real>& ctx, Mat<const Real> x, Mat<Real> streams);

/// grad[token] += dx of its rows, in their order. `copies` rows of dx lie side by side for each token (the
/// streams) and are added first; grad may be empty (frozen).
/// @param dx [tokens, copies * D]
template <class Real>
void embed_backward(const Context<Real>& ctx, std::span<const int32_t> tokens, int64_t copies,
                    Mat<const Real> dx, Mat<Real> grad);

}  // namespace fathom
