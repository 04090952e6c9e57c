// steps.safetensors of golden/quantised: every stage of some blocks of the official bf16 run, each from the
// golden values before it, rounded to bf16 here where architecture.md section 7 ("Rounding points of the
// release") rounds. Bounds: the folder's README, "Bounds a test can honestly use".
#include <algorithm>
#include <cmath>

#include "engine/verify/runner.h"
#include "engine/verify/steps_stages.h"
#include "formats/activation_quant.h"
#include "model/attention/compressor.h"
#include "model/hyper_connection.h"
#include "model/model.h"
#include "model/moe/router.h"
#include "model/runtime.h"

namespace fathom::verify {
namespace {

// fathom has no bf16 stream mode, so these three stages lack roundings of the release: the steps of the query
// norm, the probabilities, and every step of the indexer's scores.
constexpr double kQueryRms = 5e-3, kAttentionRms = 3e-3;
// The model's kernel rotates and quantises at once: without the rounding between, values that bf16 puts on a
// tie of FP4 fall to either side. Measured 3.8e-2 (queries) and 2.7e-2 (keys).
constexpr double kFusedRms = 0.05;
// The scores: measured 2.86e-3 on every target and in double.
constexpr double kScoresRms = 4e-3;

template <class Real>
class Block : Stages<Real> {
  using Stages<Real>::checks_;
  using Stages<Real>::steps_;
  using Stages<Real>::kFp32;
  using Stages<Real>::has;
  using Stages<Real>::golden;
  using Stages<Real>::golden_ids;
  using Stages<Real>::bf16;
  using Stages<Real>::bf16_stage;
  using Stages<Real>::rms_stage;
  using Stages<Real>::fp32_stage;

 public:
  Block(Checks& checks, const ExpectedFile& steps, const Context<Real>& ctx, const Model& model,
        int64_t index, const std::vector<int32_t>& tokens)
      : Stages<Real>(checks, steps, model.config(), index, std::ssize(tokens)),
        ctx_(ctx),
        model_(model),
        c_(model.config()),
        w_(model.weights().params().layers[static_cast<size_t>(index)]),
        index_(index),
        layer_(c_.layer(index)),
        tokens_(tokens),
        rows_(std::ssize(tokens)),
        eps_(static_cast<Real>(c_.rms_norm_eps)) {
    const auto pairs = static_cast<size_t>(c_.qk_rope_head_dim / 2);
    cos_.resize(static_cast<size_t>(rows_) * pairs);
    sin_.resize(cos_.size());
    for (int64_t t = 0; t < rows_; ++t) {
      model.rope().compress.angles(t, cos_.data() + static_cast<size_t>(t) * pairs,
                                   sin_.data() + static_cast<size_t>(t) * pairs);
    }
  }

  void run() {
    const Values<Real> in = golden("streams_in");
    hyper_connection("hc_attn", w_.hc_attn, in, w_.attn_norm, "attn.in");
    query_and_kv();
    if (layer_.kind != LayerKind::swa) entries();
    if (layer_.kind == LayerKind::csa) indexer();
    attention();
    const Values<Real> middle = apply("hc_attn", in, "attn.out");
    hyper_connection("hc_ffn", w_.hc_ffn, middle, w_.ffn_norm, "ffn.in");
    experts();
    bf16_stage("streams_out", apply("hc_ffn", middle, "ffn.out"));
  }

 private:
  int64_t entry_count() const { return layer_.kind == LayerKind::swa ? 0 : rows_ / layer_.ratio; }
  Values<Real> empty(int64_t rows, int64_t cols) const {
    return {std::vector<Real>(static_cast<size_t>(rows * cols)), rows, cols};
  }
  Values<Real> linear(Values<Real> x, const WeightView& w, bool quantise = true) const {
    Values<Real> y = empty(x.rows, w.rows);
    ctx_.linear(x.mat(), w, y.mat(), quantise);
    return y;
  }
  Values<Real> rms_norm(Values<Real> x, const WeightView* weight, int64_t dim) const {
    const ArenaScope scope(ctx_.arena());
    ctx_.rms_norm(x.data.data(), weight ? ctx_.values(*weight) : nullptr, eps_, x.rows * x.cols / dim, dim,
                  x.data.data());
    return x;
  }
  // Rows at positions 0.., `heads` heads of `dim`, whose last dims rotate.
  Values<Real> rope(Values<Real> x, int64_t heads, int64_t dim, bool inverse = false) const {
    const int64_t r = c_.qk_rope_head_dim;
    ctx_.rope(x.data.data() + dim - r, x.rows, x.cols, heads, dim, r / 2, cos_.data(), sin_.data(), inverse);
    return x;
  }

