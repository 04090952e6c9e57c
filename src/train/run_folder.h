#pragma once
/// The folder of a run: recipe.json, tokenizer.json, run.json (how it was started), log.jsonl and
/// checkpoints/step-N, each of which is a model folder with the optimizer's state beside it. A checkpoint
/// appears whole or not at all; a run that is killed goes on from the last one.

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "train/dataset.h"
#include "train/master_weights.h"
#include "train/optimizer.h"
#include "train/spike_guard.h"

namespace fathom {

/// Where a run stands, beside weights and optimizer. All randomness is a function of seed and position, so
/// this is the random state too.
struct TrainState {
  int64_t stage = 0, stage_step = 0;  ///< of the step to come
  int64_t step = 0;                   ///< steps done, skipped ones too
  int64_t tokens = 0;
  int64_t skipped = 0;  ///< steps that the guard did not take
  int64_t rollbacks = 0, anticipate_left = 0;
  DataPosition data;
  std::vector<Row> practice;  ///< answers of a round that later steps learn from, by step
  std::vector<double> guard_loss, guard_norm;
  int64_t guard_skipped = 0;
  int64_t log_bytes = 0;  ///< length of log.jsonl at this point
};

class RunFolder {
 public:
  /// A new run. Throws Error(bad_input) if the folder has one already.
  static RunFolder create(const std::filesystem::path& path, const std::string& recipe_json,
                          const std::string& tokenizer_json, const std::string& run_json);
  /// A run to go on with. Throws Error(not_found).
  static RunFolder open(const std::filesystem::path& path);

  const std::filesystem::path& path() const { return path_; }
  std::string recipe_json() const;
  std::string tokenizer_json() const;

  /// Adds a line to log.jsonl.
  void log(const std::string& line);
  /// Cuts log.jsonl to a length that it had at a checkpoint.
  void truncate_log(int64_t bytes);
  int64_t log_bytes() const;

  /// Steps of the whole checkpoints, ascending.
  std::vector<int64_t> checkpoints() const;
  std::filesystem::path checkpoint(int64_t step) const;
  /// Writes a checkpoint and removes all but the last `keep`. Throws Error(io); the older ones are then
  /// untouched.
  void save(const TrainState& state, const ParamTable& table, const MasterWeights& masters,
            const Optimizer& optimizer, int64_t keep);
  /// Reads one back. Throws Error naming file and tensor: absent, of another shape, not finite.
  TrainState load(int64_t step, const ParamTable& table, MasterWeights& masters, Optimizer& optimizer) const;
  /// Replaces the state of a checkpoint: after a rollback, a run that is killed must not forget it.
  void replace_state(int64_t step, const TrainState& state) const;

 private:
  explicit RunFolder(std::filesystem::path path) : path_(std::move(path)) {}
  std::filesystem::path path_;
};

/// Writes the masters as an F32 model folder under official names, or adapters as an adapter's.
void write_model(const std::filesystem::path& folder, const ParamTable& table, const MasterWeights& masters,
                 const std::string& tokenizer_json);

}  // namespace fathom
