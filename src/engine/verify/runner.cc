#include "engine/verify/runner.h"

#include <algorithm>
#include <deque>

#include "base/error.h"
#include "engine/verify/checks.h"

namespace fathom::verify {
namespace {

// Prompt tokens that enter one batch: bounds its scratch memory.
constexpr int64_t kPromptTokens = 512;

struct Sequence {
  size_t request;
  KvState kv;
  int64_t fed = 0;  // prompt tokens run
};

// Takes one id from the row of logits; returns whether the sequence is finished.
template <class Real>
bool take(const Real* row, const ModelConfig& config, const GreedyRequest& request, GreedyAnswer& answer) {
  std::vector<float> logits(static_cast<size_t>(config.vocab_size));
  for (size_t i = 0; i < logits.size(); ++i) logits[i] = static_cast<float>(row[i]);
  const int32_t id = argmax(logits);
  float next = -std::numeric_limits<float>::infinity();
  for (size_t i = 0; i < logits.size(); ++i) {
    if (static_cast<int32_t>(i) != id) next = std::max(next, logits[i]);
  }
  answer.ids.push_back(id);
  answer.top1.push_back(logits[static_cast<size_t>(id)]);
  answer.margin.push_back(logits[static_cast<size_t>(id)] - next);
  if (answer.ids.size() == 1) answer.first_logits = logits;
  answer.last_logits = std::move(logits);
  const auto& eos = config.eos_token_ids;
  return static_cast<int64_t>(answer.ids.size()) >= request.max_new ||
         (request.stop_at_eos && std::find(eos.begin(), eos.end(), id) != eos.end());
}

template <class Real>
std::vector<GreedyAnswer> run_greedy(Runtime<Real>& runtime, const Model& model,
                                     std::span<const GreedyRequest> requests, int64_t company,
                                     const std::function<void(int64_t)>& progress) {
  const Context<Real> ctx = runtime.context(model.config());
  std::vector<GreedyAnswer> answers(requests.size());
  std::deque<Sequence> active;
  size_t next = 0, finished = 0;
  while (finished < requests.size()) {
    while (next < requests.size() && static_cast<int64_t>(active.size()) < company) {
      if (requests[next].prompt.empty()) bad_input("greedy: expected a prompt, found no tokens");
      active.push_back({next, model.new_state(runtime.numerics(), sizeof(Real))});
      ++next;
    }
    Batch batch;
    std::vector<Sequence*> rows;  // of the logits
    int64_t prompt_budget = kPromptTokens;
    for (Sequence& s : active) {
      const auto& prompt = requests[s.request].prompt;
      const int64_t left = static_cast<int64_t>(prompt.size()) - s.fed;
      if (left == 0) {
        batch.add(s.kv, std::span(&answers[s.request].ids.back(), 1));
        rows.push_back(&s);
        continue;
      }
      const int64_t count = std::min(left, prompt_budget);
      if (count == 0) continue;
      batch.add(s.kv, std::span(prompt).subspan(static_cast<size_t>(s.fed), static_cast<size_t>(count)),
                count == left ? LogitRows::last : LogitRows::none);
      if (count == left) rows.push_back(&s);
      s.fed += count;
      prompt_budget -= count;
    }
    const ArenaScope scope(ctx.arena());
    const Mat<Real> logits = model.forward(ctx, batch).logits;
    std::vector<size_t> done;
    for (size_t i = 0; i < rows.size(); ++i) {
      const size_t r = rows[i]->request;
      if (take(logits.row(static_cast<int64_t>(i)), model.config(), requests[r], answers[r]))
        done.push_back(r);
    }
    finished += done.size();
    std::erase_if(active, [&](const Sequence& s) {
      return std::find(done.begin(), done.end(), s.request) != done.end();
    });
    if (progress) progress(static_cast<int64_t>(finished));
  }
  return answers;
}

}  // namespace

RuntimeOptions runtime_options(const VerifyOptions& options, const Numerics& numerics) {
  RuntimeOptions runtime;
  runtime.target = options.target;
  runtime.pool.threads = options.threads;
  runtime.pool.pin = options.pin;
  runtime.numerics = numerics;
  return runtime;
}

Runner::Runner(std::shared_ptr<const Model> model, const Numerics& numerics, const VerifyOptions& options)
    : model_(std::move(model)) {
  RuntimeOptions runtime = runtime_options(options, numerics);
  if (options.double_model && numerics == Numerics::exact()) {
    runtime.numerics = Numerics::exact_double();
    double_ = std::make_unique<Runtime<double>>(runtime);
  } else {
    single_ = std::make_unique<Runtime<float>>(runtime);
  }
}

Runner::~Runner() = default;

SequenceRecord Runner::record(std::span<const int32_t> tokens, const RecordOptions& options) {
  return double_ ? record_sequence(*double_, *model_, tokens, options)
                 : record_sequence(*single_, *model_, tokens, options);
}

TextScore Runner::score(std::span<const int32_t> text, const ScoreOptions& options) {
  return double_ ? score_text(*double_, *model_, text, options)
                 : score_text(*single_, *model_, text, options);
}

std::vector<GreedyAnswer> Runner::greedy(std::span<const GreedyRequest> requests, int64_t company,
                                         const std::function<void(int64_t)>& progress) {
  return double_ ? run_greedy(*double_, *model_, requests, company, progress)
                 : run_greedy(*single_, *model_, requests, company, progress);
}

}  // namespace fathom::verify
