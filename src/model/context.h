#pragma once
/// Context: the one argument that goes everywhere. A method of each kernel's name works on whole matrices and
/// splits the work over threads; kernels know ranges only (design: "Types and ownership").

#include <algorithm>
#include <type_traits>

#include "base/arena.h"
#include "base/tensor.h"
#include "base/thread_pool.h"
#include "formats/half.h"
#include "kernels/kernels.h"
#include "model/numerics.h"
#include "model/step_times.h"
#include "model/trace.h"
#include "model/training_pass.h"

namespace fathom {

template <class Real>
class Context {
 public:
  Context(const Kernels<Real>& kernels, ThreadPool& pool, Arena& arena, const Numerics& numerics,
          bool ue8m0_activations)
      : kernels_(kernels), pool_(pool), arena_(arena), numerics_(numerics), ue8m0_(ue8m0_activations) {}

  const Kernels<Real>& kernels() const { return kernels_; }
  const Numerics& numerics() const { return numerics_; }
  Arena& arena() const { return arena_; }
  int64_t threads() const { return pool_.threads(); }
  Trace<Real>* trace = nullptr;
  StepTimes* times = nullptr;              ///< where to add the times of decode steps, or null
  const TrainingPass* training = nullptr;  ///< what a training pass asks for; null in inference

  /// Uninitialised [rows, cols], released with the enclosing ArenaScope.
  Mat<Real> scratch(int64_t rows, int64_t cols) const {
    return {arena_.allocate<Real>(rows * cols), rows, cols};
  }

  /// fn(begin, end) over [0, count) in pieces of at least `grain`; serial where count <= grain.
  template <class F>
  void parallel_for(int64_t count, int64_t grain, F&& fn) const {
    if (count <= 0) return;
    pool_.parallel_for(count, grain, fn);
  }
  /// Pieces of rows of `work` scalar operations each, so that a piece is worth a thread's waking.
  template <class F>
  void parallel_rows(int64_t rows, int64_t work, F&& fn) const {
    parallel_for(rows, grain_for(work), fn);
  }

  /// sum [width] += a sum over rows that does not depend on threads: f(first, last, partial) adds rows
  /// [first, last) to its block's partial [width], which starts at zero; the blocks are added in order.
  template <class F>
  void sum_row_blocks(int64_t rows, int64_t width, Real* sum, F&& f) const {
    constexpr int64_t kBlock = 64;
    const ArenaScope scope(arena_);
    const int64_t blocks = (rows + kBlock - 1) / kBlock;
    Real* partial = arena_.allocate<Real>(blocks * width);
    parallel_for(blocks, 1, [&](int64_t first, int64_t last) {
      for (int64_t b = first; b < last; ++b) {
        std::fill_n(partial + b * width, width, Real(0));
        f(b * kBlock, std::min(rows, (b + 1) * kBlock), partial + b * width);
      }
    });
    for (int64_t b = 0; b < blocks; ++b) {
      for (int64_t i = 0; i < width; ++i) sum[i] += partial[b * width + i];
    }
  }

  /// A small parameter as Real values (float: in place; double: decoded into scratch).
  const Real* values(const WeightView& w) const;

  /// Quantises x in place as the input of an FP8 or FP4 weight is; on the calling thread.
  void quantise_input(Mat<Real> x) const {
    kernels_.quantise_fp8(x.data, x.rows, x.stride, x.cols, 128, ue8m0_);
  }

  /// Quantises x [at most 128, any] in place, a column at a time: both factors of dW are summed over tokens,
  /// so their FP8 tiles lie along tokens, 128 of one column. On the calling thread.
  void quantise_along_tokens(Mat<Real> x) const;

