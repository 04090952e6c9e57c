#include "engine/score.h"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <vector>

#include "base/error.h"
#include "model/instantiate.h"
#include "model/memory_limit.h"

namespace fathom {
namespace {

double share(int64_t part, int64_t of) {
  return of == 0 ? 0 : static_cast<double>(part) / static_cast<double>(of);
}

template <class Real>
int32_t first_choice(const Real* logits, int64_t vocab) {
  return static_cast<int32_t>(std::max_element(logits, logits + vocab) - logits);  // the lowest of equal ones
}

template <class Real>
double negative_log_likelihood(const Real* logits, int64_t vocab, int32_t target) {
  const auto largest = static_cast<double>(*std::max_element(logits, logits + vocab));
  double sum = 0;
  for (int64_t i = 0; i < vocab; ++i) sum += std::exp(static_cast<double>(logits[i]) - largest);
  return largest + std::log(sum) - static_cast<double>(logits[target]);
}

// One row being scored; what a token needs of the chunk before is kept.
template <class Real>
class RowScorer {
 public:
  RowScorer(Runtime<Real>& runtime, const Model& model, const ScoreOptions& options, TextScore& score)
      : runtime_(runtime), model_(model), options_(options), score_(score) {}

  // ids: BOS and the row's tokens. Returns false if progress asked to stop.
  bool run(std::span<const int32_t> ids, int64_t total) {
    const Context<Real> ctx = runtime_.context(model_.config());
    KvState kv = model_.new_state(runtime_.numerics(), sizeof(Real));
    const bool mtp = options_.mtp && model_.mtp_blocks() > 0;
    const int64_t length = std::ssize(ids);
    int32_t draft = -1;  // for the token after the next one
    for (int64_t begin = 0; begin < length; begin += options_.chunk) {
      const int64_t count = std::min(options_.chunk, length - begin);
      const ArenaScope scope(ctx.arena());
      Batch batch;
      batch.add(kv, ids.subspan(static_cast<size_t>(begin), static_cast<size_t>(count)), LogitRows::all);
      const ForwardResult<Real> result = model_.forward(ctx, batch);
      // Row t of the MTP block needs token t+1; its draft, for t+2, is of use up to the last but one.
      const int64_t draft_rows = mtp ? std::min(count, length - 1 - begin) : 0;
      Mat<Real> drafts;
      if (draft_rows > 0) {
        Batch next;
        next.add(kv, ids.subspan(static_cast<size_t>(begin + 1), static_cast<size_t>(draft_rows)));
        drafts = model_.forward_mtp<Real>(ctx, 0, next, result.streams.slice_rows(0, draft_rows));
      }
      for (int64_t i = 0; i < count; ++i) {
        const int64_t t = begin + i;
        if (t + 1 >= length) break;  // the last row predicts what the text does not have
        take(result.logits.row(i), ids[static_cast<size_t>(t + 1)], draft);
        draft = i < draft_rows ? first_choice(drafts.row(i), drafts.cols) : -1;
      }
      if (options_.progress && !options_.progress(score_.tokens, total)) return false;
    }
    return true;
  }

 private:
  void take(const Real* logits, int32_t target, int32_t draft) {
    const int64_t vocab = model_.config().vocab_size;
    const int32_t choice = first_choice(logits, vocab);
    score_.nll += negative_log_likelihood(logits, vocab, target);
    score_.right += choice == target;
    ++score_.tokens;
    if (draft < 0) return;
    score_.drafts_accepted += draft == choice;
    score_.drafts_right += draft == target;
    ++score_.drafts;
  }

  Runtime<Real>& runtime_;
  const Model& model_;
  const ScoreOptions& options_;
  TextScore& score_;
};

}  // namespace

double TextScore::nll_per_token() const { return tokens == 0 ? 0 : nll / static_cast<double>(tokens); }
double TextScore::perplexity() const { return std::exp(nll_per_token()); }
double TextScore::bits_per_byte(int64_t bytes) const {
  return bytes == 0 ? 0 : nll / std::numbers::ln2 / static_cast<double>(bytes);
}
double TextScore::top1() const { return share(right, tokens); }
double TextScore::draft_acceptance() const { return share(drafts_accepted, drafts); }
double TextScore::draft_accuracy() const { return share(drafts_right, drafts); }

template <class Real>
TextScore score_text(Runtime<Real>& runtime, const Model& model, std::span<const int32_t> text,
                     const ScoreOptions& options) {
  const ModelConfig& config = model.config();
  const int64_t longest = config.max_position_embeddings;
  const int64_t row = options.row == 0 ? longest : options.row;
  if (row < 2 || row > longest) {
    bad_input("row: expected 2 to {} tokens (max_position_embeddings), found {}", longest, row);
  }
  for (const int32_t id : text) {
    if (id < 0 || id >= config.vocab_size)
      bad_input("text: expected token ids below {}, found {}", config.vocab_size, id);
  }
  claim_memory(model, runtime, std::min(row, std::ssize(text) + 1));
  TextScore score;
  const int64_t total = std::ssize(text);
  for (int64_t begin = 0; begin < total; begin += row - 1) {
    std::vector<int32_t> ids{config.bos_token_id};
    const auto part =
        text.subspan(static_cast<size_t>(begin), static_cast<size_t>(std::min(row - 1, total - begin)));
    ids.insert(ids.end(), part.begin(), part.end());
    ++score.rows;
    if (!RowScorer<Real>(runtime, model, options, score).run(ids, total)) break;
  }
  return score;
}
FATHOM_INSTANTIATE(score_text);

}  // namespace fathom
