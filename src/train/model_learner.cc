#include "train/model_learner.h"

#include <map>
#include <string>
#include <utility>

#include "base/error.h"
#include "model/training/adapter_gradients.h"
#include "model/training/loss.h"

namespace fathom {
namespace {

TrainingBatch batch_of(const Row& documents) {
  static_assert(kUnlearned == kNoLabel);
  TrainingBatch batch;
  for (const RowDocument& d : documents) batch.push_back({d.tokens, d.labels, {}, {}});
  return batch;
}

LossOptions loss_options(const PassOptions& options) {
  LossOptions o;
  o.mtp_weight = options.mtp_weight;
  o.balance_weight = options.balance_weight;
  o.indexer_weight = options.indexer_weight;
  o.dense_csa = options.attention != AttentionStage::sparse;
  o.indexer_only = options.attention == AttentionStage::indexer;
  o.group_tokens = options.micro_rows;
  o.keep_layers = options.keep_layers;
  if (options.policy) o.temperature = options.policy->temperature;
  return o;
}

PassFigures figures_of(const LossReport& report, AttentionStage attention) {
  PassFigures f;
  f.loss = report.loss;
  f.lm = report.lm;
  f.mtp = report.mtp;
  f.balance = report.balance;
  f.labels = report.labels;
  f.tokens = report.tokens;
  f.expert_load = report.expert_load;
  double kl = 0;
  for (const IndexerLoss& each : report.indexer) {
    f.indexer.push_back({each.kl, each.kl_uniform, each.captured, each.queries});
    if (each.queries > 0) kl += each.kl / static_cast<double>(each.queries);
  }
  if (attention == AttentionStage::indexer) f.loss = kl;  // what the warm-up learns from
  return f;
}

}  // namespace

ModelLearner::ModelLearner(const ParamTable& table, const MasterWeights& masters, Precision precision,
                           ThreadPool& pool, const Kernels<float>& kernels,
                           std::shared_ptr<const Checkpoint> base)
    : table_(table),
      masters_(masters),
      base_(std::move(base)),
      precision_(precision),
      weights_(table, masters, precision, base_.get()),
      model_(Model::over(table.config(), weights_.params(), nullptr)),
      pool_(pool),
      numerics_(training_numerics(precision)),
      context_(kernels, pool, arena_, numerics_, true) {}
ModelLearner::~ModelLearner() = default;

void ModelLearner::refresh() { weights_.refresh(pool_); }

void ModelLearner::anticipate(const MasterWeights* older) {
  older_model_.reset();
  older_.reset();
  if (older == nullptr) return;
  older_ = std::make_unique<ComputeWeights>(table_, *older, precision_, base_.get());
  older_->refresh(pool_);
  older_model_ = Model::over(table_.config(), older_->params(), nullptr);
}

PassFigures ModelLearner::learn(const Row& documents, const PassOptions& options, float* gradients) {
  const ArenaScope scope(arena_);
  const TrainingBatch batch = batch_of(documents);
  LossOptions loss = loss_options(options);
  RouteRecord routes;
  if (older_ != nullptr) {
    const ArenaScope recording(arena_);
    LossOptions record = loss;
    record.record_routes = &routes;
    evaluate_loss<float>(context_, *older_model_, batch, record);
    loss.routes = &routes;
  }
  const auto views = table_.gradient_views(gradients, [&](const TrainedParam& p) {
    return options.attention != AttentionStage::indexer || p.indexer;
  });
  std::map<std::string, AdaptedMatrix<float>> adapted;
  for (size_t i = 0; table_.adapter().rank > 0 && i < table_.params().size(); i += 2) {
    const TrainedParam &a = table_.params()[i], &b = table_.params()[i + 1];
    const auto part = [](auto* flat, const TrainedParam& p) { return Mat(flat + p.offset, p.rows, p.cols); };
    adapted[table_.adapter_matrix_name(i)] = {part(masters_.values.data(), a),
                                              part(masters_.values.data(), b), part(gradients, a),
                                              part(gradients, b)};
  }
  AdapterGradients<float> blocks(table_.config(), adapted.empty() ? 1 : table_.adapter().scale(), adapted);
  LossExtras<float> extras;
  if (!adapted.empty()) extras.blocks = &blocks;
  std::vector<TeacherRows<float>> teachers;
  for (const RowDocument& d : documents) {
    if (d.opinion)
      teachers.push_back({&d.opinion->teacher->weights().params().lm_head, d.opinion->rows.data()});
  }
  if (!teachers.empty()) {
    FATHOM_CHECK(teachers.size() == documents.size());
    extras.teachers = &teachers;
  }
  if (!options.policy) {
    return figures_of(loss_and_gradients<float>(context_, *model_, batch, loss, views, extras),
                      options.attention);
  }
  const PolicyObjective objective(documents, *options.policy);
  std::vector<std::vector<double>> log_probs;
  extras.objective = &objective;
  extras.log_probs = &log_probs;
  PassFigures figures =
      figures_of(loss_and_gradients<float>(context_, *model_, batch, loss, views, extras), options.attention);
  figures.policy = objective.figures(log_probs);
  return figures;
}

void ModelLearner::ask(const std::shared_ptr<const Model>& teacher, Row& documents,
                       const PassOptions& options) {
  const ArenaScope scope(arena_);
  auto rows = teacher_rows<float>(context_, *teacher, batch_of(documents), loss_options(options));
  for (size_t d = 0; d < documents.size(); ++d) {
    documents[d].opinion =
        std::make_shared<const TeacherOpinion>(TeacherOpinion{teacher, std::move(rows[d])});
  }
}

std::vector<std::vector<double>> ModelLearner::log_probs(const Row& documents, const PassOptions& options) {
  const ArenaScope scope(arena_);
  std::vector<std::vector<double>> out;
  evaluate_loss<float>(context_, *model_, batch_of(documents), loss_options(options), &out);
  return out;
}

PassFigures ModelLearner::evaluate(const Row& documents, const PassOptions& options) {
  const ArenaScope scope(arena_);
  return figures_of(evaluate_loss<float>(context_, *model_, batch_of(documents), loss_options(options)),
                    options.attention);
}

}  // namespace fathom