  void hyper_connection(const std::string& name, const HcParams<WeightView>& w, Values<Real> streams,
                        const WeightView& norm, const std::string& normed) {
    const ArenaScope scope(ctx_.arena());
    const int64_t n = c_.hc_mult;
    Values<Real> mixes = empty(rows_, w.fn.rows);
    ctx_.linear_exact(streams.mat(), w.fn, mixes.mat());
    std::vector<Real> inv_rms(static_cast<size_t>(rows_));
    ctx_.rms_norm(streams.data.data(), nullptr, eps_, rows_, streams.cols, nullptr, inv_rms.data());
    for (int64_t t = 0; t < rows_; ++t) {
      for (int64_t i = 0; i < mixes.cols; ++i) mixes.mat().row(t)[i] *= inv_rms[static_cast<size_t>(t)];
    }
    fp32_stage(name + ".mixes", mixes);

    // The whole block function, and its kernel from the golden mixes.
    const HcWeights<Real> mixed = hc_mix<Real>(ctx_, c_, w, streams.mat());
    Values<Real> pre = empty(rows_, n), post = empty(rows_, n), comb = empty(rows_, n * n);
    const std::vector<Real> ones(static_cast<size_t>(rows_), Real(1));
    ctx_.kernels().hc_mix(golden(name + ".mixes").data.data(), ones.data(), ctx_.values(w.scale),
                          ctx_.values(w.base), rows_, n, c_.hc_sinkhorn_iters, static_cast<Real>(c_.hc_eps),
                          pre.data.data(), post.data.data(), comb.data.data());
    const auto both = [&](const std::string& part, const Values<Real>& kernel, const Real* block) {
      fp32_stage(name + part, kernel);
      fp32_stage(name + part, {std::vector<Real>(block, block + kernel.data.size()), rows_, kernel.cols});
    };
    both(".pre", pre, mixed.pre);
    both(".post", post, mixed.post);
    both(".comb", comb, mixed.comb);

    Values<Real> x = empty(rows_, c_.hidden_size);
    const Values<Real> golden_pre = golden(name + ".pre");
    hc_collapse<Real>(ctx_, c_, streams.mat(), golden_pre.data.data(), x.mat());
    bf16_stage(normed, rms_norm(bf16(x), &norm, c_.hidden_size));
  }

  Values<Real> apply(const std::string& name, Values<Real> streams, const std::string& y) const {
    const Values<Real> post = golden(name + ".post"), comb = golden(name + ".comb");
    Values<Real> out = golden(y);
    hc_apply<Real>(ctx_, c_, {nullptr, post.data.data(), comb.data.data()}, out.mat(), streams.mat());
    return bf16(streams);
  }

  void query_and_kv() {
    const int64_t H = c_.num_attention_heads, d = c_.head_dim;
    const auto& w = w_.attn;
    bf16_stage("attn.wq_a", linear(golden("attn.in"), w.wq_a));
    bf16_stage("attn.qr", rms_norm(golden("attn.wq_a"), &w.q_norm, c_.q_lora_rank));
    bf16_stage("attn.wq_b", linear(golden("attn.qr"), w.wq_b));
    rms_stage("attn.q", "", rope(bf16(rms_norm(golden("attn.wq_b"), nullptr, d)), H, d), kQueryRms);
    bf16_stage("attn.wkv", linear(golden("attn.in"), w.wkv));
    bf16_stage("attn.kv_norm", rms_norm(golden("attn.wkv"), &w.kv_norm, d));
    Values<Real> kv = bf16(rope(golden("attn.kv_norm"), 1, d));
    ctx_.quantise_fp8(kv.data.data(), kv.rows, d, d - c_.qk_rope_head_dim, 64);
    if (layer_.kind != LayerKind::swa) {  // raw rows, then the entries: the next stage has these
      const Values<Real> entries = golden("attn.entries");
      kv.data.insert(kv.data.end(), entries.data.begin(), entries.data.end());
    }
    bf16_stage("attn.kv_all", kv);
  }

