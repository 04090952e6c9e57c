#pragma once
/// Repeated timing of several things in turn, so that a busy moment of the machine hits all of them.

#include <functional>
#include <vector>

#include "engine/machine_measure.h"

namespace fathom::bench {

double now_seconds();

/// Seconds of each round of one thing, ascending.
struct Rounds {
  std::vector<double> seconds;
  double best() const { return seconds.empty() ? 0 : seconds.front(); }
  double median() const { return seconds.empty() ? 0 : seconds[seconds.size() / 2]; }
};

/// Runs all of `things` in turn, round after round, until about `seconds` each are over, at least `least`
/// rounds. The first round is not counted: it warms up. `poll` is called before each; it may throw to end the
/// work.
std::vector<Rounds> interleaved(const std::vector<std::function<void()>>& things, double seconds,
                                const std::function<void()>& poll, int least = 3);

/// The larger of each: a limit measured before and after what it limits.
MachineMeasure larger(const MachineMeasure& a, const MachineMeasure& b);

}  // namespace fathom::bench
