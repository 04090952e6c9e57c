#include <algorithm>
#include <cmath>
#include <cstring>
#include <vector>

#include "model/attention/attention.h"
#include "model/attention/compressor.h"
#include "model/attention/partial_rows.h"
#include "model/attention/query_reads.h"
#include "model/instantiate.h"

namespace fathom {
namespace {

// What all queries' losses read, and where their gradients go.
template <class Real>
struct LossInput {
  const ModelConfig& config;
  LayerConfig layer;
  const AttentionSaved<Real>& saved;
  const Real* sink;
  Real weight;         // of one query's divergence
  Mat<Real> dq;        // [rows, hI*dI], set
  Mat<Real> dweights;  // [rows, hI], set
  IndexerObserver<Real>* observer;
};

// The losses of a block's queries, one after the other.
template <class Real>
class BlockLoss {
 public:
  BlockLoss(const Context<Real>& ctx, const LossInput<Real>& in, const QueryBlock& block,
            const PartialRows<Real>& keys)
      : ctx_(ctx), in_(in), block_(block), keys_(keys), key_bytes_(dim() * row_type_bytes(type())) {}

  IndexerLoss run() {
    std::fill_n(keys_.sums, keys_.size() * dim(), Real(0));
    for (int64_t t = block_.first; t < block_.end; ++t) query(t);
    return loss_;
  }

 private:
  int64_t dim() const { return in_.config.index_head_dim; }
  int64_t heads() const { return in_.config.index_n_heads; }
  RowType type() const { return ctx_.numerics().kv_type; }

  void query(int64_t t) {
    const int64_t row = block_.document.row(t);
    reads_.set(in_.config, in_.layer, block_.document, t, in_.saved.chosen, in_.saved.chosen_width);
    const int64_t count = std::ssize(reads_.entries);
    if (count == 0) {
      std::fill_n(in_.dq.row(row), in_.dq.cols, Real(0));
      std::fill_n(in_.dweights.row(row), heads(), Real(0));
      return;
    }
    const Real* q = in_.saved.indexer.q.row(row);
    const Real* weights = in_.saved.indexer.weights.row(row);
    score(q, weights);
    attend(row, reads_, mass_);
    const Real* mass = mass_.data() + reads_.window.size();
    dscores_.resize(static_cast<size_t>(count));
    Real kl[2];
    ctx_.kernels().indexer_kl(scores_.data(), mass, count, in_.weight, dscores_.data(), kl);
    ctx_.kernels().indexer_scores_backward(q, weights, heads(), dim(), key_at_.data(), count, type(),
                                           dscores_.data(), in_.dq.row(row), in_.dweights.row(row),
                                           dkey_at_.data());
    IndexerLoss loss{static_cast<double>(kl[0]), static_cast<double>(kl[1]), 0, 1};
    loss.captured = captured(t, row);
    if (in_.observer) in_.observer->query(row, loss, reads_.entries, scores_.data(), mass);
    loss_ += loss;
  }

  // Scores of the candidates, their keys laid one behind the other.
  void score(const Real* q, const Real* weights) {
    const auto count = reads_.entries.size();
    together_.resize(count * static_cast<size_t>(key_bytes_));
    key_at_.clear();
    dkey_at_.clear();
    for (size_t k = 0; k < count; ++k) {
      std::byte* key = together_.data() + k * static_cast<size_t>(key_bytes_);
      std::memcpy(key, in_.saved.index_keys + reads_.entries[k] * key_bytes_,
                  static_cast<size_t>(key_bytes_));
      key_at_.push_back(key);
      dkey_at_.push_back(keys_.sums + keys_.place(reads_.entries[k]) * dim());
    }
    scores_.resize(count);
    ctx_.kernels().indexer_scores(q, weights, heads(), dim(), together_.data(), key_bytes_,
                                  static_cast<int64_t>(count), type(), scores_.data());
  }

  // What the attention over the rows that a query reads, and the sink, gives to each of them.
  void attend(int64_t row, const QueryReads& reads, std::vector<Real>& mass) {
    const int64_t d = in_.config.head_dim, bytes = d * row_type_bytes(type());
    row_at_.clear();
    for (const int32_t i : reads.window) row_at_.push_back(in_.saved.kv + i * bytes);
    for (const int32_t i : reads.entries) row_at_.push_back(in_.saved.entries + i * bytes);
    mass.resize(row_at_.size());
    ctx_.kernels().attention_mass(in_.saved.q.row(row), in_.config.num_attention_heads, d, row_at_.data(),
                                  std::ssize(row_at_), type(), in_.sink, 1 / std::sqrt(static_cast<Real>(d)),
                                  mass.data());
  }

  // Share of the dense attention's mass on entries that the selected ones have.
  double captured(int64_t t, int64_t row) {
    const int64_t visible = (t + 1) / in_.layer.ratio, k = in_.config.index_topk;
    if (visible <= k) return 1;
    const Real* mass = nullptr;  // [visible]
    if (in_.saved.chosen) {
      const int32_t* ids = in_.saved.chosen + row * in_.saved.chosen_width;
      ids_.assign(ids, ids + k);
      all_.set(in_.config, in_.layer, block_.document, t, nullptr, 0);
      attend(row, all_, all_mass_);
      mass = all_mass_.data() + all_.window.size();
    } else {
      ids_.resize(static_cast<size_t>(k));
      ctx_.kernels().top_k(scores_.data(), visible, k, ids_.data());
      mass = mass_.data() + reads_.window.size();
    }
    double all = 0, selected = 0;
    for (int64_t i = 0; i < visible; ++i) all += static_cast<double>(mass[i]);
    for (const int32_t i : ids_) selected += static_cast<double>(mass[i]);
    return all > 0 ? selected / all : 1;
  }

