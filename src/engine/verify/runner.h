#pragma once
/// Runs sequences for verify: whole ones with everything recorded, and many greedy continuations at once.

#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "engine/recorder.h"
#include "engine/score.h"
#include "engine/verify/verify.h"

namespace fathom::verify {

struct GreedyRequest {
  std::vector<int32_t> prompt;
  int64_t max_new = 0;
  bool stop_at_eos = false;  ///< the config's eos ids; the id itself is kept
};
struct GreedyAnswer {
  std::vector<int32_t> ids;
  std::vector<float> first_logits, last_logits;  ///< [V] rows that gave the first and the last id
  std::vector<float> top1, margin;               ///< per id: largest logit, and its distance to the next
};

/// Target and threads of the options, with these numerics.
RuntimeOptions runtime_options(const VerifyOptions& options, const Numerics& numerics);

/// One model in one arithmetic. Exact numerics run in double where the options ask for the double model.
class Runner {
 public:
  Runner(std::shared_ptr<const Model> model, const Numerics& numerics, const VerifyOptions& options);
  ~Runner();

  const Model& model() const { return *model_; }
  SequenceRecord record(std::span<const int32_t> tokens, const RecordOptions& options);
  TextScore score(std::span<const int32_t> text, const ScoreOptions& options);

  /// Greedy continuations, up to `company` sequences in a batch; prompts are read beside the sequences that
  /// are already decoding. progress(finished) is called after each batch.
  std::vector<GreedyAnswer> greedy(std::span<const GreedyRequest> requests, int64_t company = 64,
                                   const std::function<void(int64_t)>& progress = {});

 private:
  std::shared_ptr<const Model> model_;
  std::unique_ptr<Runtime<float>> single_;
  std::unique_ptr<Runtime<double>> double_;
};

}  // namespace fathom::verify
