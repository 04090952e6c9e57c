#include "engine/recorder.h"

#include <algorithm>

#include "base/error.h"
#include "model/instantiate.h"
#include "model/memory_limit.h"

namespace fathom {
namespace {

template <class Real>
class Recorder : public Trace<Real> {
 public:
  explicit Recorder(std::map<int64_t, LayerRecord>& layers) : layers_(layers) {}

  void streams(int64_t layer, const Real* values, int64_t rows, int64_t width) override {
    auto& out = layers_[layer].streams;
    for (int64_t i = 0; i < rows * width; ++i) out.push_back(static_cast<float>(values[i]));
  }
  void router(int64_t layer, const int32_t* ids, const Real* weights, int64_t rows, int64_t k) override {
    LayerRecord& out = layers_[layer];
    out.router_ids.insert(out.router_ids.end(), ids, ids + rows * k);
    for (int64_t i = 0; i < rows * k; ++i) out.router_weights.push_back(static_cast<float>(weights[i]));
  }
  void indexer(int64_t layer, const int32_t* ids, int64_t rows, int64_t width) override {
    // The width grows with the visible entries: earlier rows are widened with -1.
    LayerRecord& out = layers_[layer];
    if (width > out.indexer_width) {
      std::vector<int32_t> wider;
      const auto old = static_cast<size_t>(out.indexer_width);
      const size_t old_rows = rows_[layer];
      for (size_t t = 0; t < old_rows; ++t) {
        wider.insert(wider.end(), out.indexer.begin() + static_cast<std::ptrdiff_t>(t * old),
                     out.indexer.begin() + static_cast<std::ptrdiff_t>((t + 1) * old));
        wider.resize((t + 1) * static_cast<size_t>(width), -1);
      }
      out.indexer = std::move(wider);
      out.indexer_width = width;
    }
    for (int64_t t = 0; t < rows; ++t) {
      out.indexer.insert(out.indexer.end(), ids + t * width, ids + (t + 1) * width);
      out.indexer.resize(out.indexer.size() + static_cast<size_t>(out.indexer_width - width), -1);
    }
    rows_[layer] += static_cast<size_t>(rows);
  }

 private:
  std::map<int64_t, LayerRecord>& layers_;
  std::map<int64_t, size_t> rows_;
};

template <class Real>
void append(std::vector<float>& out, Mat<const Real> m) {
  for (int64_t t = 0; t < m.rows; ++t) {
    for (int64_t c = 0; c < m.cols; ++c) out.push_back(static_cast<float>(m.row(t)[c]));
  }
}

}  // namespace

int64_t record_bytes(const Model& model, int64_t tokens, const RecordOptions& options) {
  const ModelConfig& c = model.config();
  int64_t row = c.vocab_size;
  if (options.mtp && model.mtp_blocks() > 0) row += c.vocab_size;
  if (options.trace) {
    for (const LayerConfig& layer : c.layers) {
      row += c.hc_mult * c.hidden_size + 2 * c.num_experts_per_tok;
      if (layer.kind == LayerKind::csa) row += std::min(c.index_topk, tokens / layer.ratio);
    }
  }
  return tokens * row * int64_t{sizeof(float)};  // ids have as many bytes
}

template <class Real>
SequenceRecord record_sequence(Runtime<Real>& runtime, const Model& model, std::span<const int32_t> tokens,
                               const RecordOptions& options) {
  const int64_t longest = model.config().max_position_embeddings;
  if (std::ssize(tokens) > longest) {
    bad_input("tokens: expected at most {} (max_position_embeddings), found {}", longest, tokens.size());
  }
  const int64_t kept = options.kept_bytes + record_bytes(model, std::ssize(tokens), options);
  claim_memory(model, runtime, std::ssize(tokens), 1, kept);
  SequenceRecord record;
  Recorder<Real> recorder(record.layers);
  Context<Real> ctx = runtime.context(model.config());
  if (options.trace) ctx.trace = &recorder;
  KvState kv = model.new_state(runtime.numerics(), sizeof(Real));
  const bool mtp = options.mtp && model.mtp_blocks() > 0;
  for (size_t begin = 0; begin < tokens.size();) {
    const int64_t chunk = begin == 0 && options.first_chunk > 0 ? options.first_chunk : options.chunk;
    const size_t count = std::min(static_cast<size_t>(chunk), tokens.size() - begin);
    const ArenaScope scope(ctx.arena());
    Batch batch;
    batch.add(kv, tokens.subspan(begin, count), LogitRows::all);
    const ForwardResult<Real> result = model.forward(ctx, batch);
    append<Real>(record.logits, result.logits);
    // Row t of the MTP block needs token t+1: the very last row has none.
    const size_t draft_rows = std::min(count, tokens.size() - 1 - begin);
    if (mtp && draft_rows > 0) {
      Batch draft;
      draft.add(kv, tokens.subspan(begin + 1, draft_rows));
      append<Real>(record.mtp_logits,
                   model.forward_mtp<Real>(ctx, 0, draft,
                                           result.streams.slice_rows(0, static_cast<int64_t>(draft_rows))));
    }
    begin += count;
  }
  return record;
}
FATHOM_INSTANTIATE(record_sequence);

}  // namespace fathom
