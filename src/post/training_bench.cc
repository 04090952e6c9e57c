#include "post/training_bench.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"
#include "base/rng.h"
#include "engine/bench/environment.h"
#include "engine/bench/rounds.h"
#include "train/model_learner.h"
#include "train/recipe_file.h"
#include "train/session.h"

namespace fathom {
namespace {

constexpr int kLeastRounds = 3;

RecipeStage stage_of(const Recipe& recipe) {
  const auto sparse = std::find_if(recipe.stages.rbegin(), recipe.stages.rend(), [](const RecipeStage& s) {
    return s.attention == AttentionStage::sparse && s.precision == Precision::bf16;
  });
  if (sparse == recipe.stages.rend()) bad_input("recipe: expected a sparse stage in bf16, found none");
  return *sparse;
}

// Whole rows of made-up tokens, every one learned.
Row made_up(int64_t rows, int64_t length, int64_t vocabulary) {
  Row out;
  for (int64_t r = 0; r < rows; ++r) {
    RowDocument document;
    for (int64_t t = 0; t <= length; ++t) {
      const double u = philox_uniform(static_cast<uint64_t>(r), static_cast<uint64_t>(t));
      const auto id = static_cast<int32_t>(u * static_cast<double>(vocabulary));
      if (t < length) document.tokens.push_back(id);
      if (t > 0) document.labels.push_back(id);
    }
    out.push_back(std::move(document));
  }
  return out;
}

// Seconds of the parts of one step.
struct StepParts {
  double all = 0, refresh = 0, passes = 0, norm = 0, optimizer = 0;
  StepTimes times;
};

class Bench {
 public:
  explicit Bench(const TrainingBenchOptions& options)
      : recipe_(recipe_without_data(options.recipe)),
        stage_(stage_of(recipe_)),
        runtime_(options.common.runtime),
        table_(recipe_table(recipe_, recipe_model(recipe_))),
        masters_(initial_weights(table_, recipe_.initial)),
        learner_(table_, masters_, stage_.precision, runtime_.pool(), kernels_for(runtime_.target())),
        optimizer_(table_, recipe_.optimizer),
        gradients_(static_cast<size_t>(table_.size())) {
    const int64_t batch = options.batch > 0 ? options.batch : stage_.batch;
    rows_ = std::max<int64_t>(1, batch / stage_.row);
    documents_ = made_up(rows_, stage_.row, table_.config().vocab_size);
    pass_.attention = stage_.attention;
    pass_.indexer_weight = stage_.indexer_weight;
    pass_.mtp_weight = table_.mtp_blocks() > 0 ? stage_.mtp_weight : 0;
    pass_.balance_weight = stage_.balance_weight;
    pass_.micro_rows = recipe_.micro_rows;
    pass_.keep_layers = recipe_.keep_layers;
  }

  StepParts step() {
    StepParts parts;
    const double start = bench::now_seconds();
    learner_.refresh();
    std::fill(gradients_.begin(), gradients_.end(), 0.0f);
    const double refreshed = bench::now_seconds();
    learner_.time_parts(&parts.times);
    const PassFigures figures = learner_.learn(documents_, pass_, gradients_.data());
    learner_.time_parts(nullptr);
    hold_equal_streams(table_, gradients_.data());
    const double passed = bench::now_seconds();
    const GradientReport report =
        optimizer_.measure(runtime_.pool(), gradients_.data(), [](const TrainedParam&) { return true; });
    const double measured = bench::now_seconds();
    if (!report.finite) fail(ErrorCode::internal, "bench training: a gradient is no number");
    loss_ = figures.loss;
    const double rate = stage_.rate, vectors = stage_.vector_rate > 0 ? stage_.vector_rate : rate;
    optimizer_.step(runtime_.pool(), kernels_for(runtime_.target()), gradients_.data(), {rate, rate, vectors},
                    masters_.values.data());
    const double end = bench::now_seconds();
    parts.all = end - start;
    parts.refresh = refreshed - start;
    parts.passes = passed - refreshed;
    parts.norm = measured - passed;
    parts.optimizer = end - measured;
    return parts;
  }

