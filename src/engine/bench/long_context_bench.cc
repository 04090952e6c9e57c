// Decoding far into a long context: four layers (SWA, SWA, CSA, HCA) of V4-Flash's widths with 16 experts in
// BF16. The state is filled with random rows up to 1,048,576 tokens; at each length steps are run in turn,
// and the indexer, the attention core and the rest are printed apart, each beside its limit; so is the growth
// of resident memory beside the formula. Part of the context is read for real, for the rate.
#include <fmt/format.h>
#include <malloc.h>
#include <unistd.h>

#include <algorithm>

#include "base/error.h"
#include "base/rng.h"
#include "engine/bench/bench.h"
#include "engine/bench/environment.h"
#include "engine/bench/rounds.h"
#include "engine/cost.h"
#include "model/memory_limit.h"
#include "model/synthetic.h"

namespace fathom::bench {
namespace {

constexpr int64_t kContexts[] = {int64_t{1} << 14, int64_t{1} << 16, int64_t{1} << 18, int64_t{1} << 20};

ModelConfig four_layers() {
  ModelConfig c = ModelConfig::preset("v4-flash-base");
  c.num_hidden_layers = 4;
  c.layers = {{LayerKind::swa, 0, false},
              {LayerKind::swa, 0, false},
              {LayerKind::csa, 4, false},
              {LayerKind::hca, 128, false}};
  c.num_hash_layers = 0;
  c.n_routed_experts = 16;
  c.num_nextn_predict_layers = 0;
  c.max_position_embeddings = kContexts[3] + 4096;
  return config_for(c, WeightFormat::bf16);
}

// Random values with mean 0 and deviation about .6, copied from a block that is made once.
class RandomRows {
 public:
  RandomRows() : values_(kValues), bf16_(kValues) {
    for (int64_t i = 0; i < kValues; ++i) {
      const float v =
          static_cast<float>(static_cast<int32_t>(philox(5, static_cast<uint64_t>(i))[0])) * 0x1p-31f;
      values_[static_cast<size_t>(i)] = v;
      bf16_[static_cast<size_t>(i)] = to_bf16(v);
    }
  }
  void operator()(RowType type, int64_t dim, std::byte* out) {
    // A step that shares no factor with the block's size: rows differ from each other.
    at_ = (at_ + 4099) % (kValues - dim);
    if (type == RowType::bf16) {
      std::memcpy(out, bf16_.data() + at_, static_cast<size_t>(dim) * 2);
    } else if (type == RowType::f32) {
      std::memcpy(out, values_.data() + at_, static_cast<size_t>(dim) * 4);
    } else {
      for (int64_t i = 0; i < dim; ++i) {
        const double v = static_cast<double>(values_[static_cast<size_t>(at_ + i)]);
        std::memcpy(out + 8 * i, &v, 8);
      }
    }
  }

 private:
  static constexpr int64_t kValues = 1'000'003;
  std::vector<float> values_;
  std::vector<Bf16> bf16_;
  int64_t at_ = 0;
};

// The folder of the checkpoint, removed at the end if it was made for this run alone.
class CheckpointFolder {
 public:
  CheckpointFolder(const Options& options, const ModelConfig& config, ThreadPool& pool)
      : kept_(!options.folder.empty()) {
    path_ = kept_
                ? options.folder
                : std::filesystem::temp_directory_path() / fmt::format("fathom-long-context-{}", ::getpid());
    if (std::filesystem::exists(path_ / "config.json")) return;
    std::filesystem::create_directories(path_);
    try {
      SyntheticOptions synthetic;
      int64_t told = -1;
      if (options.progress) {
        synthetic.progress = [&](int64_t done, int64_t total) {
          if (std::exchange(told, done * 10 / total) == done * 10 / total) return options.progress("");
          options.progress(fmt::format("writing a random checkpoint to {}: {:.1f} of {:.1f} GB",
                                       path_.string(), static_cast<double>(done) / 1e9,
                                       static_cast<double>(total) / 1e9));
        };
      }
      write_synthetic(path_, config, pool, synthetic);
    } catch (...) {
      remove();
      throw;
    }
  }
  ~CheckpointFolder() { remove(); }
  CheckpointFolder(const CheckpointFolder&) = delete;
  CheckpointFolder& operator=(const CheckpointFolder&) = delete;
  const std::filesystem::path& path() const { return path_; }

 private:
  void remove() {
    std::error_code ignored;
    if (!kept_) std::filesystem::remove_all(path_, ignored);
  }
  bool kept_;
  std::filesystem::path path_;
};

struct Step {
  double indexer = 0, attention = 0, rest = 0;
  double total() const { return indexer + attention + rest; }
};

// A state at one length, and its steps.
struct Point {
  int64_t context = 0;
  KvState state;
  int64_t formula = 0, snapshots = 0, grown = 0;  // bytes
  std::vector<Step> steps;
};

class LongContext {
 public:
  LongContext(const Options& options, Report& report, Runtime<float>& runtime, const Model& model)
      : options_(options), report_(report), runtime_(runtime), model_(model) {}

