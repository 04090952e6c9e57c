#include "post/rollout.h"

#include <algorithm>
#include <list>

#include "base/error.h"
#include "model/head.h"
#include "model/memory_limit.h"

namespace fathom {
namespace {

struct Active {
  Active(size_t at, const RolloutRequest& r, KvState state)
      : index(at), request(r), kv(std::move(state)), limit(r.max_tokens) {
    tokens = r.prompt;
  }
  int64_t unread() const { return std::ssize(tokens) - kv.position(); }

  size_t index;
  const RolloutRequest& request;
  KvState kv;
  std::vector<int32_t> tokens;  // prompt and answer
  TokenHistory history;
  int64_t limit;  // tokens of the answer
};

class Batcher {
 public:
  Batcher(const Model& model, const Context<float>& ctx, std::span<const RolloutRequest> requests,
          const RolloutOptions& options)
      : model_(model), ctx_(ctx), requests_(requests), options_(options), rollouts_(requests.size()) {
    const ModelConfig& config = model.config();
    options.sampling.check(config.vocab_size);
    const SamplingParams& s = options.sampling;
    keeps_history_ = s.repetition_penalty != 1 || s.presence_penalty != 0 || s.frequency_penalty != 0;
    for (size_t i = 0; i < requests.size(); ++i) {
      const auto size = std::ssize(requests[i].prompt);
      if (size == 0 || size > config.max_position_embeddings) {
        bad_input("prompt {}: expected 1 to {} tokens, found {}", i, config.max_position_embeddings, size);
      }
    }
  }

  std::vector<Rollout> run() {
    int64_t told = -1;
    while (next_ < requests_.size() || !active_.empty()) {
      while (next_ < requests_.size() && std::ssize(active_) < options_.batch) admit();
      step();
      const int64_t done = static_cast<int64_t>(next_) - std::ssize(active_);
      if (options_.progress && done != told && !options_.progress(done, std::ssize(requests_))) break;
      told = done;
    }
    return std::move(rollouts_);
  }

 private:
  void admit() {
    const RolloutRequest& request = requests_[next_];
    Active& a = active_.emplace_back(next_++, request, model_.new_state(ctx_.numerics()));
    a.limit = std::min(a.limit, model_.config().max_position_embeddings - std::ssize(request.prompt) + 1);
    if (keeps_history_) a.history.add_prompt(request.prompt);
    if (a.limit < 1) active_.pop_back();
  }

  // Sequences that write take a row each, then prompts fill up the step.
  void step() {
    const ArenaScope scope(ctx_.arena());
    Batch batch;
    std::vector<std::list<Active>::iterator> writers;
    int64_t rows = std::max(options_.step_rows, int64_t{1});
    for (const bool prompts : {false, true}) {
      for (auto a = active_.begin(); a != active_.end(); ++a) {
        const int64_t unread = a->unread();
        if ((unread > 1) != prompts || rows == 0) continue;
        const int64_t count = std::min(unread, rows);
        const bool whole = count == unread;
        batch.add(
            a->kv,
            std::span(a->tokens).subspan(static_cast<size_t>(a->kv.position()), static_cast<size_t>(count)),
            whole ? LogitRows::last : LogitRows::none);
        if (whole) writers.push_back(a);
        rows -= count;
      }
    }
    if (batch.spans.empty()) return;
    const ForwardResult<float> result = model_.forward(ctx_, batch);
    for (size_t i = 0; i < writers.size(); ++i) {
      const float* logits = result.logits.row(static_cast<int64_t>(i));
      if (take(*writers[i], std::span(logits, static_cast<size_t>(result.logits.cols))))
        active_.erase(writers[i]);
    }
  }

  // The next token of a sequence; true if it was the last.
  bool take(Active& a, std::span<const float> logits) {
    Rollout& out = rollouts_[a.index];
    const int32_t id = pick_token(logits, options_.sampling, a.history, a.request.seed, std::ssize(a.tokens));
    out.ids.push_back(id);
    if (options_.logprobs) {
      const auto inverse = static_cast<float>(1 / options_.logprob_temperature);
      out.logprobs.push_back(label_log_prob<float>(ctx_, logits, id, inverse));
    }
    a.tokens.push_back(id);
    if (keeps_history_) ++a.history.answer[id];
    out.ended =
        std::find(options_.stop_tokens.begin(), options_.stop_tokens.end(), id) != options_.stop_tokens.end();
    return out.ended || std::ssize(out.ids) >= a.limit;
  }

  const Model& model_;
  const Context<float>& ctx_;
  std::span<const RolloutRequest> requests_;
  const RolloutOptions& options_;
  std::vector<Rollout> rollouts_;
  std::list<Active> active_;
  size_t next_ = 0;
  bool keeps_history_ = false;
};

}  // namespace

std::vector<Rollout> roll_out(const Model& model, const Context<float>& ctx,
                              std::span<const RolloutRequest> requests, const RolloutOptions& options) {
  return Batcher(model, ctx, requests, options).run();
}

std::vector<Rollout> roll_out(const Model& model, Runtime<float>& runtime,
                              std::span<const RolloutRequest> requests, const RolloutOptions& options) {
  int64_t longest = 0;
  for (const RolloutRequest& r : requests)
    longest = std::max(longest,
                       std::min(std::ssize(r.prompt) + r.max_tokens, model.config().max_position_embeddings));
  if (!requests.empty()) claim_memory(model, runtime, longest, std::min(options.batch, std::ssize(requests)));
  const Context<float> ctx = runtime.context(model.config());
  return roll_out(model, ctx, requests, options);
}

}  // namespace fathom