  int64_t tokens() const { return rows_ * stage_.row; }
  int64_t rows() const { return rows_; }
  const RecipeStage& stage() const { return stage_; }
  Runtime<float>& runtime() { return runtime_; }
  const std::string& name() const { return recipe_.name; }
  double loss() const { return loss_; }

 private:
  Recipe recipe_;
  RecipeStage stage_;
  Runtime<float> runtime_;
  ParamTable table_;
  MasterWeights masters_;
  ModelLearner learner_;
  Optimizer optimizer_;
  std::vector<float> gradients_;
  Row documents_;
  PassOptions pass_;
  int64_t rows_ = 0;
  double loss_ = 0;
};

}  // namespace

bench::Report training_bench(const TrainingBenchOptions& options) {
  const bench::Watch watch;
  Bench b(options);
  bench::Report report{
      .bench = "training", .model = b.name(), .environment = bench::environment_of(b.runtime())};
  report.environment.numerics = "bf16";
  MeasureOptions measure;
  measure.seconds = options.common.seconds / 4;
  measure.poll = options.common.poll();
  const auto limits = [&] {
    report.machine =
        bench::larger(report.machine, measure_machine(b.runtime().pool(), b.runtime().target(), measure));
  };
  limits();
  const double first = (b.step(), b.loss());  // warms up
  std::vector<StepParts> steps;
  const double end = bench::now_seconds() + options.common.seconds;
  while (std::ssize(steps) < kLeastRounds || bench::now_seconds() < end) {
    if (options.common.progress) options.common.progress("");
    steps.push_back(b.step());
  }
  limits();
  std::ranges::sort(steps, {}, &StepParts::all);
  const StepParts &best = steps.front(), &median = steps[steps.size() / 2];
  const auto tokens = static_cast<double>(b.tokens());
  report.figures.push_back({"a step", "tokens/s", tokens / best.all, tokens / median.all});
  const double peak = std::max(report.machine.peak_bf16, report.machine.peak_f32);
  bench::Figure products{"bf16 products", "GFLOP/s", best.times.product_flops / best.times.products * 1e-9,
                         median.times.product_flops / median.times.products * 1e-9};
  products.limit = peak * 1e-9;
  products.limit_name = "bf16 peak";
  products.goal = 0.6;
  report.figures.push_back(std::move(products));
  bench::Figure exact{"fp32 products (mHC, router)", "GFLOP/s",
                      best.times.exact_flops / best.times.exact * 1e-9,
                      median.times.exact_flops / median.times.exact * 1e-9};
  exact.limit = report.machine.peak_f32 * 1e-9;
  exact.limit_name = "fp32 peak";
  report.figures.push_back(std::move(exact));
  // Of the best step: the parts of one step add up to it.
  const auto share = [&](const std::string& name, double StepParts::* part) {
    report.figures.push_back({name, "ms", best.*part * 1e3, median.*part * 1e3});
  };
  const auto within = [&](const std::string& name, double StepTimes::* part) {
    report.figures.push_back({name, "ms", best.times.*part * 1e3, median.times.*part * 1e3});
  };
  within("attention with indexer", &StepTimes::attention);
  within("experts and router", &StepTimes::experts);
  within("head and cross-entropy", &StepTimes::head);
  const double rest = best.passes - best.times.attention - best.times.experts - best.times.head;
  const double usual = median.passes - median.times.attention - median.times.experts - median.times.head;
  report.figures.push_back({"hyper-connections, norms, embedding", "ms", rest * 1e3, usual * 1e3});
  share("bf16 copies of the weights", &StepParts::refresh);
  share("gradient norm", &StepParts::norm);
  share("Muon and AdamW", &StepParts::optimizer);
  within("bf16 products, in all of these", &StepTimes::products);
  within("fp32 products, in all of these", &StepTimes::exact);
  report.notes.push_back(
      fmt::format("{} rows of {} made-up tokens a step, {}; the optimizer's part is {:.1f}% of the "
                  "step (aim: at most 20%), products take {:.0f}% of it; loss {:.3f}, then {:.3f}",
                  b.rows(), b.stage().row, name(b.stage().precision), 100 * best.optimizer / best.all,
                  100 * best.times.products / best.all, first, b.loss()));
  report.environment.idle_share = watch.idle_share();
  return report;
}

}  // namespace fathom