  void run() {
    machine();
    prefill();
    std::vector<Point> points = fill();
    steps(points);
    machine();
    const CostModel cost = cost_of(model_.config(), "four layers", WeightFormat::bf16);
    for (const Point& p : points) add_figures(p, cost);
    if (points.size() > 1) {
      // Steps took turns, so medians compare; the fastest of a few may be luck.
      report_.notes.push_back(
          fmt::format("a step at {} tokens takes {:.2f} times that at {} (medians)", points.back().context,
                      median_total(points.back()) / median_total(points.front()), points.front().context));
    }
  }

 private:
  void progress(const std::string& what) const {
    if (options_.progress) options_.progress(what);
  }
  void machine() {
    MeasureOptions o;
    o.seconds = options_.seconds / 4;
    o.poll = options_.poll();
    report_.machine = larger(report_.machine, measure_machine(runtime_.pool(), runtime_.target(), o));
  }
  double peak(bool bf16) const {
    return bf16 && report_.machine.peak_bf16 > 0 ? report_.machine.peak_bf16 : report_.machine.peak_f32;
  }

  void forward(KvState& state, std::span<const int32_t> tokens, StepTimes* times) {
    Context<float> ctx = runtime_.context(model_.config());
    ctx.times = times;
    const ArenaScope scope(ctx.arena());
    Batch batch;
    batch.add(state, tokens);
    model_.forward(ctx, batch);
  }

