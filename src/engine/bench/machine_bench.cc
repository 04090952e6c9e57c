// What the machine can do at most, as measured: the limits of all other figures.
#include <algorithm>

#include "engine/bench/bench.h"
#include "engine/bench/environment.h"
#include "engine/bench/rounds.h"

namespace fathom::bench {

Report machine_bench(const Options& options) {
  const Watch watch;
  Runtime<float> runtime(options.runtime);
  Report report{.bench = "machine", .model = {}, .environment = environment_of(runtime)};
  std::vector<MachineMeasure> runs;
  MeasureOptions measure;
  measure.seconds = options.seconds / 4;
  measure.poll = options.poll();
  for (int i = 0; i < 3; ++i) {
    runs.push_back(measure_machine(runtime.pool(), runtime.target(), measure));
    report.machine = larger(report.machine, runs.back());
  }
  const auto add = [&](const char* name, const char* unit, double scale, double MachineMeasure::* field) {
    std::vector<double> values;
    for (const MachineMeasure& run : runs) values.push_back(run.*field / scale);
    std::sort(values.begin(), values.end());
    if (values.back() > 0) report.figures.push_back({name, unit, values.back(), values[values.size() / 2]});
  };
  add("read bandwidth", "GB/s", 1e9, &MachineMeasure::read_bandwidth);
  add("fp32 multiply-adds", "GFLOP/s", 1e9, &MachineMeasure::peak_f32);
  add("bf16 dot products", "GFLOP/s", 1e9, &MachineMeasure::peak_bf16);
  report.environment.idle_share = watch.idle_share();
  return report;
}

}  // namespace fathom::bench
