// Backward of the attention sublayer: SWA, CSA and HCA, several documents in a batch, against finite
// differences of the double model; equal bits for any number of threads; the float model beside the double.

#include <doctest/doctest.h>

#include <cmath>
#include <deque>
#include <string>
#include <type_traits>
#include <vector>

#include "base/rng.h"
#include "model/attention/attention.h"
#include "model/runtime.h"
#include "tests/support/finite_differences.h"

namespace fathom {
namespace {

// Heads that groups cut through, windows shorter than the documents, ratios that do not divide them.
constexpr const char* kConfig = R"({"architectures": ["DeepseekV4ForCausalLM"], "model_type": "deepseek_v4",
  "vocab_size": 16, "hidden_size": 10, "num_hidden_layers": 3, "num_attention_heads": 3,
  "num_key_value_heads": 1, "head_dim": 8, "qk_rope_head_dim": 4, "q_lora_rank": 6, "o_groups": 2,
  "o_lora_rank": 5, "n_routed_experts": 2, "n_shared_experts": 1, "num_experts_per_tok": 1,
  "moe_intermediate_size": 4, "num_hash_layers": 0, "routed_scaling_factor": 1.5,
  "scoring_func": "sqrtsoftplus", "topk_method": "noaux_tc", "norm_topk_prob": true, "swiglu_limit": 10,
  "sliding_window": 5, "index_n_heads": 3, "index_head_dim": 8, "index_topk": 3,
  "compress_ratios": [0, 4, 6], "rope_theta": 10000, "compress_rope_theta": 160000,
  "rope_scaling": {"type": "yarn", "factor": 16, "beta_fast": 32, "beta_slow": 1,
                   "original_max_position_embeddings": 65536},
  "hc_mult": 2, "hc_sinkhorn_iters": 2, "hc_eps": 1e-6, "num_nextn_predict_layers": 0,
  "max_position_embeddings": 1024, "bos_token_id": 0, "eos_token_id": 1, "rms_norm_eps": 1e-6,
  "torch_dtype": "float32"})";

const std::vector<int64_t> kDocuments = {23, 3, 70, 1, 8};

// One layer's attention with random weights on a batch of documents, in Real arithmetic.
template <class Real>
class Sublayer {
 public:
  Sublayer(int64_t layer, int threads, const TrainingPass& pass,
           const std::vector<int64_t>& documents = kDocuments, const Numerics& numerics = Numerics::exact())
      : config_(ModelConfig::parse(kConfig)),
        rope_(config_),
        layer_(layer),
        runtime_([&] {
          RuntimeOptions o;
          o.pool.threads = threads;
          o.pool.test_mode = threads > 1;
          o.numerics = numerics;
          if constexpr (std::is_same_v<Real, double>) o.numerics.kv_type = RowType::f64;
          return o;
        }()),
        pass_(pass),
        documents_(documents) {
    BlockParams<WeightView> views;
    BlockParams<Mat<Real>> gradients;
    const auto add = [&](const std::string& name, ParamClass, int64_t rows, int64_t cols, WeightView& view,
                         Mat<Real>& gradient) {
      if (name.find("attn.") == std::string::npos) return;
      auto& made = params.emplace_back();
      made.name = name;
      made.value.resize(static_cast<size_t>(rows * cols));
      made.gradient.resize(made.value.size());
      const bool norm = name.find("norm") != std::string::npos;
      for (size_t i = 0; i < made.value.size(); ++i) {
        const double z = philox_normal(7, i, params.size());
        made.value[i] = static_cast<Real>(static_cast<float>(norm ? 1 + 0.3 * z : 0.6 * z));
      }
      view = weight_view(made.value.data(), rows, cols);
      gradient = {made.gradient.data(), rows, cols};
    };
    for_each_block_param(config_, layer, "", add, views, gradients);
    w_ = views.attn;
    grad_ = gradients.attn;
    for (const int64_t count : documents) rows_ += count;
    x = made_up(rows_, 100);
    dy = made_up(rows_, 101);
  }

  struct Param {
    std::string name;
    std::vector<Real> value, gradient;
  };
  std::deque<Param> params;
  std::vector<Real> x, dx, dy, y;  // [rows, D]
  IndexerLoss indexer;

