#pragma once
/// The input of the multi-token prediction block: X' = e_proj norm(embed[t+1]) + h_proj norm(X_t).
/// Source: architecture.md section 8.

#include <span>

#include "model/context.h"
#include "model/params.h"

namespace fathom {

/// What mtp_input_backward() needs; views into the arena of ctx.
template <class Real>
struct MtpSaved {
  Mat<Real> embedded, e;                                  ///< [rows, D] before and after enorm
  const Real *e_inv_rms = nullptr, *h_inv_rms = nullptr;  ///< [rows], [rows * n]
  Mat<Real> h;                                            ///< [rows * n, D] normed streams
};

/// Streams x [rows, n*D] of the block.
/// @param tokens [rows], token t+1 of each row
/// @param streams [rows, n*D] after the last main block
/// @param saved filled for the backward pass, or nullptr (inference)
template <class Real>
void mtp_input(const Context<Real>& ctx, const ModelConfig& config, const MtpParams<WeightView>& w,
               const WeightView& table, std::span<const int32_t> tokens, Mat<const Real> streams, Mat<Real> x,
               MtpSaved<Real>* saved = nullptr);

/// Adds to d_streams (rows as `streams` had), d_table and grad.
template <class Real>
void mtp_input_backward(const Context<Real>& ctx, const ModelConfig& config, const MtpParams<WeightView>& w,
                        std::span<const int32_t> tokens, Mat<const Real> streams, const MtpSaved<Real>& saved,
                        Mat<const Real> dx, Mat<Real> d_streams, Mat<Real> d_table,
                        const MtpParams<Mat<Real>>& grad);

}  // namespace fathom
