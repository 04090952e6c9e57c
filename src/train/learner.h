#pragma once
/// What the training loop asks of a model: losses and gradients at the current compute weights. The real one
/// is train/model_learner; tests put toys in its place.

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "model/model.h"
#include "train/dataset.h"
#include "train/policy.h"
#include "train/recipe.h"

namespace fathom {

/// What a teacher makes of a document: the rows before its head's last product.
struct TeacherOpinion {
  std::shared_ptr<const Model> teacher;
  std::vector<float> rows;  ///< [T, D of the teacher]
};

struct PassOptions {
  double mtp_weight = 0, balance_weight = 0, indexer_weight = 0;
  AttentionStage attention = AttentionStage::sparse;
  int64_t micro_rows = 2048;  ///< tokens that are run at once
  int64_t keep_layers = 0;    ///< layers that are not run again on the way back
  std::optional<PolicyOptions>
      policy;  ///< learn(): the documents have credits, in the place of cross-entropy
};

/// The indexer's loss of one layer, summed over its queries.
struct IndexerFigures {
  double kl = 0, kl_uniform = 0, captured = 0;
  int64_t queries = 0;
};

struct PassFigures {
  double loss = 0, lm = 0, mtp = 0, balance = 0;
  int64_t labels = 0, tokens = 0;
  std::vector<IndexerFigures> indexer;            ///< per layer; queries 0 without indexer
  std::vector<std::vector<int64_t>> expert_load;  ///< per block, draft blocks last: tokens x k; empty: none
  PolicyFigures policy;                           ///< of a policy's step
};

class Learner {
 public:
  Learner() = default;
  virtual ~Learner() = default;
  Learner(const Learner&) = delete;
  Learner& operator=(const Learner&) = delete;

  /// Brings the compute weights up to date with the masters.
  virtual void refresh() = 0;
  /// The losses of the documents, and their gradients added to `gradients` [table.size()]: of all parameters,
  /// in the indexer's warm-up of its own alone.
  virtual PassFigures learn(const Row& documents, const PassOptions& options, float* gradients) = 0;
  /// From here on the router chooses as these older weights would for the same documents, while its weights
  /// and all else are the current ones; null: as the current ones. They must outlive their use.
  virtual void anticipate(const MasterWeights* older) = 0;
  virtual PassFigures evaluate(const Row& documents, const PassOptions& options) = 0;
};

/// Makes the learner of a stage over masters that outlive it.
using LearnerFactory =
    std::function<std::unique_ptr<Learner>(const ParamTable&, const MasterWeights&, const RecipeStage&)>;

}  // namespace fathom