  // Entries of a compressor up to their RoPE, with the release's roundings.
  Values<Real> pooled(const CompressorParams<WeightView>& w, int64_t dim) {
    const ArenaScope scope(ctx_.arena());
    const int64_t m = layer_.ratio, width = layer_.overlap() * dim, count = rows_ / m,
                  r = c_.qk_rope_head_dim;
    KvState state = model_.new_state(Numerics::release(), sizeof(Real));
    Batch batch;
    batch.add(state, tokens_);
    Values<Real> x = golden("attn.in");
    const Mat<Real> rows = compressor_rows<Real>(ctx_, w, layer_, {index_, false}, batch, x.mat());
    Values<Real> out = empty(count, dim);
    for (int64_t i = 0; i < count; ++i) {
      std::vector<const Real*> values, gates;
      const auto add = [&](int64_t first, int64_t half) {
        for (int64_t p = first; first >= 0 && p < first + m; ++p) {
          values.push_back(rows.row(p) + half * dim);
          gates.push_back(rows.row(p) + width + half * dim);
        }
      };
      if (layer_.kind == LayerKind::csa) add((i - 1) * m, 0);
      add(i * m, layer_.overlap() - 1);
      ctx_.kernels().pool_window(values.data(), gates.data(), static_cast<int64_t>(values.size()), dim,
                                 out.mat().row(i));
    }
    out = bf16(rms_norm(bf16(out), &w.norm, dim));
    for (int64_t i = 0; i < count; ++i) {
      const int64_t pairs = r / 2;
      ctx_.kernels().rope(out.mat().row(i) + dim - r, 1, dim, 1, dim, pairs, cos_.data() + i * m * pairs,
                          sin_.data() + i * m * pairs, false);
    }
    return bf16(out);
  }

  void entries() {
    const int64_t d = c_.head_dim;
    Values<Real> found = pooled(w_.attn.compressor, d);
    ctx_.quantise_fp8(found.data.data(), found.rows, d, d - c_.qk_rope_head_dim, 64);
    bf16_stage("attn.entries", found);
  }

  void indexer() {
    const int64_t heads = c_.index_n_heads, dim = c_.index_head_dim;
    const auto& w = w_.attn.indexer;
    bf16_stage("indexer.wq_b", linear(golden("attn.qr"), w.wq_b));
    const auto rotated = [&](Values<Real> x) {
      hadamard(Mat<Real>(x.data.data(), static_cast<int64_t>(x.data.size()) / dim, dim));
      return x;
    };
    const auto fp4 = [&](Values<Real> x) {
      quantise_dequantise_fp4(Mat<Real>(x.data.data(), static_cast<int64_t>(x.data.size()) / dim, dim));
      return x;
    };
    // The model's kernel does both at once, without the release's rounding between them.
    const auto fused = [&](Values<Real> x) {
      ctx_.hadamard_fp4(x.data.data(), static_cast<int64_t>(x.data.size()) / dim, dim, dim);
      return x;
    };
    const Values<Real> query = bf16(rope(golden("indexer.wq_b"), heads, dim));
    const Values<Real> key = pooled(w.compressor, dim);
    bf16_stage("indexer.q_before_fp4", rotated(query));
    bf16_stage("indexer.q", fp4(golden("indexer.q_before_fp4")));
    rms_stage("indexer.q", " (rotated and quantised at once)", fused(query), kFusedRms);
    bf16_stage("indexer.k_before_fp4", rotated(key));
    bf16_stage("indexer.k", fp4(golden("indexer.k_before_fp4")));
    rms_stage("indexer.k", " (rotated and quantised at once)", fused(key), kFusedRms);

    Values<Real> head_weights = empty(rows_, heads);
    Values<Real> x = golden("attn.in");
    ctx_.linear_exact(x.mat(), w.weights_proj, head_weights.mat());
    bf16_stage("indexer.weights_proj", head_weights);

    head_weights = golden("indexer.weights_proj");
    const Real factor = 1 / std::sqrt(static_cast<Real>(dim)) / std::sqrt(static_cast<Real>(heads));
    for (Real& v : head_weights.data) v *= factor;
    Values<Real> q = golden("indexer.q");
    const Values<Real> k = golden("indexer.k");
    Values<Real> scores = empty(rows_, k.rows);
    const RowType type = sizeof(Real) == 8 ? RowType::f64 : RowType::f32;
    for (int64_t t = 0; t < rows_; ++t) {
      ctx_.kernels().indexer_scores(q.mat().row(t), head_weights.mat().row(t), heads, dim,
                                    reinterpret_cast<const std::byte*>(k.data.data()),
                                    dim * static_cast<int64_t>(sizeof(Real)), k.rows, type,
                                    scores.mat().row(t));
    }
    rms_stage("indexer.scores", "", scores, kScoresRms);
    choices();
  }

