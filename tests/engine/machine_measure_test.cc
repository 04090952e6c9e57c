// Speeds differ from machine to machine, so only what holds on all of them is checked: that the work is done
// and counted, for every kind and target.
#include "engine/machine_measure.h"

#include <doctest/doctest.h>

#include "kernels/machine_peak.h"

namespace fathom {

TEST_CASE("every target does its multiply-adds") {
  for (const Target target : available_targets()) {
    CAPTURE(name(target));
    for (const PeakKind kind : {PeakKind::f32, PeakKind::bf16}) {
      if (!has_peak(target, kind)) continue;
      float none = -1, some = -1, more = -1;
      CHECK(run_peak(target, kind, 0, none) == 0);
      const double flops = run_peak(target, kind, 1000, some);
      CHECK(flops >= 2 * 4 * 1000);
      CHECK(run_peak(target, kind, 2000, more) == 2 * flops);
      CHECK(none == 0);
      CHECK(some > 0);  // each round adds to every accumulator
      CHECK(more > some);
    }
  }
}

TEST_CASE("a short measurement gives a rate for everything the target has") {
  ThreadPool pool(ThreadPoolOptions{2, false});
  const Target target = available_targets().back();
  const MachineMeasure measure = measure_machine(pool, target, {.bytes = 1 << 20, .seconds = 0});
  CHECK(measure.read_bandwidth > 0);
  CHECK(measure.peak_f32 > 0);
  CHECK((measure.peak_bf16 > 0) == has_peak(target, PeakKind::bf16));
}

}  // namespace fathom
