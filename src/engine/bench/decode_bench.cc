// A whole model: decoding one sequence, several at once, and reading prompts. Limits: the bytes of the
// weights that a step meets against the read bandwidth (caches may hold a small model and so beat it), the
// multiply-adds of a prompt against the peak.
#include <fmt/format.h>

#include <algorithm>

#include "engine/bench/bench.h"
#include "engine/bench/environment.h"
#include "engine/bench/rounds.h"
#include "engine/plan_report.h"
#include "model/memory_limit.h"

namespace fathom::bench {
namespace {

constexpr int64_t kPrompt = 64, kSteps = 64;

std::vector<int32_t> some_tokens(int64_t count, int64_t vocab, uint64_t seed) {
  std::vector<int32_t> out;
  uint64_t state = seed;
  for (int64_t i = 0; i < count; ++i) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    out.push_back(static_cast<int32_t>((state >> 33) % static_cast<uint64_t>(vocab)));
  }
  return out;
}

int32_t best_of(const float* logits, int64_t vocab) {
  return static_cast<int32_t>(std::max_element(logits, logits + vocab) - logits);
}

struct Bench {
  explicit Bench(const Options& options, const char* name)
      : model(options.model()),
        runtime(options.runtime),
        report{.bench = name, .model = options.model_name, .environment = environment_of(runtime)} {
    seconds = options.seconds;
    poll = options.poll();
    cost = plan_model(options.model_path.string());  // as its weights lie in the files
    measure();
  }
  void measure() {
    MeasureOptions o;
    o.seconds = seconds / 4;
    o.poll = poll;
    report.machine = larger(report.machine, measure_machine(runtime.pool(), runtime.target(), o));
  }
  Report finish() {
    report.environment.idle_share = watch.idle_share();
    return std::move(report);
  }
  double peak() const { return std::max(report.machine.peak_bf16, report.machine.peak_f32); }

  Watch watch;
  std::shared_ptr<const Model> model;
  Runtime<float> runtime;
  Report report;
  CostModel cost;
  double seconds = 1;
  std::function<void()> poll;
};

// Greedy steps of `count` sequences in one batch.
void decode(Bench& b, int64_t count) {
  const Model& model = *b.model;
  claim_memory(model, b.runtime, kPrompt + kSteps, 2 * count);  // those after the prompts, and their forks
  const Context<float> ctx = b.runtime.context(model.config());
  std::vector<KvState> states;
  std::vector<int32_t> next;
  for (int64_t s = 0; s < count; ++s) {
    states.push_back(model.new_state(b.runtime.numerics()));
    const auto prompt = some_tokens(kPrompt, model.config().vocab_size, static_cast<uint64_t>(s) + 1);
    const ArenaScope scope(ctx.arena());
    Batch batch;
    batch.add(states.back(), prompt);
    next.push_back(best_of(model.forward(ctx, batch).logits.data, model.config().vocab_size));
  }
  const auto rounds = interleaved({[&] {
                                    std::vector<KvState> run;
                                    for (const KvState& state : states) run.push_back(state.fork());
                                    std::vector<int32_t> tokens = next;
                                    for (int64_t step = 0; step < kSteps; ++step) {
                                      const ArenaScope scope(ctx.arena());
                                      Batch batch;
                                      for (size_t s = 0; s < run.size(); ++s)
                                        batch.add(run[s], {&tokens[s], 1});
                                      const Mat<float> logits = model.forward(ctx, batch).logits;
                                      for (size_t s = 0; s < run.size(); ++s)
                                        tokens[s] = best_of(logits.row(static_cast<int64_t>(s)), logits.cols);
                                    }
                                  }},
                                  b.seconds, b.poll);
  const auto tokens = static_cast<double>(count * kSteps);
  Figure f{fmt::format("decode, batch {}", count), "tokens/s", tokens / rounds[0].best(),
           tokens / rounds[0].median()};
  if (count == 1) {
    f.limit = b.report.machine.read_bandwidth / static_cast<double>(b.cost.active_bytes);
    f.limit_name = fmt::format("{:.1f} MB of active weights from memory",
                               static_cast<double>(b.cost.active_bytes) / 1e6);
  } else {
    f.limit = b.peak() / b.cost.flops(kPrompt + kSteps / 2).plain();
    f.limit_name = "peak of multiply-adds";
  }
  b.report.figures.push_back(std::move(f));
}

}  // namespace

Report decode_bench(const Options& options) {
  Bench b(options, "decode");
  decode(b, 1);
  b.report.notes.push_back(
      fmt::format("{} greedy tokens after a prompt of {}, sampling left out", kSteps, kPrompt));
  return b.finish();
}

Report batch_bench(const Options& options) {
  Bench b(options, "batch");
  for (const int64_t count : {1, 4, 16}) decode(b, count);
  b.report.notes.push_back(
      fmt::format("tokens of all sequences per second; {} steps after prompts of {}", kSteps, kPrompt));
  return b.finish();
}

Report prefill_bench(const Options& options) {
  Bench b(options, "prefill");
  const Model& model = *b.model;
  const Context<float> ctx = b.runtime.context(model.config());
  constexpr int64_t kLengths[] = {512, 2048};
  claim_memory(model, b.runtime, 2048);
  std::vector<std::function<void()>> things;
  for (const int64_t length : kLengths) {
    things.emplace_back([&model, &ctx, &b, tokens = some_tokens(length, model.config().vocab_size, 7)] {
      KvState kv = model.new_state(b.runtime.numerics());
      for (size_t begin = 0; begin < tokens.size(); begin += 512) {
        const ArenaScope scope(ctx.arena());
        Batch batch;
        batch.add(kv, std::span(tokens).subspan(begin, std::min<size_t>(512, tokens.size() - begin)));
        model.forward(ctx, batch);
      }
    });
  }
  const auto rounds = interleaved(things, b.seconds, b.poll);
  b.measure();
  for (size_t i = 0; i < things.size(); ++i) {
    const auto tokens = static_cast<double>(kLengths[i]);
    Figure f{fmt::format("prefill {}", kLengths[i]), "tokens/s", tokens / rounds[i].best(),
             tokens / rounds[i].median()};
    f.limit = b.peak() / b.cost.flops(kLengths[i] / 2).plain();
    f.limit_name = "peak of multiply-adds";
    b.report.figures.push_back(std::move(f));
  }
  b.report.notes.emplace_back("chunks of 512; logits of each chunk's last row");
  return b.finish();
}

}  // namespace fathom::bench
