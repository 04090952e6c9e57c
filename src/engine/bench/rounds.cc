#include "engine/bench/rounds.h"

#include <algorithm>
#include <chrono>

namespace fathom::bench {

double now_seconds() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

std::vector<Rounds> interleaved(const std::vector<std::function<void()>>& things, double seconds,
                                const std::function<void()>& poll, int least) {
  std::vector<Rounds> rounds(things.size());
  const auto run = [&](const std::function<void()>& thing) {
    if (poll) poll();
    const double start = now_seconds();
    thing();
    return now_seconds() - start;
  };
  for (const auto& thing : things) run(thing);
  const double end = now_seconds() + seconds * static_cast<double>(things.size());
  for (int round = 0; round < least || now_seconds() < end; ++round) {
    for (size_t i = 0; i < things.size(); ++i) rounds[i].seconds.push_back(run(things[i]));
  }
  for (Rounds& each : rounds) std::sort(each.seconds.begin(), each.seconds.end());
  return rounds;
}

MachineMeasure larger(const MachineMeasure& a, const MachineMeasure& b) {
  return {std::max(a.read_bandwidth, b.read_bandwidth), std::max(a.peak_f32, b.peak_f32),
          std::max(a.peak_bf16, b.peak_bf16)};
}

}  // namespace fathom::bench
