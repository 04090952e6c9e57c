#pragma once
/// A recipe made into a run: model, tokenizer and data opened and checked before anything is trained.

#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "text/tokenizer.h"
#include "train/trainer.h"

namespace fathom {

/// Memory of a run, in bytes, as known before it starts.
struct RunMemory {
  int64_t weights = 0;    ///< masters
  int64_t optimizer = 0;  ///< moments
  int64_t gradients = 0;
  int64_t copies = 0;           ///< compute copies of the largest stage
  int64_t block_gradients = 0;  ///< of adapters: those of the block under way; counted in scratch
  int64_t scratch = 0;          ///< streams and the largest layer's intermediate values, about
  int64_t reference = 0;        ///< of a grpo stage with a KL
  int64_t teachers = 0;         ///< of a distill stage: their passes and opinions; their weights are mapped
  int64_t total() const { return weights + optimizer + gradients + copies + scratch + reference + teachers; }
};

/// What a run of the recipe takes, with this table of its parameters.
RunMemory run_memory(const Recipe& recipe, const ParamTable& table);
/// The recipe's model; of `from` the checkpoint is opened, and left in *source if that is asked for.
ModelConfig recipe_model(const Recipe& recipe, std::shared_ptr<const Checkpoint>* source = nullptr);
/// Its parameters, or those of its adapters.
ParamTable recipe_table(const Recipe& recipe, const ModelConfig& model);

class TrainingSession {
 public:
  /// A new run of `recipe` in `folder`. Texts among its data are prepared into folder/data. `run_json` says
  /// how the run was started. Throws Error naming what does not fit: vocabulary, row and context, tokenizer,
  /// those of a teacher too.
  static std::unique_ptr<TrainingSession> start(const Recipe& recipe, const std::filesystem::path& folder);
  /// Makes the folder of a new run; nothing if it is gone on with. `run_json` says how it was started.
  void begin(const std::string& run_json);
  /// A run to go on with; overrides may change its recipe from here on.
  static std::unique_ptr<TrainingSession> resume(const std::filesystem::path& folder,
                                                 const std::vector<std::string>& overrides);
  ~TrainingSession();

  const Recipe& recipe() const { return recipe_; }
  const ModelConfig& config() const { return table_->config(); }
  const ParamTable& table() const { return *table_; }
  /// After begin().
  RunFolder& folder() { return *folder_; }
  const std::vector<RunData>& data() const { return data_; }
  RunMemory memory() const;

  /// Makes the trainer, after begin(); options.learner may be empty for the real model.
  std::unique_ptr<Trainer> trainer(TrainerOptions options);
  /// Writes folder/model from the last checkpoint, as the last stage's precision stores it: bf16, FP8, or FP8
  /// and FP4 as released, with a model card (README.md); of adapters folder/adapter. Returns its path.
  std::filesystem::path release(ThreadPool& pool);

 private:
  explicit TrainingSession(Recipe recipe) : recipe_(std::move(recipe)) {}
  void open_model();
  void check_teachers(const std::string& tokenizer_json);
  void open_data(bool fresh, const std::shared_ptr<const Tokenizer>& tokenizer,
                 const std::string& tokenizer_json, const std::filesystem::path& folder);

  Recipe recipe_;
  std::unique_ptr<ParamTable> table_;
  std::shared_ptr<const Checkpoint> source_;  // `from`; null for a new model
  std::filesystem::path path_;
  std::string tokenizer_json_;
  int64_t teacher_bytes_ = 0;
  std::unique_ptr<RunFolder> folder_;
  std::vector<RunData> data_;
};

}  // namespace fathom
