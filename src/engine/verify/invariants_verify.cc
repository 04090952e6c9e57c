// A model without vectors, held to what must be true of any: the same bits however the work is cut, in any
// number of threads, after a restore; and that what lies beyond windows and top-k still reaches a query.
#include <algorithm>
#include <bit>
#include <cmath>

#include "base/error.h"
#include "engine/verify/checks.h"
#include "engine/verify/runner.h"

namespace fathom::verify {
namespace {

constexpr int64_t kTokens = 150;         // more than a page of the published geometry
constexpr int64_t kNeedleTokens = 2048;  // longest sequence that the needle check runs

// Ids below vocab, the same for every run.
std::vector<int32_t> some_tokens(int64_t count, int64_t vocab) {
  std::vector<int32_t> out;
  uint64_t state = 1;
  for (int64_t i = 0; i < count; ++i) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    out.push_back(static_cast<int32_t>((state >> 33) % static_cast<uint64_t>(vocab)));
  }
  return out;
}

int64_t bits_differing(std::span<const float> a, std::span<const float> b) {
  if (a.size() != b.size()) return static_cast<int64_t>(std::max(a.size(), b.size()));
  int64_t count = 0;
  for (size_t i = 0; i < a.size(); ++i)
    count += std::bit_cast<uint32_t>(a[i]) != std::bit_cast<uint32_t>(b[i]);
  return count;
}

std::vector<float> run(Runtime<float>& runtime, const Model& model, KvState& kv,
                       std::span<const int32_t> tokens) {
  const Context<float> ctx = runtime.context(model.config());
  const ArenaScope scope(ctx.arena());
  Batch batch;
  batch.add(kv, tokens, LogitRows::all);
  const Mat<float> logits = model.forward(ctx, batch).logits;
  return {logits.data, logits.data + logits.rows * logits.cols};
}

class Invariants {
 public:
  Invariants(Checks& checks, std::shared_ptr<const Model> model)
      : checks_(checks),
        model_(std::move(model)),
        tokens_(some_tokens(kTokens, model_->config().vocab_size)) {}

  void run_all() {
    for (const Numerics& numerics : {Numerics::exact(), Numerics::release(), Numerics::fast()}) {
      RuntimeOptions options;
      options.target = checks_.options().target;
      options.numerics = numerics;
      options.pool.threads = checks_.options().threads;
      options.pool.pin = checks_.options().pin;
      Runtime<float> runtime(options);
      numerics_ = numerics;
      const std::string mode = std::string(name(numerics.mode)) + ": ";
      KvState kv = model_->new_state(numerics);
      const std::vector<float> once = verify::run(runtime, *model_, kv, tokens_);
      finite(mode, once);
      chunking(mode, runtime, once);
      threads(mode, options, once);
      restore(mode, runtime, once, kv);
    }
    needle();
  }

 private:
  void finite(const std::string& mode, const std::vector<float>& logits) {
    const auto bad = std::count_if(logits.begin(), logits.end(), [](float v) { return !std::isfinite(v); });
    checks_.differing(mode + "logits that are not finite", bad, static_cast<int64_t>(logits.size()));
  }

  void chunking(const std::string& mode, Runtime<float>& runtime, const std::vector<float>& once) {
    for (const int64_t chunk : {1, 7, 64}) {
      RecordOptions options;
      options.chunk = chunk;
      const auto found = record_sequence(runtime, *model_, tokens_, options).logits;
      checks_.differing(mode + "bits of logits, chunks of 1, 7, 64 against one", bits_differing(once, found),
                        static_cast<int64_t>(once.size()));
    }
  }

  void threads(const std::string& mode, RuntimeOptions options, const std::vector<float>& once) {
    for (const int count : {1, 2}) {
      options.pool.threads = count;
      options.pool.test_mode = count > 1;
      Runtime<float> runtime(options);
      KvState kv = model_->new_state(options.numerics);
      checks_.differing(mode + "bits of logits, 1 and 2 threads",
                        bits_differing(once, verify::run(runtime, *model_, kv, tokens_)),
                        static_cast<int64_t>(once.size()));
    }
  }

  // Cuts the state of the whole sequence, sends it through save() and load(), and goes on.
  void restore(const std::string& mode, Runtime<float>& runtime, const std::vector<float>& once,
               const KvState& whole) {
    const int64_t vocab = model_->config().vocab_size;
    for (const int64_t p : {int64_t{1}, kTokens / 3, kTokens / 2 + 1, kTokens - 65, kTokens - 1}) {
      KvState cut = whole.fork();
      const int64_t q = cut.truncate(p);
      KvState loaded = model_->new_state(numerics_);
      loaded.load(cut.save());
      const auto found =
          verify::run(runtime, *model_, loaded, std::span(tokens_).subspan(static_cast<size_t>(q)));
      checks_.differing(mode + "bits of logits, after truncate, save and load",
                        bits_differing(std::span(once).subspan(static_cast<size_t>(q * vocab)), found),
                        static_cast<int64_t>(found.size()));
    }
  }

  // Another first token must change the last row's logits, although it left every window and there are more
  // entries than a query reads.
  void needle() {
    const ModelConfig& c = model_->config();
    int64_t length = 0;
    for (const LayerConfig& layer : c.layers) {
      if (layer.kind == LayerKind::csa) {
        length = std::max(length, c.num_hidden_layers * c.sliding_window + (c.index_topk + 8) * layer.ratio);
      } else if (layer.kind == LayerKind::hca) {
        length = std::max(length, c.num_hidden_layers * c.sliding_window + 2 * layer.ratio);
      }
    }
    if (length == 0 || length > kNeedleTokens) {
      checks_.not_checked(length == 0 ? "needle beyond top-k (no compressed layer)"
                                      : fmt::format("needle beyond top-k (needs {} tokens)", length));
      return;
    }
    std::vector<int32_t> tokens = some_tokens(length, c.vocab_size);
    Runner runner(model_, Numerics::exact(), checks_.options());
    RecordOptions options;
    const auto before = runner.record(tokens, options).logits;
    tokens.front() = static_cast<int32_t>((tokens.front() + 1) % c.vocab_size);
    const auto after = runner.record(tokens, options).logits;
    const auto last = std::span(before).last(static_cast<size_t>(c.vocab_size));
    const bool seen = bits_differing(last, std::span(after).last(last.size())) > 0;
    checks_.differing("exact: needle beyond windows and top-k unseen", seen ? 0 : 1, 1);
  }

  Checks& checks_;
  std::shared_ptr<const Model> model_;
  std::vector<int32_t> tokens_;
  Numerics numerics_;
};

}  // namespace

bool is_model(const std::filesystem::path& path) {
  namespace fs = std::filesystem;
  if (is_file(path)) return path.extension() == ".safetensors" || path.extension() == ".gguf";
  return is_file(path / "config.json") &&
         (is_file(path / "model.safetensors") || is_file(path / "model.safetensors.index.json"));
}

void check_invariants(Checks& checks) {
  Invariants(checks, Model::open(checks.folder())).run_all();
  checks.used_model(checks.folder());
}

}  // namespace fathom::verify
