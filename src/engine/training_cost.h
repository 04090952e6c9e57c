#pragma once
/// What training a model costs: FLOPs by part, time and money on one machine or many. The counts follow what
/// the trainer does (docs/training.md: "What a run will cost"); conventions of FLOPs as in engine/cost.h.

#include <cstdint>
#include <string>
#include <vector>

#include "engine/cost.h"

namespace fathom {

/// A stage of a run, as far as it decides what a token costs.
struct TrainingPhase {
  std::string name;
  double tokens = 0;   ///< positions that are trained on
  double steps = 0;    ///< of the optimizer
  int64_t row = 4096;  ///< length of the documents, 1..kMaxTrainingRow
  bool dense = false;  ///< CSA layers attend all visible entries
  bool indexer_learns = true;
  bool indexer_only = false;  ///< nothing but the indexer has a gradient
  bool mtp = false;
  double layers_again = 0;     ///< share of the layers whose forward pass runs again on the way back
  double pass_bytes = 0;       ///< of values kept for the way back, per token
  double optimizer_flops = 0;  ///< of a step: Newton-Schulz
  double optimizer_bytes = 0;  ///< of a step: read and written by optimizer and refreshed copies
  double gradient_bytes = 0;   ///< exchanged by a step on several machines
};
inline constexpr int64_t kMaxTrainingRow = int64_t{1} << 24;

/// FLOPs of one part of the model in a whole phase.
struct TrainingPart {
  std::string part;  ///< those of CostModel::parts, "core attention", "indexer scores", "mtp", "optimizer"
  double forward = 0, again = 0, backward = 0;
  bool matrix = true;  ///< products in the machine's fastest format; else fp32 work
  double flops() const { return forward + again + backward; }
};
/// Linear parts: backward is twice forward (gradients of input and of weight). Core attention: 2.5 times
/// (scores once more, and four products). Scores of an indexer that learns: twice. MTP is one more block and
/// the head once more. Positions are those of documents of `row` tokens: a mean over all of them.
std::vector<TrainingPart> training_flops(const CostModel& model, const TrainingPhase& phase);

/// Machines that share a run evenly.
struct TrainingMachines {
  double count = 1;
  double peak = 0;            ///< FLOP per second of one, matrix products
  double peak_plain = 0;      ///< the same of fp32 work; 0: peak
  double bandwidth = 0;       ///< bytes per second of its memory; 0: not counted
  double network = 0;         ///< bytes per second between machines; 0: not counted
  double price_per_hour = 0;  ///< of one
};
/// Seconds at the machines' full speed: what no run falls below by these counts.
struct TrainingTime {
  double products = 0, plain = 0, memory = 0, network = 0;
  double seconds() const { return products + plain + memory + network; }
};
TrainingTime training_time(const CostModel& model, const TrainingPhase& phase, const TrainingMachines& on);

}  // namespace fathom
