#include "train/trainer.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <csignal>
#include <limits>

#include "base/error.h"

namespace fathom {
namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

}  // namespace

struct Trainer::Step {
  Row documents;
  PassFigures figures;
  GradientReport report;
  SpikeGuard::Verdict verdict;
  StepRates rates;
  double seconds = 0;
  int64_t rows = 0;
  std::optional<PracticeFigures> practice;
};

Trainer::Trainer(const Recipe& recipe, const ParamTable& table, MasterWeights masters,
                 std::vector<RunData> data, RunFolder& folder, TrainerOptions options)
    : recipe_(recipe),
      table_(table),
      masters_(std::move(masters)),
      data_(std::move(data)),
      folder_(folder),
      options_(std::move(options)),
      optimizer_(table, recipe.optimizer),
      guard_(recipe.guard),
      gradients_(static_cast<size_t>(table.size())) {
  if (std::ranges::any_of(recipe.stages, [](const RecipeStage& s) {
        return s.kind == StageKind::grpo && s.grpo.policy.kl > 0;
      })) {
    initial_ = std::make_unique<MasterWeights>(masters_);
  }
  const auto steps = folder_.checkpoints();
  if (steps.empty()) {
    folder_.truncate_log(0);
    return;
  }
  state_ = folder_.load(steps.back(), table_, masters_, optimizer_);
  if (state_.stage > std::ssize(recipe_.stages)) {
    bad_input("state.json: stage: expected at most {}, found {}", recipe_.stages.size(), state_.stage);
  }
  guard_.loss.set({state_.guard_loss.begin(), state_.guard_loss.end()});
  guard_.norm.set({state_.guard_norm.begin(), state_.guard_norm.end()});
  guard_.skipped = state_.guard_skipped;
  folder_.truncate_log(state_.log_bytes);
  anticipate();
}

bool Trainer::trained(const TrainedParam& p) const {
  const bool indexer_alone =
      recipe_.stages[static_cast<size_t>(state_.stage)].attention == AttentionStage::indexer;
  return !indexer_alone || p.indexer;
}

PassOptions Trainer::pass_options() const {
  const RecipeStage& stage = recipe_.stages[static_cast<size_t>(state_.stage)];
  PassOptions options;
  options.attention = stage.attention;
  options.indexer_weight = stage.indexer_weight;
  options.micro_rows = recipe_.micro_rows;
  options.keep_layers = recipe_.keep_layers;
  if (stage.kind == StageKind::grpo) options.policy = stage.grpo.policy;
  if (stage.attention != AttentionStage::indexer) {
    const bool decaying = stage.schedule().decaying(state_.stage_step);
    options.mtp_weight = table_.mtp_blocks() == 0 ? 0 : decaying ? stage.mtp_weight_decay : stage.mtp_weight;
    options.balance_weight = stage.balance_weight;
  }
  return options;
}

void Trainer::enter_stage() {
  const RecipeStage& stage = recipe_.stages[static_cast<size_t>(state_.stage)];
  std::vector<DataSource> sources;
  for (const RunData& data : data_) {
    const auto weight = stage.mixture.find(data.name);
    if (stage.kind != StageKind::data || (!stage.mixture.empty() && weight == stage.mixture.end())) continue;
    sources.push_back({data.name, data.train, stage.mixture.empty() ? 1.0 : weight->second, data.maker});
  }
  in_context(fmt::format("stage {}", stage.name.empty() ? std::to_string(state_.stage) : stage.name), [&] {
    if (stage.kind != StageKind::data) {
      if (!options_.practice) fail(ErrorCode::unsupported, "kind: expected data, found practice");
      practice_ = options_.practice(stage);
      return;
    }
    dataset_ =
        std::make_unique<Dataset>(sources, stage.row, recipe_.seed + static_cast<uint64_t>(state_.stage));
    if (!state_.data.sources.empty()) {
      dataset_->seek(state_.data);
    } else {  // the stage's beginning, but perhaps after rollbacks to it
      for (uint64_t salt = 0; salt < state_.data.salt; ++salt) dataset_->change_order();
    }
  });
  if (state_.stage_step == 0) {
    for (size_t i = 0; i < sources.size(); ++i) {
      if (const int64_t count = dataset_->left_out(i); count > 0) {
        log_event("left out", fmt::format("{} conversations of {}, longer than a row of {} tokens", count,
                                          sources[i].name, stage.row));
      }
    }
  }
  learner_.reset();
  learner_ = options_.learner(table_, masters_, stage);
  if (older_ != nullptr) learner_->anticipate(older_.get());
  reference_.reset();
  if (stage.kind == StageKind::grpo && stage.grpo.policy.kl > 0) {
    reference_ = options_.learner(table_, *initial_, stage);
    reference_->refresh();
  }
}

