// From nothing to an answer: opening a model, its tokenizer, and the first token. Weights are mapped and not
// read when a model opens, so the limit of the first pass is its active weights from memory.
#include <fmt/format.h>

#include "engine/bench/bench.h"
#include "engine/bench/environment.h"
#include "engine/bench/rounds.h"
#include "engine/plan_report.h"
#include "model/memory_limit.h"

namespace fathom::bench {

Report load_bench(const Options& options) {
  const Watch watch;
  Runtime<float> runtime(options.runtime);
  Report report{.bench = "load", .model = options.model_name, .environment = environment_of(runtime)};
  MeasureOptions measure;
  measure.seconds = options.seconds / 4;
  measure.poll = options.poll();
  report.machine = measure_machine(runtime.pool(), runtime.target(), measure);

  const auto first_token = [&] {
    const auto model = options.model();
    const Context<float> ctx = runtime.context(model->config());
    claim_memory(*model, runtime, 1);
    const ArenaScope scope(ctx.arena());
    KvState state = model->new_state(runtime.numerics());
    const std::vector<int32_t> tokens = {model->config().bos_token_id};
    Batch batch;
    batch.add(state, tokens);
    model->forward(ctx, batch);
  };
  const auto rounds = interleaved({[&] { options.model(); }, [&] { options.tokenizer(); }, first_token},
                                  options.seconds / 2, options.poll());
  const CostModel cost = plan_model(options.model_path.string());
  const double read = static_cast<double>(cost.active_bytes) / report.machine.read_bandwidth * 1e3;
  report.figures.push_back({"model", "ms", rounds[0].best() * 1e3, rounds[0].median() * 1e3});
  report.figures.push_back({"tokenizer", "ms", rounds[1].best() * 1e3, rounds[1].median() * 1e3});
  report.figures.push_back(
      {"model and first token", "ms", rounds[2].best() * 1e3, rounds[2].median() * 1e3, read,
       fmt::format("{:.1f} MB of active weights from memory", static_cast<double>(cost.active_bytes) / 1e6)});
  report.notes.emplace_back("the files were in the system's cache");
  report.environment.idle_share = watch.idle_share();
  return report;
}

}  // namespace fathom::bench
