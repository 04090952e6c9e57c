// Memory: what a state takes beside the formula, and what a pass takes besides.
#include <fmt/format.h>
#include <malloc.h>

#include "base/rng.h"
#include "engine/bench/bench.h"
#include "engine/bench/environment.h"
#include "model/memory_limit.h"

namespace fathom::bench {
namespace {

double megabytes(int64_t bytes) { return static_cast<double>(bytes) / 1e6; }

Figure memory(std::string name, int64_t bytes, int64_t limit, std::string limit_name) {
  return {std::move(name), "MB", megabytes(bytes), megabytes(bytes), megabytes(limit), std::move(limit_name)};
}

}  // namespace

Report memory_bench(const Options& options) {
  const Watch watch;
  Runtime<float> runtime(options.runtime);
  Report report{.bench = "memory", .model = options.model_name, .environment = environment_of(runtime)};
  const int64_t at_start = resident_bytes();
  const auto model = options.model();
  report.figures.push_back(memory("resident after opening", resident_bytes() - at_start, 0, ""));
  report.figures.push_back(memory("of these copied at load", model->weights().copied_bytes(), 0, ""));

  constexpr int64_t kStates = 8;  // so that the allocator's own steps count for little
  const int64_t context = std::min<int64_t>(model->config().max_position_embeddings, 65536);
  claim_memory(*model, runtime, context, kStates);
  std::vector<KvState> states;
  ::malloc_trim(0);
  const int64_t before = resident_bytes();
  uint64_t row = 0;
  for (int64_t i = 0; i < kStates; ++i) {
    states.push_back(model->new_state(runtime.numerics()));
    states.back().append_rows(context, [&](RowType type, int64_t dim, std::byte* out) {
      std::memset(out, static_cast<int>(++row % 64), static_cast<size_t>(dim * row_type_bytes(type)));
    });
  }
  ::malloc_trim(0);
  const int64_t formula =
      kv_state_bytes(model->config(), runtime.numerics(), model->mtp_blocks(), context, 0).total();
  report.figures.push_back(memory(fmt::format("{} states of {} tokens", kStates, context),
                                  resident_bytes() - before, kStates * formula, "formula"));

  const Context<float> ctx = runtime.context(model->config());
  for (const int64_t rows : {1, 512}) {
    KvState kv = model->new_state(runtime.numerics());
    const std::vector<int32_t> tokens(static_cast<size_t>(rows), model->config().bos_token_id);
    const ArenaScope scope(ctx.arena());
    Batch batch;
    batch.add(kv, tokens);
    model->forward(ctx, batch);
    report.figures.push_back(
        memory(fmt::format("scratch of a pass of {} rows", rows), ctx.arena().bytes(), 0, ""));
  }
  report.environment.idle_share = watch.idle_share();
  return report;
}

}  // namespace fathom::bench