  // The entries that the golden scores choose, ties to the lowest index.
  void choices() {
    Values<Real> scores = golden("indexer.scores");
    const std::vector<int32_t> chosen = golden_ids("attn.topk_idxs", rows_, -1, rows_ + entry_count());
    const auto width = static_cast<int64_t>(chosen.size()) / rows_;
    int64_t differing = 0;
    for (int64_t t = 0; t < rows_; ++t) {
      const int64_t visible = (t + 1) / layer_.ratio, k = std::min(c_.index_topk, visible);
      std::vector<int32_t> ids(static_cast<size_t>(k)), theirs;
      if (k > 0) ctx_.kernels().top_k(scores.mat().row(t), visible, k, ids.data());
      for (int64_t j = 0; j < width; ++j) {
        const int32_t row = chosen[static_cast<size_t>(t * width + j)];
        if (row >= rows_) theirs.push_back(row - static_cast<int32_t>(rows_));
      }
      std::sort(theirs.begin(), theirs.end());
      differing += ids != theirs;
    }
    checks_.differing("steps: indexer entries", differing, rows_);
  }

  void attention() {
    const ArenaScope scope(ctx_.arena());
    const int64_t H = c_.num_attention_heads, d = c_.head_dim, G = c_.o_groups, rank = c_.o_lora_rank;
    const auto& w = w_.attn;
    Values<Real> q = golden("attn.q");
    const Values<Real> kv = golden("attn.kv_all");
    const std::vector<int32_t> chosen = golden_ids("attn.topk_idxs", rows_, -1, rows_ + entry_count());
    const auto width = chosen.size() / static_cast<size_t>(rows_);
    Values<Real> o = empty(rows_, H * d);
    for (int64_t t = 0; t < rows_; ++t) {
      std::vector<const std::byte*> rows;
      for (size_t j = 0; j < width; ++j) {
        const int32_t row = chosen[static_cast<size_t>(t) * width + j];
        if (row >= 0) rows.push_back(reinterpret_cast<const std::byte*>(kv.data.data() + row * d));
      }
      ctx_.kernels().attention(q.mat().row(t), H, d, rows.data(), static_cast<int64_t>(rows.size()),
                               sizeof(Real) == 8 ? RowType::f64 : RowType::f32, ctx_.values(w.sink),
                               1 / std::sqrt(static_cast<Real>(d)), o.mat().row(t));
    }
    rms_stage("attn.o_before_inverse_rope", "", o, kAttentionRms);

    o = bf16(rope(golden("attn.o_before_inverse_rope"), H, d, true));
    Values<Real> u = empty(rows_, G * rank);
    const int64_t share = H * d / G;
    for (int64_t g = 0; g < G; ++g) {
      ctx_.linear(o.mat().slice_cols(g * share, share), w.wo_a.slice_rows(g * rank, rank),
                  u.mat().slice_cols(g * rank, rank), false);
    }
    bf16_stage("attn.u", u);
    bf16_stage("attn.out", linear(golden("attn.u"), w.wo_b));
  }

  Values<Real> expert(const ExpertParams<WeightView>& w, const Values<Real>& x, const Real* route) const {
    Values<Real> gate = bf16(linear(x, w.w1)), up = bf16(linear(x, w.w3));
    ctx_.swiglu(gate.mat(), up.mat(), route, static_cast<Real>(c_.swiglu_limit), gate.mat());
    return bf16(linear(bf16(gate), w.w2));
  }