  // Reads made-up tokens for real, for the rate.
  void prefill() {
    constexpr int64_t kChunk = 512, kUsual = 32768;
    constexpr double kMostSeconds = 180;  // unless a number of tokens was asked for
    const bool asked = options_.prefill_tokens > 0;
    const int64_t wanted = std::min(asked ? options_.prefill_tokens : kUsual, options_.max_context);
    std::vector<int32_t> tokens(static_cast<size_t>(kChunk));
    claim_memory(model_, runtime_, wanted);
    KvState state = model_.new_state(runtime_.numerics());
    const double start = now_seconds();
    double first = start;  // after the first chunk, which also fetches the weights
    while (state.position() < wanted && (asked || now_seconds() - start < kMostSeconds)) {
      const int64_t done = state.position(), count = std::min(kChunk, wanted - done);
      for (int64_t i = 0; i < count; ++i) {
        tokens[static_cast<size_t>(i)] =
            static_cast<int32_t>(philox(9, static_cast<uint64_t>(done + i))[0] % 100'000);
      }
      progress(fmt::format("reading {} of {} tokens", done, wanted));
      forward(state, std::span(tokens).first(static_cast<size_t>(count)), nullptr);
      if (done == 0) first = now_seconds();
    }
    const double end = now_seconds();
    const int64_t read = state.position();
    if (read <= kChunk) return;
    const double rate = static_cast<double>(read - kChunk) / (end - first);
    const CostModel cost = cost_of(model_.config(), "four layers", WeightFormat::bf16);
    // The head is met once per chunk, not once per token.
    const double per_token =
        cost.flops(read / 2).plain() -
        2.0 * static_cast<double>(model_.config().vocab_size * model_.config().hidden_size);
    report_.figures.push_back({fmt::format("prefill of {} tokens", read), "tokens/s", rate, rate,
                               peak(true) / per_token, "peak of multiply-adds"});
    report_.notes.push_back(
        fmt::format("{} tokens were read in {:.0f} s in chunks of {}; the rate leaves out the first chunk",
                    read, end - start, kChunk));
  }

  std::vector<Point> fill() {
    std::vector<Point> points;
    RandomRows rows;
    ::malloc_trim(0);
    int64_t before = resident_bytes();
    int64_t longest = 0;
    for (const int64_t context : kContexts) {
      if (context <= options_.max_context) longest = context;
    }
    claim_memory(model_, runtime_, longest);  // shorter ones share its pages
    KvState state = model_.new_state(runtime_.numerics());
    int64_t grown = 0;
    for (const int64_t context : kContexts) {
      if (context > options_.max_context) break;
      progress(fmt::format("filling the state to {} tokens", context));
      state.append_rows(context - state.position(), std::ref(rows));
      ::malloc_trim(0);
      grown += resident_bytes() - before;
      const KvBytes bytes = kv_state_bytes(model_.config(), runtime_.numerics(), 0, context, 0);
      FATHOM_CHECK(bytes == state.bytes());
      points.push_back({context, state.fork(), bytes.total(), bytes.snapshots, grown, {}});
      before = resident_bytes();  // what the fork took is not this state's
    }
    return points;
  }

  void steps(std::vector<Point>& points) {
    const double end = now_seconds() + options_.seconds * 4 * static_cast<double>(points.size());
    for (int round = 0; round < 6 || now_seconds() < end; ++round) {
      for (Point& p : points) {
        progress(fmt::format("round {} at {} tokens", round, p.context));
        const int32_t token = 1000 + round;
        StepTimes times;
        const double start = now_seconds();
        forward(p.state, {&token, 1}, &times);
        const double total = now_seconds() - start;
        if (round > 0) p.steps.push_back({times.indexer, times.core - times.indexer, total - times.core});
      }
    }
  }

  static double median_total(const Point& p) {
    std::vector<double> totals;
    for (const Step& s : p.steps) totals.push_back(s.total());
    std::sort(totals.begin(), totals.end());
    return totals[totals.size() / 2];
  }

  void add_figures(const Point& p, const CostModel& cost) {
    const ModelConfig& c = model_.config();
    const MachineMeasure& m = report_.machine;
    const auto row = static_cast<double>(c.head_dim * row_type_bytes(runtime_.numerics().kv_type));
    double scored = 0, attended = 0;  // keys, rows
    for (const LayerConfig& layer : c.layers) {
      attended += static_cast<double>(std::min(p.context, c.sliding_window));
      if (layer.kind == LayerKind::swa) continue;
      const int64_t entries = p.context / layer.ratio;
      if (layer.kind == LayerKind::csa && entries > c.index_topk) scored += static_cast<double>(entries);
      attended +=
          static_cast<double>(layer.kind == LayerKind::csa ? std::min(entries, c.index_topk) : entries);
    }
    const double key = static_cast<double>(c.index_head_dim * row_type_bytes(runtime_.numerics().kv_type));
    const double index_flop = 2 * scored * static_cast<double>(c.index_n_heads * c.index_head_dim);
    const double core_flop = 4 * attended * static_cast<double>(c.num_attention_heads * c.head_dim);
    const double index_limit = std::max(scored * key / m.read_bandwidth, index_flop / m.peak_f32);
    const double core_limit = std::max(attended * row / m.read_bandwidth, core_flop / m.peak_f32);
    const double rest_limit = static_cast<double>(cost.active_bytes) / m.read_bandwidth;

    const auto add = [&](const char* what, double Step::* part, double limit, const char* limit_name) {
      std::vector<double> values;
      for (const Step& s : p.steps) values.push_back(s.*part * 1e3);
      std::sort(values.begin(), values.end());
      report_.figures.push_back({fmt::format("{}K: {}", p.context >> 10, what), "ms", values.front(),
                                 values[values.size() / 2], limit * 1e3, limit_name, 0, what,
                                 static_cast<double>(p.context)});
    };
    add("indexer", &Step::indexer, index_limit, "fp32 peak or keys from memory");
    add("attention", &Step::attention, core_limit, "fp32 peak or rows from memory");
    add("rest", &Step::rest, rest_limit, "weights from memory");
    std::vector<double> totals;
    for (const Step& s : p.steps) totals.push_back(s.total() * 1e3);
    std::sort(totals.begin(), totals.end());
    report_.figures.push_back({fmt::format("{}K: step", p.context >> 10), "ms", totals.front(),
                               totals[totals.size() / 2], (index_limit + core_limit + rest_limit) * 1e3,
                               "sum of these", 0, "step", static_cast<double>(p.context)});
    // Rows, entries, keys and unfinished windows; the copies that let a state be cut far back stand apart.
    const auto memory = [&](const char* what, int64_t bytes, int64_t limit, const char* limit_name) {
      const double megabytes = static_cast<double>(bytes) / 1e6;
      report_.figures.push_back({fmt::format("{}K: {}", p.context >> 10, what), "MB", megabytes, megabytes,
                                 static_cast<double>(limit) / 1e6, limit_name, 0, "", 0});
    };
    memory("memory growth without snapshots", p.grown - p.snapshots, p.formula - p.snapshots,
           "rows + entries + keys + unfinished windows");
    memory("snapshots", p.snapshots, 0, "");
  }

  const Options& options_;
  Report& report_;
  Runtime<float>& runtime_;
  const Model& model_;
};

}  // namespace

Report long_context_bench(const Options& options) {
  const Watch watch;
  RuntimeOptions runtime_options = options.runtime;
  runtime_options.numerics = Numerics::fast();
  Runtime<float> runtime(runtime_options);
  Report report{.bench = "long-context",
                .model = "4 layers (SWA, SWA, CSA, HCA) of V4-Flash widths, 16 experts, BF16",
                .environment = environment_of(runtime)};
  const CheckpointFolder folder(options, four_layers(), runtime.pool());
  const auto model = Model::open(folder.path());
  LongContext(options, report, runtime, *model).run();
  report.environment.idle_share = watch.idle_share();
  return report;
}

}  // namespace fathom::bench
