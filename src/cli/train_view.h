#pragma once
/// A training run on a terminal: a few lines that are redrawn; off a terminal a line now and then.

#include <chrono>
#include <string>

#include "train/trainer.h"

namespace fathom::cli {

class TrainView {
 public:
  /// flops_per_token: of forward and backward; peak: FLOP per second of this machine, 0 if not measured.
  TrainView(bool terminal, double flops_per_token, double peak)
      : terminal_(terminal), flops_per_token_(flops_per_token), peak_(peak), start_(Clock::now()) {}

  void step(const StepRecord& record);
  void message(const std::string& text);
  /// Leaves the last picture standing.
  void finish();

  /// The lines of a step, as the terminal shows them.
  std::string picture(const StepRecord& record) const;

 private:
  using Clock = std::chrono::steady_clock;
  void erase();
  std::string practice_text() const;

  bool terminal_;
  double flops_per_token_, peak_;
  Clock::time_point start_, shown_{};
  double loss_ = 0, seconds_per_step_ = 0, tokens_per_second_ = 0;  // running means
  PracticeFigures practice_;  // of the last round; no answers outside post-training
  int64_t steps_seen_ = 0;
  int lines_ = 0;  // of the picture that stands
};

/// Eight heights of a bar for each value of [0, top].
std::string bars(const std::vector<double>& values, double top);

}  // namespace fathom::cli