void Trainer::leave_stage() {
  ++state_.stage;
  state_.stage_step = 0;
  state_.data = {};
  state_.practice.clear();
  dataset_.reset();
  practice_.reset();
  reference_.reset();
  // Another loss, another precision: nothing to hold the next steps against.
  guard_ = SpikeGuard(recipe_.guard);
}

bool Trainer::run() {
  if (state_.step > 0 && state_.stage < std::ssize(recipe_.stages)) {
    log_event("resumed", fmt::format("from step {}", state_.step));
  }
  if (folder_.checkpoints().empty()) checkpoint();
  while (state_.stage < std::ssize(recipe_.stages)) {
    enter_stage();
    const RecipeStage& stage = recipe_.stages[static_cast<size_t>(state_.stage)];
    const int64_t at = state_.stage;
    while (state_.stage == at && state_.stage_step < stage.steps) {
      if (options_.stop && options_.stop()) {
        checkpoint();
        return false;
      }
      one_step();
      const bool last = state_.stage_step == stage.steps;
      if (!last && recipe_.validation_every > 0 && state_.step % recipe_.validation_every == 0) validate();
      if (!last && state_.step % recipe_.checkpoint_every == 0) checkpoint();
    }
    if (state_.stage != at) continue;  // rolled back into an earlier stage
    validate();
    leave_stage();
    checkpoint();
  }
  return true;
}

// The documents that a step learns from.
void Trainer::draw(Step& step) {
  const RecipeStage& stage = recipe_.stages[static_cast<size_t>(state_.stage)];
  if (stage.kind == StageKind::data) {
    step.rows = stage.rows(state_.stage_step);
    for (int64_t i = 0; i < step.rows; ++i) {
      for (RowDocument& document : dataset_->next_row()) step.documents.push_back(std::move(document));
    }
    return;
  }
  if (state_.practice.empty()) {
    // As with data: another order after a rollback.
    const uint64_t seed =
        recipe_.seed + static_cast<uint64_t>(state_.stage) + state_.data.salt * 0x9E3779B97F4A7C15u;
    PracticeRound round =
        practice_->practise(*learner_, reference_.get(), seed,
                            state_.stage_step / (stage.kind == StageKind::grpo ? stage.grpo.updates : 1));
    step.practice = round.figures;
    state_.practice = std::move(round.steps);
  }
  step.documents = std::move(state_.practice.front());
  state_.practice.erase(state_.practice.begin());
  step.rows = std::ssize(step.documents);
}