  /// Forward and, if asked for, backward. Returns sum y dy.
  double run(bool backward) {
    Context<Real> ctx = runtime_.context(config_);
    ctx.training = &pass_;
    const ArenaScope scope(ctx.arena());
    Batch batch;
    std::deque<KvState> states;
    for (const int64_t count : documents_) {
      states.emplace_back(config_, ctx.numerics(), 0, sizeof(Real));
      batch.add(states.back(), std::vector<int32_t>(static_cast<size_t>(count)));
    }
    const BatchAngles<Real> angles = angles_of(ctx, batch, 0);
    y.assign(x.size(), 0);
    AttentionSaved<Real> saved;
    const Mat<const Real> in(x.data(), rows_, config_.hidden_size);
    const Mat<Real> out(y.data(), rows_, config_.hidden_size);
    attention_forward<Real>(ctx, config_, w_, layer_, {layer_, false}, rope_, angles, batch, in, out,
                            backward ? &saved : nullptr);
    if (backward) {
      clear_gradients();
      attention_backward<Real>(ctx, config_, w_, layer_, rope_, angles, batch, in, saved,
                               Mat<const Real>(only_indexer ? nullptr : dy.data(), rows_, in.cols),
                               Mat<Real>(dx.data(), rows_, in.cols), grad_, &indexer);
    }
    double sum = 0;
    for (size_t i = 0; i < y.size(); ++i) sum += static_cast<double>(y[i]) * static_cast<double>(dy[i]);
    return sum;
  }

  /// The one document in chunks: forward from first to last, backward from last to first, each chunk run
  /// again from the state at its start.
  void run_in_chunks(int64_t chunk) {
    pass_.chunk = true;
    Context<Real> ctx = runtime_.context(config_);
    ctx.training = &pass_;
    const int64_t D = config_.hidden_size;
    y.assign(x.size(), 0);
    clear_gradients();
    KvState state(config_, ctx.numerics(), 0, sizeof(Real));
    std::vector<KvState> at_start;
    LayerKvGrad<Real> carried;
    const auto run = [&](KvState& from, int64_t first, bool backward) {
      const ArenaScope scope(ctx.arena());
      const int64_t count = std::min(chunk, rows_ - first);
      Batch batch;
      batch.add(from, std::vector<int32_t>(static_cast<size_t>(count)));
      const BatchAngles<Real> angles = angles_of(ctx, batch, first);
      const Mat<const Real> in(x.data() + first * D, count, D);
      AttentionSaved<Real> saved;
      attention_forward<Real>(ctx, config_, w_, layer_, {layer_, false}, rope_, angles, batch, in,
                              Mat<Real>(y.data() + first * D, count, D), backward ? &saved : nullptr);
      if (!backward) return;
      attention_backward<Real>(ctx, config_, w_, layer_, rope_, angles, batch, in, saved,
                               Mat<const Real>(dy.data() + first * D, count, D),
                               Mat<Real>(dx.data() + first * D, count, D), grad_, &indexer, &carried);
    };
    for (int64_t first = 0; first < rows_; first += chunk) {
      at_start.push_back(state.fork());
      run(state, first, false);
    }
    for (int64_t i = std::ssize(at_start) - 1; i >= 0; --i) {
      run(at_start[static_cast<size_t>(i)], i * chunk, true);
    }
  }
  bool only_indexer = false;

 private:
  std::vector<Real> made_up(int64_t rows, uint64_t stream) const {
    std::vector<Real> out(static_cast<size_t>(rows * config_.hidden_size));
    for (size_t i = 0; i < out.size(); ++i) {
      out[i] = static_cast<Real>(static_cast<float>(philox_normal(8, i, stream)));
    }
    return out;
  }
  void clear_gradients() {
    for (Param& p : params) std::fill(p.gradient.begin(), p.gradient.end(), Real(0));
    dx.assign(x.size(), 0);
    indexer = {};
  }
  BatchAngles<Real> angles_of(const Context<Real>& ctx, const Batch& batch, int64_t start) const {
    const int64_t pairs = rope_.main.pairs(), rows = batch.rows();
    const BatchAngles<Real> a{ctx.scratch(rows, pairs), ctx.scratch(rows, pairs), ctx.scratch(rows, pairs),
                              ctx.scratch(rows, pairs)};
    for (const Span& span : batch.spans) {
      for (int64_t t = 0; t < span.count; ++t) {
        const int64_t row = span.first_row + t;
        rope_.main.angles(start + t, a.main_cos.row(row), a.main_sin.row(row));
        rope_.compress.angles(start + t, a.compress_cos.row(row), a.compress_sin.row(row));
      }
    }
    return a;
  }

