#pragma once
/// What a model costs: parameters, bytes, FLOPs of one decoded token, bytes of state, time and money.
/// Source: architecture.md section 10, which also says by which conventions the published figures come out.

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/dtype.h"
#include "model/config.h"
#include "model/inventory.h"

namespace fathom {

/// Parameters of one part of a model. Draft layers, scales and tid2eid are not counted.
struct PartCount {
  std::string part;  ///< "embedding", "attention", "experts", ...
  int64_t total = 0;
  int64_t active = 0;  ///< those that one token meets: all but the embedding table; k of the routed experts
};

/// How `count` layers attend to a context, in any of the models compared.
struct AttentionCost {
  int64_t count = 0;
  std::string kind;            ///< "swa", "csa", "hca", "mla"
  int64_t window = 0;          ///< raw rows attended and kept: min(N, window)
  int64_t ratio = 0;           ///< tokens per further entry; 0 = none
  int64_t top_k = 0;           ///< entries attended at most; 0 = all
  double flops_per_entry = 0;  ///< of core attention: queries times keys, weights times values
  double index_flops = 0;      ///< of the indexer, per entry that exists
  int64_t entry_bytes = 0;     ///< of one row or entry, deployed format
  int64_t index_bytes = 0;     ///< of one indexer key

  int64_t entries_kept(int64_t context) const { return ratio > 0 ? context / ratio : 0; }
  int64_t window_rows(int64_t context) const { return context < window ? context : window; }
  int64_t entries_read(int64_t context) const;  ///< window rows and chosen entries
};

/// FLOPs of one decoded token (a multiply-add counts 2).
struct TokenFlops {
  double linear = 0, attention = 0, indexer = 0;
  double index_weight = 1;  ///< FP4 indexer .5, FP8 indexer 1
  double plain() const { return linear + attention + indexer; }
  /// bf16 work (core attention) counts double, FP8 once, FP4 half: the published ratios' convention.
  double equivalent_fp8() const { return linear + 2 * attention + index_weight * indexer; }
};

/// Everything that the formulas need of one model.
struct CostModel {
  std::string name;
  std::vector<PartCount> parts;
  std::vector<AttentionCost> attention;
  std::map<DType, int64_t> bytes_by_dtype;  ///< whole checkpoint without draft layers, scales included
  std::map<DType, int64_t> draft_bytes_by_dtype;
  int64_t active_bytes = 0;  ///< weights, with scales, that one decoded token reads
  double index_weight = 1;
  int64_t draft_active =
      0;  ///< parameters that one token meets in an MTP block that is trained, head included

  int64_t total_parameters() const;
  int64_t active_parameters() const;
  int64_t bytes() const;
  int64_t draft_bytes() const;

  /// All for a sequence of `context` tokens, 0 <= context <= kMaxPlanContext.
  TokenFlops flops(int64_t context) const;
  int64_t kv_bytes(int64_t context) const;       ///< state kept per sequence
  int64_t kv_bytes_read(int64_t context) const;  ///< state that one decoded token reads
};

/// So that no sum of bytes overflows for any config that ModelConfig::validate() lets through.
inline constexpr int64_t kMaxPlanContext = (int64_t{1} << 31) - 1;

/// The model of a config, its tensors as `storage_of` says they lie (values, then scales; empty if absent).
CostModel cost_of(const ModelConfig& config, std::string name,
                  const std::function<std::vector<StoredTensor>(const TensorInfo&)>& storage_of);
/// The same, its weights stored in `format`.
CostModel cost_of(const ModelConfig& config, std::string name, WeightFormat format);
inline CostModel cost_of(const ModelConfig& config, std::string name) {
  return cost_of(config, std::move(name), usual_format(config));
}

/// Speed of a machine, as given or measured.
struct MachineSpeed {
  double bandwidth = 0;  ///< bytes per second read from memory
  double peak = 0;       ///< FLOP per second
};
struct TokenTime {
  double memory_seconds = 0, compute_seconds = 0;
  /// One sequence decoded alone: reading the weights and computing overlap, the slower one decides.
  double seconds() const { return memory_seconds > compute_seconds ? memory_seconds : compute_seconds; }
};
/// Lower bound of the time of one decoded token at `context`, one sequence, plain FLOPs.
TokenTime token_time(const CostModel& model, int64_t context, const MachineSpeed& machine);
/// Money per million decoded tokens on a machine that costs `price_per_hour`.
double cost_per_million(double seconds_per_token, double price_per_hour);

}  // namespace fathom