  /// y = x w^T in the mode's arithmetic: bf16 (fast), quantised activations for FP8 and FP4 weights (release,
  /// unless quantise is false: wo_a), else fp32.
  void linear(Mat<const Real> x, const WeightView& w, Mat<Real> y, bool quantise = true) const;
  /// As linear(), but fast numerics keep fp32 activations (unless bf16_latents): for the narrow projections
  /// whose results are stored (latents, KV rows, entries, keys) or choose entries. Their errors would meet
  /// every later token.
  void linear_latent(Mat<const Real> x, const WeightView& w, Mat<Real> y) const;
  /// y = x w^T in fp32 whatever the mode: mHC, router, the scorer's weights.
  void linear_exact(Mat<const Real> x, const WeightView& w, Mat<Real> y) const;

  /// Backward of linear() in the mode's arithmetic: dx (=, +=) dy w unless dx is empty, dw += dy^T x unless
  /// dw is empty (a frozen part). Quantised weights quantise both x and dy, if the mode does: along what is
  /// summed, so dy along outputs for dx and along tokens for dW, x (after its forward tiles) along tokens.
  /// @param dy [rows, w.rows], x [rows, w.cols], dx [rows, w.cols], dw [w.rows, w.cols]
  void linear_backward(Mat<const Real> dy, Mat<const Real> x, const WeightView& w, Mat<Real> dx, Mat<Real> dw,
                       Sum dx_sum = Sum::add, bool quantise = true) const;
  /// Backward of linear_latent() and linear_exact(), in the arithmetic of these.
  void linear_latent_backward(Mat<const Real> dy, Mat<const Real> x, const WeightView& w, Mat<Real> dx,
                              Mat<Real> dw, Sum dx_sum = Sum::add) const;
  void linear_exact_backward(Mat<const Real> dy, Mat<const Real> x, const WeightView& w, Mat<Real> dx,
                             Mat<Real> dw, Sum dx_sum = Sum::add) const;

  void rms_norm(const Real* x, const Real* weight, Real eps, int64_t rows, int64_t dim, Real* y,
                Real* inv_rms = nullptr) const;
  /// @param x the norm's input; dx may be dy if it is set; dweight [dim] is added to, or null
  void rms_norm_backward(const Real* x, const Real* weight, const Real* inv_rms, const Real* dy, int64_t rows,
                         int64_t dim, Real* dx, Real* dweight, Sum dx_sum = Sum::set) const;
  void rope(Real* x, int64_t rows, int64_t row_stride, int64_t heads, int64_t head_stride, int64_t pairs,
            const Real* cos, const Real* sin, bool inverse) const;
  void quantise_fp8(Real* x, int64_t rows, int64_t stride, int64_t dim, int64_t block) const;
  void hadamard_fp4(Real* x, int64_t rows, int64_t stride, int64_t dim) const;
  void swiglu(Mat<const Real> gate, Mat<const Real> up, const Real* route, Real limit, Mat<Real> act) const;
  /// Sets act (again), d_gate, d_up and d_route [rows] (or null).
  void swiglu_backward(Mat<const Real> gate, Mat<const Real> up, const Real* route, Real limit,
                       Mat<const Real> d_act, Mat<Real> act, Mat<Real> d_gate, Mat<Real> d_up,
                       Real* d_route) const;

 private:
  /// x as a quantised weight's input is in release numerics, in the arena; else x itself.
  Mat<const Real> quantised_input(Mat<const Real> x, const WeightView& w) const;
  /// A copy of x in tiles along tokens.
  Mat<const Real> token_tiles(Mat<const Real> x) const;
  Mat<const Bf16> rounded(Mat<const Real> x) const
    requires std::is_same_v<Real, float>;
  /// Splits a product of [rows, cols] results over threads: f(first_row, rows, first_col, last_col); `work`
  /// is the multiplications of one column of results.
  template <class F>
  void products(int64_t rows, int64_t cols, int64_t work, const F& f) const;
  static int64_t grain_for(int64_t work) {
    constexpr int64_t kWorth = 1 << 15;
    return work >= kWorth ? 1 : (kWorth + work - 1) / (work > 0 ? work : 1);
  }
  const Kernels<Real>& kernels_;
  ThreadPool& pool_;
  Arena& arena_;
  const Numerics& numerics_;
  bool ue8m0_;
};

}  // namespace fathom