void Trainer::one_step() {
  const RecipeStage& stage = recipe_.stages[static_cast<size_t>(state_.stage)];
  const auto start = Clock::now();
  Step step;
  learner_->refresh();
  draw(step);
  std::fill(gradients_.begin(), gradients_.end(), 0.0f);
  // All of a group's answers may be worth the same: nothing to learn.
  const bool learns = !step.documents.empty();
  if (learns) step.figures = learner_->learn(step.documents, pass_options(), gradients_.data());
  hold_equal_streams(table_, gradients_.data());
  inject(step);
  step.report =
      optimizer_.measure(*options_.pool, gradients_.data(), [this](const auto& p) { return trained(p); });
  // In the warm-up the indexer's loss is what is learned.
  if (learns) step.verdict = guard_.judge(step.figures.loss, step.report.norm, step.report.finite);
  const double share = stage.schedule().share(state_.stage_step);
  const double adamw = stage.adamw_rate > 0 ? stage.adamw_rate : stage.rate;
  step.rates = {share * stage.rate, share * adamw,
                share * (stage.vector_rate > 0 ? stage.vector_rate : adamw)};
  if (step.verdict.decision == SpikeDecision::take) {
    take(step);
  } else {
    ++state_.skipped;
  }

  for (const RowDocument& document : step.documents) state_.tokens += std::ssize(document.tokens);
  if (dataset_) state_.data = dataset_->position();
  step.seconds = seconds_since(start);

  StepRecord record;
  record.step = state_.step + 1;
  record.steps = recipe_.steps();
  record.stage = stage.name;
  record.figures = step.figures;
  record.rate = step.rates.muon;
  record.adamw_rate = step.rates.adamw;
  record.kind = stage.kind;
  record.practice = step.practice;
  record.norm = step.report.norm;
  record.seconds = step.seconds;
  record.mtp_weight = pass_options().mtp_weight;
  record.tokens = state_.tokens;
  if (learns) {
    record.packed = static_cast<double>(step.figures.tokens) / static_cast<double>(step.rows * stage.row);
  }
  record.verdict = step.verdict;
  record.skipped = std::ssize(step.report.skipped);
  record.skipped_experts = step.report.skipped_experts;
  for (const auto& load : step.figures.expert_load) {
    if (!load.empty()) record.load.push_back(load_statistics(load));
  }
  ++state_.step;
  ++state_.stage_step;
  if (state_.anticipate_left > 0 &&
      --state_.anticipate_left == 0) {  // NOLINT(bugprone-inc-dec-in-conditions)
    learner_->anticipate(nullptr);
    older_.reset();
  }
  log_step(record);
  if (options_.on_step) options_.on_step(record);
  if (step.verdict.decision == SpikeDecision::rollback) roll_back(step.verdict);
}

void Trainer::take(const Step& step) {
  if (recipe_.clip > 0 && step.report.norm > recipe_.clip) {
    const auto scale = static_cast<float>(recipe_.clip / step.report.norm);
    for (float& g : gradients_) g *= scale;
  }
  optimizer_.step(*options_.pool, *options_.kernels, gradients_.data(), step.rates, masters_.values.data());
  const RecipeStage& stage = recipe_.stages[static_cast<size_t>(state_.stage)];
  if (stage.attention == AttentionStage::indexer) return;
  for (size_t layer = 0; layer < step.figures.expert_load.size(); ++layer) {
    const auto& load = step.figures.expert_load[layer];
    const auto main = static_cast<size_t>(table_.config().num_hidden_layers);
    const std::string block =
        layer < main ? fmt::format("layers.{}", layer) : fmt::format("mtp.{}", layer - main);
    const TrainedParam* bias = table_.find(block + ".ffn.gate.bias");
    if (bias == nullptr || std::ssize(load) != bias->values()) continue;
    update_router_bias(load, stage.bias_speed, masters_.values.data() + bias->offset);
  }
}

// After a rollback the weights of its checkpoint choose the routes for some steps.
void Trainer::anticipate() {
  older_ = state_.anticipate_left > 0 ? std::make_unique<MasterWeights>(masters_) : nullptr;
}

