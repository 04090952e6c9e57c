#pragma once
/// A recipe: what a training run does, from a JSON file. Every field has one place here, one name there and
/// can be overridden by its path (stages.0.steps=10). Source: architecture.md section 13.

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "train/document_maker.h"
#include "train/master_weights.h"
#include "train/optimizer.h"
#include "train/practice_options.h"
#include "train/schedule.h"
#include "train/spike_guard.h"

namespace fathom {

/// What CSA layers attend to, and what is trained.
enum class AttentionStage : uint8_t {
  dense,    ///< all visible entries; the indexer only where indexer_weight says so
  indexer,  ///< warm-up: the indexer alone learns, from attention over all visible entries
  sparse,   ///< the entries the indexer chooses; it goes on learning on them
};
std::string_view name(AttentionStage stage);

/// What a stage learns from.
enum class StageKind : uint8_t {
  data,     ///< the rows of its sources
  grpo,     ///< what its own answers to problems are worth; no MTP loss, and row is a prompt with its answer
  distill,  ///< what teachers make of its own answers; otherwise as grpo
};

struct RecipeStage {
  std::string name;
  StageKind kind = StageKind::data;
  GrpoOptions grpo;        ///< of kind grpo
  DistillOptions distill;  ///< of kind distill
  int64_t steps = 0;
  int64_t row = 512;         ///< tokens of a row
  int64_t batch_first = 0;   ///< tokens of a step at the stage's beginning; 0: batch
  int64_t batch = 8192;      ///< tokens of a step
  int64_t batch_ramp = 0;    ///< steps from batch_first to batch
  double rate = 4e-3;        ///< peak learning rate of Muon's matrices
  double adamw_rate = 0;     ///< of embedding and head; 0: rate
  double vector_rate = 0;    ///< of norms, sinks, mHC base and scale, ape; 0: adamw_rate
  int64_t warmup = 0;        ///< steps
  double decay_from = 1;     ///< share of the stage's steps after which the rate falls; 1: never
  double final_share = 0.1;  ///< of the peak, at the last step
  Precision precision = Precision::bf16;
  AttentionStage attention = AttentionStage::sparse;
  double indexer_weight = 1;      ///< of the indexer's KL loss
  double mtp_weight = 0.3;        ///< lambda while the rate is constant
  double mtp_weight_decay = 0.1;  ///< lambda while it falls
  double balance_weight = 1e-4;
  double bias_speed = 1e-3;               ///< router bias step
  std::map<std::string, double> mixture;  ///< source -> weight; empty: all sources alike

  Schedule schedule() const;
  /// Rows of step s.
  int64_t rows(int64_t s) const;
  /// Most tokens of a step.
  int64_t step_tokens() const;
};

struct RecipeData {
  std::string path;  ///< a folder made by fathom data, or a text or .jsonl that the run prepares
  std::optional<DataGenerator> generate;  ///< instead: problems or stories, made as they are drawn
};

struct Recipe {
  std::string name = "run";
  uint64_t seed = 0;
  std::string from;         ///< checkpoint that training starts from; empty: a new model
  std::string config_json;  ///< the new model's config.json; empty with `from`
  std::string tokenizer;    ///< a tokenizer.json or model; empty: that of `from`
  std::map<std::string, RecipeData> data;
  double validation_share = 0.02;  ///< of texts that the run prepares itself
  int64_t document_tokens = 4096;  ///< likewise: length at which texts are cut
  AdapterShape lora;               ///< rank 0: the model itself is trained
  ParamTableOptions params;        ///< optimizer.kind, .split, .per_head
  OptimizerOptions optimizer;
  double clip = 0;  ///< largest gradient norm; 0: none
  InitialWeights initial;
  SpikeGuardOptions guard;
  int64_t checkpoint_every = 200;  ///< steps
  int64_t checkpoint_keep = 2;
  int64_t validation_every = 0;  ///< steps; 0: at the ends of stages
  int64_t validation_tokens = 32768;
  int64_t micro_rows = 2048;  ///< tokens that are run at once: memory
  int64_t keep_layers = 64;   ///< layers, the last ones, that keep their values for the way back: speed
  std::vector<RecipeStage> stages;

  int64_t steps() const;
  /// Reads and checks a recipe. Relative paths in it start from `folder`. Overrides are "path=value": the
  /// value as JSON, or a text. Throws Error(bad_input) naming the key: unknown, of another type, out of
  /// range, or in contradiction to another.
  static Recipe parse(std::string_view text, const std::string& where, const std::string& folder,
                      const std::vector<std::string>& overrides = {});
  /// The whole recipe with all defaults, which parse() reads back.
  std::string to_json() const;
};

}  // namespace fathom
