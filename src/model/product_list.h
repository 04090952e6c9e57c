#pragma once
/// Products of linear's forward and backward passes that do not wait for each other, as one parallel loop: a
/// training pass has hundreds of small ones, and a loop for each would wait more than it works.

#include <cstdint>
#include <vector>

#include "model/context.h"

namespace fathom {

/// Each product has the arithmetic and the bits of Context::linear() and linear_backward(), whatever the
/// company. An input is quantised and rounded once however many products read it, and stays so for later
/// run()s of the same list: it must not change while the list lives. What the list allocates lies in the
/// arena of ctx and belongs to the caller's scope.
template <class Real>
class ProductList {
 public:
  explicit ProductList(const Context<Real>& ctx) : ctx_(ctx) {}

  /// y = x w^T
  void forward(Mat<const Real> x, const WeightView& w, Mat<Real> y);
  /// dx (=, +=) dy w
  void dx(Mat<const Real> dy, const WeightView& w, Mat<Real> dx, Sum sum);
  /// Adds dy w to the result of the last dx().
  void also_dx(Mat<const Real> dy, const WeightView& w);
  /// dw += dy^T x for the gradient of w; nothing if dw is empty (a frozen part).
  void dw(Mat<const Real> dy, Mat<const Real> x, const WeightView& w, Mat<Real> dw);
  /// Runs what was asked for since the last run().
  void run();

 private:
  enum class Kind : uint8_t { forward, dx, also_dx, dw };
  struct Job {
    Kind kind;
    size_t a, b;  // inputs: x; dy; dy and x
    WeightView w;
    Mat<Real> out;
    bool add;
    int64_t work;  // multiplications
  };
  struct Input {
    Mat<const Real> x;
    bool quantise, along_tokens, round;  // quantised in tiles along columns, then along tokens
    bool ready = false;
    Mat<const Real> values;  // x, or its quantised copy
    Mat<const Bf16> bf16;
  };
  struct Piece {
    size_t job;
    int64_t first, last;  // rows of forward and dx, outputs of dw
    int64_t work;
  };
  enum class Use : uint8_t { sum_columns, sum_rows, sum_rows_of_gradient };
  size_t input(Mat<const Real> x, const WeightView& w, Use use);
  void prepare_inputs();
  void run_job(const Job& job, int64_t first, int64_t last) const;

  const Context<Real>& ctx_;
  std::vector<Input> inputs_;
  std::vector<Job> jobs_;
};

}  // namespace fathom
