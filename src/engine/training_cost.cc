#include "engine/training_cost.h"

#include <algorithm>

namespace fathom {
namespace {

// Mean entries over the positions of a document: what a token attends, and what its indexer scores.
struct MeanEntries {
  double attended = 0, scored = 0;
};
MeanEntries mean_entries(const AttentionCost& a, const TrainingPhase& phase) {
  AttentionCost seen = a;
  if (phase.dense || phase.indexer_only) seen.top_k = 0;
  double attended = 0, scored = 0;
  for (int64_t context = 1; context <= phase.row; ++context) {
    attended += static_cast<double>(seen.entries_read(context));
    scored += static_cast<double>(a.entries_kept(context));
  }
  const auto rows = static_cast<double>(phase.row);
  return {attended / rows, a.index_flops > 0 ? scored / rows : 0};
}

}  // namespace

std::vector<TrainingPart> training_flops(const CostModel& model, const TrainingPhase& phase) {
  constexpr double kLinearBackward = 2, kAttentionBackward = 2.5, kIndexBackward = 2;
  const double way_back = phase.indexer_only ? 0 : 1;
  std::vector<TrainingPart> parts;
  for (const PartCount& each : model.parts) {
    if (each.active == 0) continue;
    const double forward = 2 * static_cast<double>(each.active) * phase.tokens;
    const bool indexer = each.part == "indexer";
    if (indexer && phase.dense && !phase.indexer_learns) continue;
    // Head and embedding lie outside the layers: they never run again. The warm-up does not reach the head.
    const bool in_layer = each.part != "head";
    if (phase.indexer_only && !in_layer) continue;
    const double back = indexer ? (phase.indexer_learns ? 1 : 0) : way_back;
    parts.push_back({each.part, forward, in_layer ? way_back * phase.layers_again * forward : 0,
                     kLinearBackward * back * forward});
  }
  TrainingPart core{"core attention"}, scores{"indexer scores"};
  core.matrix = scores.matrix = false;
  for (const AttentionCost& a : model.attention) {
    const MeanEntries mean = mean_entries(a, phase);
    const double layers = static_cast<double>(a.count) * phase.tokens;
    core.forward += layers * a.flops_per_entry * mean.attended;
    if (!phase.dense || phase.indexer_learns) scores.forward += layers * a.index_flops * mean.scored;
  }
  for (TrainingPart* part : {&core, &scores}) {
    if (part->forward == 0) continue;
    const bool index = part == &scores;
    const double back = index ? (phase.indexer_learns ? kIndexBackward : 0) : way_back * kAttentionBackward;
    part->again = way_back * phase.layers_again * part->forward;
    part->backward = back * part->forward;
    parts.push_back(*part);
  }
  if (phase.mtp && !phase.indexer_only && model.draft_active > 0) {
    const double forward = 2 * static_cast<double>(model.draft_active) * phase.tokens;
    // It keeps its values if any layer does.
    parts.push_back({"mtp", forward, phase.layers_again >= 1 ? forward : 0, kLinearBackward * forward});
  }
  if (phase.optimizer_flops > 0) {
    TrainingPart optimizer{"optimizer"};
    optimizer.forward = phase.optimizer_flops * phase.steps;
    optimizer.matrix = false;
    parts.push_back(optimizer);
  }
  return parts;
}

TrainingTime training_time(const CostModel& model, const TrainingPhase& phase, const TrainingMachines& on) {
  TrainingTime time;
  double products = 0, plain = 0;
  for (const TrainingPart& part : training_flops(model, phase))
    (part.matrix ? products : plain) += part.flops();
  if (on.peak > 0) {
    time.products = products / on.peak / on.count;
    time.plain = plain / (on.peak_plain > 0 ? on.peak_plain : on.peak) / on.count;
  }
  if (on.bandwidth > 0) {
    // Values kept for the way back are written once and read once.
    const double bytes = 2 * phase.pass_bytes * phase.tokens + phase.optimizer_bytes * phase.steps;
    time.memory = bytes / on.bandwidth / on.count;
  }
  if (on.network > 0 && on.count > 1) {
    // A sum over all machines, scattered and gathered: every one sends and takes it twice but for its own
    // part.
    time.network = 2 * (on.count - 1) / on.count * phase.gradient_bytes * phase.steps / on.network;
  }
  return time;
}

}  // namespace fathom
