// What a run tells: validations, events and the steps of its log.
#include <nlohmann/json.hpp>
#include <numbers>

#include "train/trainer.h"

namespace fathom {
namespace {

double mean(int64_t sum, int64_t of) {
  return of == 0 ? 0 : static_cast<double>(sum) / static_cast<double>(of);
}

// Of a step that learned from answers: its loss is no cross-entropy.
void add_practice(nlohmann::ordered_json& line, const StepRecord& r) {
  line.erase("lm");
  line.erase("mtp");
  if (r.kind == StageKind::grpo) {
    line["clipped"] = r.figures.policy.clipped;
    line["kl"] = r.figures.policy.kl;
    line["drift"] = r.figures.policy.drift;
  } else {
    line["kl_teachers"] = r.figures.lm;
  }
  if (!r.practice) return;
  const PracticeFigures& p = *r.practice;
  line["reward"] = p.reward;
  line["right"] = mean(p.right, p.answers);
  line["ended"] = mean(p.ended, p.answers);
  line["answer_tokens"] = mean(p.tokens, p.answers);
  line["entropy"] = p.entropy;
  if (r.kind == StageKind::grpo) line["contrast"] = mean(p.contrast, p.groups);
}

}  // namespace

void Trainer::validate() {
  const RecipeStage& stage = recipe_.stages[static_cast<size_t>(state_.stage)];
  PassOptions options = pass_options();
  options.policy.reset();
  // The warm-up's own passes end before the head: what its choices are worth is the loss with them.
  if (options.attention == AttentionStage::indexer) options.attention = AttentionStage::sparse;
  learner_->refresh();
  nlohmann::ordered_json line = {{"event", "validation"}, {"step", state_.step}};
  for (const RunData& data : data_) {
    if (data.validation == nullptr) continue;
    Row documents;
    for (Row& row : validation_rows(*data.validation, stage.row, recipe_.validation_tokens)) {
      for (RowDocument& document : row) documents.push_back(std::move(document));
    }
    if (documents.empty()) continue;
    const PassFigures figures = learner_->evaluate(documents, options);
    const ShardInfo& info = data.validation->info();
    const double bytes =
        info.labels > 0 ? static_cast<double>(info.label_bytes) / static_cast<double>(info.labels) : 0;
    const double bits = bytes > 0 ? figures.lm / std::numbers::ln2 / bytes : 0;
    line[data.name] = {{"loss", figures.lm}, {"bits_per_byte", bits}, {"labels", figures.labels}};
    if (options_.on_message) {
      options_.on_message(fmt::format("step {}: validation {}: loss {:.4f}, {:.4f} bits per byte",
                                      state_.step, data.name, figures.lm, bits));
    }
  }
  if (line.size() > 2) folder_.log(line.dump());
}

void Trainer::log_event(const std::string& event, const std::string& detail) {
  folder_.log(nlohmann::ordered_json{{"event", event}, {"step", state_.step}, {"detail", detail}}.dump());
  if (options_.on_message) options_.on_message(fmt::format("step {}: {}: {}", state_.step, event, detail));
}

void Trainer::log_step(const StepRecord& r) {
  const PassFigures& f = r.figures;
  nlohmann::ordered_json line = {{"step", r.step}, {"stage", r.stage}, {"loss", f.loss}};
  // The indexer's warm-up has none of these.
  if (recipe_.stages[static_cast<size_t>(state_.stage)].attention != AttentionStage::indexer) {
    line.update({{"lm", f.lm}, {"mtp", f.mtp}, {"balance", f.balance}});
  }
  line.update(nlohmann::ordered_json{{"norm", r.norm},
                                     {"rate", r.rate},
                                     {"adamw_rate", r.adamw_rate},
                                     {"tokens", r.tokens},
                                     {"packed", r.packed},
                                     {"mtp_weight", r.mtp_weight},
                                     {"seconds", r.seconds},
                                     {"skipped", state_.skipped},
                                     {"without_gradient", r.skipped},
                                     {"idle_experts", r.skipped_experts}});
  if (r.kind != StageKind::data) add_practice(line, r);
  if (r.verdict.decision != SpikeDecision::take) {
    line["decision"] = name(r.verdict.decision);
    line["loss_z"] = r.verdict.loss_z;
    line["norm_z"] = r.verdict.norm_z;
  }
  for (size_t layer = 0; layer < f.expert_load.size(); ++layer) {
    if (f.expert_load[layer].empty()) continue;
    const LoadStatistics s = load_statistics(f.expert_load[layer]);
    line["load"].push_back(
        {{"layer", layer}, {"max", s.max_over_mean}, {"entropy", s.entropy}, {"dead", s.dead}});
  }
  for (size_t layer = 0; layer < f.indexer.size(); ++layer) {
    const IndexerFigures& i = f.indexer[layer];
    if (i.queries == 0) continue;
    const auto n = static_cast<double>(i.queries);
    line["indexer"].push_back(
        {{"layer", layer}, {"kl", i.kl / n}, {"kl_uniform", i.kl_uniform / n}, {"captured", i.captured / n}});
  }
  folder_.log(line.dump());
}

}  // namespace fathom