void Trainer::roll_back(const SpikeGuard::Verdict& verdict) {
  const auto steps = folder_.checkpoints();
  const int64_t rollbacks = state_.rollbacks + 1;
  if (steps.empty() || rollbacks > recipe_.guard.rollbacks) {
    log_event("gave up", steps.empty() ? "no checkpoint to go back to" : "too many rollbacks");
    bad_input(
        "step {}: expected a loss like before, found z-scores of {:.1f} (loss) and {:.1f} (gradient norm) {}",
        state_.step, verdict.loss_z, verdict.norm_z,
        steps.empty() ? "before the first checkpoint" : "after every rollback that the recipe allows");
  }
  const int64_t from = state_.step, skipped = state_.skipped;
  state_ = folder_.load(steps.back(), table_, masters_, optimizer_);
  guard_ = SpikeGuard(recipe_.guard);
  guard_.loss.set({state_.guard_loss.begin(), state_.guard_loss.end()});
  guard_.norm.set({state_.guard_norm.begin(), state_.guard_norm.end()});
  state_.rollbacks = rollbacks;
  state_.skipped = skipped;
  state_.anticipate_left = recipe_.guard.anticipate;
  anticipate();
  ++state_.data.salt;
  state_.data.waiting.clear();
  state_.practice.clear();
  log_event("rollback",
            fmt::format("from step {} to {}, in another order of the data, routing by the weights "
                        "of that checkpoint for {} steps",
                        from, state_.step, state_.anticipate_left));
  state_.log_bytes = folder_.log_bytes();
  folder_.replace_state(steps.back(), state_);
  enter_stage();
}

void Trainer::inject(Step& step) {
  ++begun_;
  for (const InjectedFault& fault : options_.faults) {
    if (begun_ < fault.step || begun_ >= fault.step + fault.count) continue;
    if (fault.kind == InjectedFault::Kind::kill) std::raise(SIGKILL);
    if (fault.kind == InjectedFault::Kind::nan) gradients_[0] = std::numeric_limits<float>::quiet_NaN();
    if (fault.kind == InjectedFault::Kind::spike) {
      step.figures.loss *= 10;
      for (float& g : gradients_) g *= 1000;
    }
    log_event("injected",
              fault.kind == InjectedFault::Kind::nan ? "a gradient that is no number" : "a spike");
  }
}

void Trainer::checkpoint() {
  // While older weights choose the routes, the checkpoint of the rollback is the one to go on from.
  if (state_.anticipate_left > 0 && state_.stage < std::ssize(recipe_.stages)) return;
  state_.guard_loss.assign(guard_.loss.values().begin(), guard_.loss.values().end());
  state_.guard_norm.assign(guard_.norm.values().begin(), guard_.norm.values().end());
  state_.guard_skipped = guard_.skipped;
  state_.log_bytes = folder_.log_bytes();
  folder_.save(state_, table_, masters_, optimizer_, recipe_.checkpoint_keep);
}

std::vector<InjectedFault> parse_faults(const std::string& text) {
  std::vector<InjectedFault> faults;
  for (size_t begin = 0; begin < text.size();) {
    const size_t end = std::min(text.find(',', begin), text.size());
    const std::string each = text.substr(begin, end - begin);
    const size_t at = each.find('@'), times = each.find('x', at == each.npos ? 0 : at);
    const std::string kind = each.substr(0, std::min(at, each.size()));
    const auto number = [&](const std::string& digits) {
      if (digits.empty() || digits.size() > 9 || digits.find_first_not_of("0123456789") != digits.npos) {
        bad_input("--inject: expected nan@STEP, spike@STEPxCOUNT or kill@STEP, found \"{}\"",
                  printable(each));
      }
      return std::stoll(digits);
    };
    InjectedFault fault;
    if (kind == "spike") {
      fault.kind = InjectedFault::Kind::spike;
    } else if (kind == "kill") {
      fault.kind = InjectedFault::Kind::kill;
    } else if (kind != "nan") {
      number("");
    }
    fault.step =
        number(at == each.npos ? "" : each.substr(at + 1, times == each.npos ? times : times - at - 1));
    if (times != each.npos) fault.count = number(each.substr(times + 1));
    faults.push_back(fault);
    begin = end + 1;
  }
  return faults;
}

}  // namespace fathom