  const Context<Real>& ctx_;
  const LossInput<Real>& in_;
  const QueryBlock& block_;
  const PartialRows<Real>& keys_;
  int64_t key_bytes_;
  IndexerLoss loss_;
  QueryReads reads_, all_;
  std::vector<std::byte> together_;
  std::vector<const std::byte*> key_at_, row_at_;
  std::vector<Real*> dkey_at_;
  std::vector<Real> scores_, mass_, all_mass_, dscores_;
  std::vector<int32_t> ids_;
};

// Losses and gradients of all queries; dkeys [entries, dI] is added to.
template <class Real>
IndexerLoss all_queries(const Context<Real>& ctx, const LossInput<Real>& in, const BatchRows& batch,
                        Mat<Real> dkeys) {
  const std::vector<QueryBlock> blocks = batch.query_blocks();
  const auto bytes = [&](int64_t b) {  // at most
    const QueryBlock& block = blocks[static_cast<size_t>(b)];
    return block.end / in.layer.ratio * dkeys.cols * static_cast<int64_t>(sizeof(Real));
  };
  IndexerLoss sum;
  for_block_runs(std::ssize(blocks), bytes, [&](int64_t begin, int64_t end) {
    const ArenaScope scope(ctx.arena());
    const int64_t count = end - begin;
    std::vector<PartialRows<Real>> keys(static_cast<size_t>(count));
    std::vector<IndexerLoss> losses(keys.size());
    for (int64_t b = 0; b < count; ++b) {
      PartialRows<Real>& each = keys[static_cast<size_t>(b)];
      each.ids = entries_of_block(in.config, in.layer, blocks[static_cast<size_t>(begin + b)],
                                  in.saved.chosen, in.saved.chosen_width);
      each.sums = ctx.arena().template allocate<Real>(each.size() * dkeys.cols);
    }
    ctx.parallel_for(count, 1, [&](int64_t first, int64_t last) {
      for (int64_t b = first; b < last; ++b) {
        const auto i = static_cast<size_t>(b);
        losses[i] = BlockLoss<Real>(ctx, in, blocks[static_cast<size_t>(begin + b)], keys[i]).run();
      }
    });
    add_partial_rows<Real>(ctx, keys, dkeys);
    for (const IndexerLoss& each : losses) sum += each;
  });
  return sum;
}

}  // namespace

template <class Real>
IndexerLoss indexer_backward(const Context<Real>& ctx, const ModelConfig& config,
                             const AttentionParams<WeightView>& w, const LayerConfig& layer,
                             const RopeFrequencies& rope, const Real* cos, const Real* sin,
                             const BatchRows& batch, Mat<const Real> x, const AttentionSaved<Real>& saved,
                             const IndexerParams<Mat<Real>>& grad, LayerKvGrad<Real>* carried,
                             IndexerObserver<Real>* observer) {
  const ArenaScope scope(ctx.arena());
  const int64_t rows = x.rows, heads = config.index_n_heads, dim = config.index_head_dim,
                r = config.qk_rope_head_dim;
  int64_t queries = ctx.training->indexer_queries;
  if (queries <= 0) {
    queries = 0;
    for (const DocumentRows& d : batch.documents) {
      queries += std::max<int64_t>(0, d.end() - std::max(d.start, layer.ratio - 1));
    }
  }
  if (queries == 0 && !carried) return {};
  const LossInput<Real> in{
      config,
      layer,
      saved,
      ctx.values(w.sink),
      static_cast<Real>(ctx.training->indexer_weight / static_cast<double>(std::max<int64_t>(1, queries))),
      ctx.scratch(rows, heads * dim),
      ctx.scratch(rows, heads),
      observer};
  const Mat<Real> dkeys = carried_entries(carried ? &carried->index_keys : nullptr, batch.entries,
                                          ctx.scratch(batch.entries, dim));
  const IndexerLoss loss = all_queries<Real>(ctx, in, batch, dkeys);

  ctx.parallel_rows(rows, heads * dim * 12, [&](int64_t first, int64_t last) {
    if (ctx.numerics().quantise_indexer) {
      ctx.kernels().hadamard(in.dq.row(first), (last - first) * heads, dim, dim);
    }
    const Real factor = 1 / std::sqrt(static_cast<Real>(dim)) / std::sqrt(static_cast<Real>(heads));
    for (Real* v = in.dweights.row(first); v != in.dweights.row(last); ++v) *v *= factor;
  });
  ctx.rope(in.dq.data + dim - r, rows, in.dq.stride, heads, dim, r / 2, cos, sin, true);
  ctx.linear_latent_backward(in.dq, saved.query_norm, w.indexer.wq_b, {}, grad.wq_b);
  ctx.linear_exact_backward(in.dweights, x, w.indexer.weights_proj, {}, grad.weights_proj);
  compressor_backward<Real>(ctx, config, w.indexer.compressor, layer, rope, EntryUse::index_key, batch, x,
                            saved.index_rows, dkeys, {}, grad.compressor,
                            carried ? &carried->index_rows : nullptr);
  return loss;
}

FATHOM_INSTANTIATE(indexer_backward);

}  // namespace fathom