  void experts() {
    const ArenaScope scope(ctx_.arena());
    const auto& w = w_.ffn;
    const int64_t k = c_.num_experts_per_tok, D = c_.hidden_size;
    Values<Real> x = golden("ffn.in");
    // The release lists experts by score, fathom by id.
    const std::vector<int32_t> ids = golden_ids("ffn.router_ids", rows_, 0, c_.n_routed_experts);
    const Values<Real> weights = golden("ffn.router_weights");
    const Routes<Real> routes = route<Real>(ctx_, c_, w, layer_.hash, tokens_.data(), x.mat());
    int64_t missing = 0;
    double worst = 0;
    for (int64_t t = 0; t < rows_; ++t) {
      for (int64_t j = 0; j < k; ++j) {
        const auto at = static_cast<size_t>(t * k + j);
        const int32_t* first = routes.ids + t * k;
        const int32_t* found = std::find(first, first + k, ids[at]);
        missing += found == first + k;
        if (found == first + k) continue;
        worst = std::max(worst, std::abs(static_cast<double>(routes.weights[found - routes.ids]) -
                                         static_cast<double>(weights.data[at])));
      }
    }
    checks_.differing("steps: experts", missing, rows_ * k);
    checks_.worst("steps: ffn.router_weights", worst, kFp32);
    if (has("ffn.scores_plus_bias")) {
      Values<Real> scores = empty(rows_, c_.n_routed_experts);
      ctx_.linear_exact(x.mat(), w.gate, scores.mat());
      const Real* bias = ctx_.values(w.bias);
      for (int64_t t = 0; t < rows_; ++t) {
        Real* row = scores.mat().row(t);
        ctx_.kernels().sqrt_softplus(row, scores.cols, row);
        for (int64_t e = 0; e < scores.cols; ++e) row[e] += bias[e];
      }
      fp32_stage("ffn.scores_plus_bias", scores);
    }

    bf16_stage("ffn.shared_out", expert(w.shared, x, nullptr));
    Values<Real> y = empty(rows_, D);
    for (int64_t e = 0; e < c_.n_routed_experts; ++e) {  // ascending id, the shared expert last
      for (int64_t t = 0; t < rows_; ++t) {
        for (int64_t j = 0; j < k; ++j) {
          const auto at = static_cast<size_t>(t * k + j);
          if (ids[at] != e) continue;
          const Real* row = x.mat().row(t);
          const Values<Real> out = expert(w.experts[static_cast<size_t>(e)],
                                          {std::vector<Real>(row, row + D), 1, D}, &weights.data[at]);
          for (int64_t i = 0; i < D; ++i) y.mat().row(t)[i] += out.data[static_cast<size_t>(i)];
        }
      }
    }
    const Values<Real> shared = golden("ffn.shared_out");
    for (size_t i = 0; i < y.data.size(); ++i) y.data[i] += shared.data[i];
    bf16_stage("ffn.out", y);
  }

  const Context<Real>& ctx_;
  const Model& model_;
  const ModelConfig& c_;
  const BlockParams<WeightView>& w_;
  int64_t index_;
  LayerConfig layer_;
  const std::vector<int32_t>& tokens_;
  int64_t rows_;
  Real eps_;
  std::vector<Real> cos_, sin_;  // [T, r/2]
};

template <class Real>
void check_blocks(Checks& checks, const ExpectedFile& steps, const Model& model,
                  const RuntimeOptions& options) {
  Runtime<Real> runtime(options);
  const Context<Real> ctx = runtime.context(model.config());
  const std::vector<int32_t> tokens = ids_of(steps, "input_ids", 0, model.config().vocab_size);
  for (int64_t layer = 0; layer < model.config().num_hidden_layers; ++layer) {
    if (!steps.has(fmt::format("layers.{}.streams_in", layer))) continue;
    Block<Real>(checks, steps, ctx, model, layer, tokens).run();
  }
}

}  // namespace

void check_steps(Checks& checks, const Model& model) {
  const ExpectedFile steps(checks.folder() / "steps.safetensors");
  checks.used("steps.safetensors");
  RuntimeOptions options = runtime_options(checks.options(), Numerics::release());
  if (checks.options().double_model) {
    options.numerics.kv_type = RowType::f64;
    check_blocks<double>(checks, steps, model, options);
  } else {
    check_blocks<float>(checks, steps, model, options);
  }
  checks.unread_tensors("steps.safetensors", steps.unread());
}

}  // namespace fathom::verify
