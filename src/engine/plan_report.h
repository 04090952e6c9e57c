#pragma once
/// What `fathom plan` shows: models side by side at some contexts, as a table, as JSON and as a picture.

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "engine/cost.h"
#include "engine/price_file.h"

namespace fathom {

/// The model a user names: a preset ("v4-pro", ...), "v3.2", or a checkpoint (folder or file; a folder with a
/// config.json alone will do, its bytes are then those of the usual format). Throws Error.
CostModel plan_model(const std::string& name_or_path);

struct PlanOptions {
  std::vector<int64_t> contexts = {};    ///< tokens, each 0..kMaxPlanContext
  MachineSpeed machine = {};             ///< 0 = not known: no times are shown
  bool measured = false;                 ///< the machine's speed was measured here, not given
  double price_per_hour = 0;             ///< 0 = no own price; currency as the user means it
  std::optional<PriceFile> prices = {};  ///< shown beside DeepSeek's
};

/// A table for people: one section per model, a column per context, then the conventions.
std::string plan_table(std::span<const CostModel> models, const PlanOptions& options);
/// The same figures for machines; numbers are not rounded.
std::string plan_json(std::span<const CostModel> models, const PlanOptions& options);
/// Two panels over context length on log axes: FLOPs of a token and KV bytes of a sequence, each model and
/// V3.2. A complete SVG 1.1 document on a white ground.
std::string plan_svg(std::span<const CostModel> models);

/// "284.33B", "1.57T": a count in units of a thousand, million, billion or trillion.
std::string human_count(double value);
/// "97.70G": operations with SI prefixes.
std::string human_flops(double value);
/// "48.07 GB": bytes in decimal units.
std::string human_bytes(double value);

}  // namespace fathom