  ModelConfig config_;
  RopeTables rope_;
  int64_t layer_, rows_ = 0;
  Runtime<Real> runtime_;
  TrainingPass pass_;
  std::vector<int64_t> documents_;
  AttentionParams<WeightView> w_;
  AttentionParams<Mat<Real>> grad_;
};

bool of_indexer(const std::string& name) { return name.find("indexer") != std::string::npos; }

constexpr double kStep = 1e-5;  // so small that no choice of the indexer flips

}  // namespace

TEST_CASE("attention_backward is the gradient of attention_forward") {
  for (const int64_t layer : {0, 1, 2}) {
    for (const bool dense : {false, true}) {
      if (dense && layer != 1) continue;
      CAPTURE(layer);
      CAPTURE(dense);
      TrainingPass pass;
      pass.dense_csa = dense;
      Sublayer<double> s(layer, 1, pass);
      s.run(true);
      const auto loss = [&] { return s.run(false); };
      const std::vector<double> dx = s.dx;
      test::check_gradient("x", loss, s.x, dx, 1e-6, 7, kStep);
      for (auto& p : s.params) {
        const std::vector<double> gradient = p.gradient;
        if (of_indexer(p.name)) {  // the choice is a constant
          CHECK(gradient == std::vector<double>(gradient.size()));
        } else {
          test::check_gradient(p.name, loss, p.value, gradient, 1e-6, 3, kStep);
        }
      }
    }
  }
}

TEST_CASE("the indexer's gradients are those of its divergence") {
  for (const bool dense : {false, true}) {
    CAPTURE(dense);
    TrainingPass pass;
    pass.dense_csa = dense;
    pass.indexer_weight = 0.7;
    Sublayer<double> s(1, 1, pass);
    s.only_indexer = true;
    s.run(true);
    int64_t queries = 0;
    for (const int64_t count : kDocuments) queries += std::max<int64_t>(0, count - 3);
    CHECK(s.indexer.queries == queries);
    CHECK(s.indexer.kl > 0);
    CHECK(s.indexer.kl_uniform > 0);
    CHECK(s.indexer.captured > 0);
    CHECK(s.indexer.captured < static_cast<double>(queries));
    CHECK(s.dx == std::vector<double>(s.dx.size()));
    std::deque<std::vector<double>> gradients;
    for (auto& p : s.params) gradients.push_back(p.gradient);
    const auto loss = [&] {
      s.run(true);
      return 0.7 * s.indexer.kl / static_cast<double>(queries);
    };
    for (size_t i = 0; i < s.params.size(); ++i) {
      if (of_indexer(s.params[i].name)) {
        test::check_gradient(s.params[i].name, loss, s.params[i].value, gradients[i], 1e-6, 3, kStep);
      } else {
        CHECK(gradients[i] == std::vector<double>(gradients[i].size()));
      }
    }
  }
}

TEST_CASE("attention's gradients: float beside double, the same bits on any number of threads") {
  for (const int64_t layer : {0, 1, 2}) {
    for (const bool dense : {false, true}) {
      CAPTURE(layer);
      CAPTURE(dense);
      TrainingPass pass;
      pass.dense_csa = dense;
      pass.indexer_weight = 1;
      Sublayer<double> exact(layer, 1, pass);
      Sublayer<float> one(layer, 1, pass), two(layer, 2, pass), three(layer, 3, pass);
      exact.run(true);
      one.run(true);
      two.run(true);
      three.run(true);
      CHECK(one.dx == two.dx);
      CHECK(one.dx == three.dx);
      CHECK(one.indexer.kl == two.indexer.kl);
      CHECK(one.indexer.captured == two.indexer.captured);
      for (size_t i = 0; i < one.params.size(); ++i) {
        const auto& p = one.params[i];
        CAPTURE(p.name);
        CHECK(p.gradient == two.params[i].gradient);
        CHECK(p.gradient == three.params[i].gradient);
        double largest = 0, worst = 0;
        for (size_t k = 0; k < p.gradient.size(); ++k) {
          const double e = exact.params[i].gradient[k];
          largest = std::max(largest, std::abs(e));
          worst = std::max(worst, std::abs(static_cast<double>(p.gradient[k]) - e));
        }
        CHECK(worst <= 1e-5 * largest);
      }
    }
  }
}

