// Shares of limits, and the parts of a decode step that are timed apart.
#include <doctest/doctest.h>

#include "base/error.h"
#include "base/thread_pool.h"
#include "engine/bench/report.h"
#include "engine/bench/rounds.h"
#include "engine/machine_measure.h"
#include "model/model.h"
#include "model/runtime.h"

namespace fathom {
namespace {

const std::filesystem::path kRoot = FATHOM_SOURCE_DIR;

TEST_CASE("a share is of the limit: rates over it, times under it") {
  CHECK(bench::Figure{"a", "GB/s", 8, 7, 10}.share() == doctest::Approx(0.8));
  CHECK(bench::Figure{"a", "ms", 10, 12, 8}.share() == doctest::Approx(0.8));
  CHECK(bench::Figure{"a", "ms", 10, 12}.share() == 0);
}

TEST_CASE("curves are drawn with their ends, and text is escaped") {
  bench::Report report{.bench = "x<y", .model = {}};
  report.figures.push_back({"16K: step", "ms", 5, 5, 4, "sum", 0, "step", 16384});
  report.figures.push_back({"64K: step", "ms", 6, 6, 4, "sum", 0, "step", 65536});
  const std::string svg = bench::to_svg({report});
  CHECK(svg.find("x&lt;y") != std::string::npos);
  CHECK(svg.find(">16K<") != std::string::npos);
  CHECK(svg.find(">64K<") != std::string::npos);
  CHECK(svg.find(">step<") != std::string::npos);
}

TEST_CASE("rounds take turns and the first is not counted") {
  std::string order;
  const auto rounds = bench::interleaved({[&] { order += 'a'; }, [&] { order += 'b'; }}, 0, {}, 3);
  CHECK(order.starts_with("abababab"));
  CHECK(rounds.size() == 2);
  CHECK(rounds[0].seconds.size() == order.size() / 2 - 1);
  CHECK(rounds[0].best() <= rounds[0].median());
}

TEST_CASE("a poll that throws ends rounds and measurements") {
  int polls = 0, runs = 0;
  const auto third = [&] {
    if (++polls == 3) throw Error(ErrorCode::internal, "enough");
  };
  CHECK_THROWS_AS(bench::interleaved({[&] { ++runs; }}, 60, third), Error);
  CHECK(runs == 2);
  polls = 0;
  ThreadPool pool(1);
  CHECK_THROWS_AS(measure_machine(pool, Target::plain, {.bytes = 1 << 20, .seconds = 60, .poll = third}),
                  Error);
}

TEST_CASE("the parts of a decode step are timed, those of prefill are not") {
  const auto model = Model::open(kRoot / "models/v4-10m");
  RuntimeOptions options;
  options.pool.threads = 2;
  Runtime<float> runtime(options);
  Context<float> ctx = runtime.context(model->config());
  KvState kv = model->new_state(runtime.numerics());
  StepTimes times;
  const auto step = [&](int64_t rows) {
    const std::vector<int32_t> tokens(static_cast<size_t>(rows), 5);
    const ArenaScope scope(ctx.arena());
    Batch batch;
    batch.add(kv, tokens);
    model->forward(ctx, batch);
  };
  step(400);  // more entries than the indexer chooses
  ctx.times = &times;
  step(400);
  CHECK(times.core == 0);
  step(1);
  CHECK(times.indexer > 0);
  CHECK(times.core > times.indexer);
}

}  // namespace
}  // namespace fathom