TEST_CASE("quantisers pass gradients straight through, turned back by the rotation before them") {
  TrainingPass pass;
  pass.dense_csa = true;  // no choice to fall otherwise
  pass.indexer_weight = 1;
  Numerics quantised;
  quantised.quantise_kv = quantised.quantise_indexer = true;
  Sublayer<float> exact(1, 1, pass), found(1, 1, pass, kDocuments, quantised);
  exact.run(true);
  found.run(true);
  for (size_t i = 0; i < exact.params.size(); ++i) {
    double dot = 0, a = 0, b = 0;
    for (size_t k = 0; k < exact.params[i].gradient.size(); ++k) {
      const double x = exact.params[i].gradient[k], y = found.params[i].gradient[k];
      dot += x * y;
      a += x * x;
      b += y * y;
    }
    CAPTURE(exact.params[i].name);
    const double alike = dot / std::sqrt(a * b);
    CHECK(alike > (of_indexer(exact.params[i].name) ? 0.9 : 0.99));  // FP4 keeps two bits, FP8 four
    CHECK(alike < 1 - 1e-9);
  }
}

TEST_CASE("a document in chunks has the gradients of the whole") {
  constexpr int64_t kRows = 70;
  for (const int64_t layer : {0, 1, 2}) {
    for (const bool dense : {false, true}) {
      for (const int64_t chunk : {1, 3, 16, 64}) {
        CAPTURE(layer);
        CAPTURE(dense);
        CAPTURE(chunk);
        TrainingPass pass;
        pass.dense_csa = dense;
        pass.indexer_weight = 1;
        pass.indexer_queries = kRows - 3;
        Sublayer<double> whole(layer, 1, pass, {kRows}), cut(layer, 2, pass, {kRows});
        whole.run(true);
        cut.run_in_chunks(chunk);
        const auto same = [](const std::vector<double>& a, const std::vector<double>& b) {
          double largest = 0, worst = 0;
          for (size_t i = 0; i < a.size(); ++i) {
            largest = std::max(largest, std::abs(a[i]));
            worst = std::max(worst, std::abs(a[i] - b[i]));
          }
          return worst <= 1e-12 * largest;
        };
        CHECK(whole.y == cut.y);
        CHECK(same(whole.dx, cut.dx));
        CHECK(whole.indexer.queries == cut.indexer.queries);
        CHECK(whole.indexer.kl == doctest::Approx(cut.indexer.kl).epsilon(1e-12));
        CHECK(whole.indexer.captured == doctest::Approx(cut.indexer.captured).epsilon(1e-12));
        for (size_t i = 0; i < whole.params.size(); ++i) {
          CAPTURE(whole.params[i].name);
          CHECK(same(whole.params[i].gradient, cut.params[i].gradient));
        }
      }
    }
  }
}

TEST_CASE("a document has the same gradient whatever it is packed with") {
  // x of the last document alone decides its dx; its place in the batch does not matter.
  TrainingPass pass;
  Sublayer<float> s(1, 2, pass);
  s.run(true);
  const std::vector<float> before = s.dx;
  const size_t last = s.x.size() - 8 * 10;
  for (size_t i = 0; i < last; ++i) s.x[i] = -s.x[i];
  s.run(true);
  CHECK(std::equal(before.begin() + static_cast<ptrdiff_t>(last), before.end(),
                   s.dx.begin() + static_cast<ptrdiff_t>(last)));
  CHECK(!std::equal(before.begin(), before.begin() + static_cast<ptrdiff_t>(last), s.dx.begin()));
}

}  // namespace fathom
