#include "train/session.h"

#include <algorithm>
#include <map>

#include "base/error.h"
#include "base/file.h"
#include "model/convert.h"
#include "model/read_config.h"
#include "model/training/memory.h"
#include "train/model_card.h"
#include "train/model_learner.h"
#include "train/prepare.h"

namespace fathom {
namespace {

namespace fs = std::filesystem;

constexpr int64_t kMaxTokenizerBytes = int64_t{256} << 20;

// The text of a tokenizer.json, or of the one in a model's folder.
std::string tokenizer_text(const fs::path& path) {
  std::error_code error;
  return read_text(fs::is_directory(path, error) ? path / "tokenizer.json" : path, kMaxTokenizerBytes);
}

int64_t checked_mtp_blocks(const ModelConfig& config) {
  if (config.dspark_block_size > 0) {
    fail(ErrorCode::unsupported, "model: a DSpark drafter is not trained; leave out its fields");
  }
  return std::min<int64_t>(config.num_nextn_predict_layers, 1);
}

// The copies of the whole model, and the gradients of its largest block.
void adapter_memory(const Recipe& recipe, const ParamTable& table, RunMemory& m) {
  const ParamTable whole(table.config(), table.mtp_blocks());
  const bool fp32 =
      std::ranges::any_of(recipe.stages, [](const auto& s) { return s.precision == Precision::fp32; });
  m.copies = whole.size() * (fp32 ? 4 : 2);
  std::map<int64_t, int64_t> blocks;
  for (const TrainedParam& p : whole.params()) {
    if (p.kind == ParamClass::matrix && recipe.lora.wants(p.name)) {
      m.block_gradients = std::max(m.block_gradients, blocks[p.layer] += p.values() * 4);
    }
  }
}

}  // namespace

TrainingSession::~TrainingSession() = default;

RunMemory run_memory(const Recipe& recipe, const ParamTable& table) {
  RunMemory m;
  const int64_t values = table.size();
  m.weights = values * 4 + table.table_size() * 4;
  m.optimizer = 2 * values * 4;
  m.gradients = values * 4;
  const bool adapts = recipe.lora.rank > 0;
  if (adapts) adapter_memory(recipe, table, m);
  for (const RecipeStage& s : recipe.stages) {
    if (!adapts && s.precision != Precision::fp32) m.copies = std::max(m.copies, values * 2);
    const bool quantised = s.precision == Precision::fp8 || s.precision == Precision::fp4;
    LossOptions options;
    options.mtp_weight = table.mtp_blocks() > 0 ? s.mtp_weight : 0;
    options.balance_weight = s.balance_weight;
    options.dense_csa = s.attention != AttentionStage::sparse;
    options.indexer_weight = s.indexer_weight;
    options.indexer_only = s.attention == AttentionStage::indexer;
    options.group_tokens = recipe.micro_rows;
    options.keep_layers = recipe.keep_layers;
    m.scratch =
        std::max(m.scratch, training_memory(table.config(), options,
                                            std::min(recipe.micro_rows, s.step_tokens()), s.row, quantised)
                                .peak());
  }
  for (const RecipeStage& s : recipe.stages) {  // the reference: masters and copies of its own
    if (s.kind == StageKind::grpo && s.grpo.policy.kl > 0) m.reference = m.weights + m.copies;
  }
  m.scratch += m.block_gradients;
  return m;
}

ModelConfig recipe_model(const Recipe& recipe, std::shared_ptr<const Checkpoint>* source) {
  ModelConfig config;
  if (recipe.from.empty()) {
    config = ModelConfig::parse(recipe.config_json);
  } else {
    const auto checkpoint = Checkpoint::open(recipe.from);
    config = read_config(*checkpoint);
    if (!checkpoint->has("mtp.0.e_proj.weight")) config.num_nextn_predict_layers = 0;
    if (source != nullptr) *source = checkpoint;
  }
  config.num_nextn_predict_layers = checked_mtp_blocks(config);
  return config;
}

ParamTable recipe_table(const Recipe& recipe, const ModelConfig& model) {
  const int64_t mtp_blocks = model.num_nextn_predict_layers;
  return recipe.lora.rank > 0 ? ParamTable(model, mtp_blocks, recipe.lora, recipe.params)
                              : ParamTable(model, mtp_blocks, recipe.params);
}

void TrainingSession::open_model() {
  const ModelConfig config = recipe_model(recipe_, &source_);
  table_ = std::make_unique<ParamTable>(recipe_table(recipe_, config));
  for (const RecipeStage& stage : recipe_.stages) {
    if (config.max_position_embeddings > 0 && stage.row > config.max_position_embeddings) {
      bad_input("stage {}: row: expected at most the model's context of {} tokens, found {}",
                printable(stage.name), config.max_position_embeddings, stage.row);
    }
    in_context("stage " + printable(stage.name), [&] { check_precision(config, stage.precision); });
  }
}

// Before anything is trained, though the stage may come last: every teacher is there, knows the student's
// tokens and has room for a row.
void TrainingSession::check_teachers(const std::string& tokenizer_json) {
  for (size_t s = 0; s < recipe_.stages.size(); ++s) {
    const RecipeStage& stage = recipe_.stages[s];
    int64_t opinions = 0, passes = 0;
    for (size_t k = 0; k < stage.distill.teachers.size(); ++k) {
      const DistillTeacher& teacher = stage.distill.teachers[k];
      in_context(
          fmt::format("stages[{}].distill.teachers[{}].from: {}", s, k, printable(teacher.from, 400)), [&] {
            const ModelConfig its = ModelConfig::parse(Checkpoint::open(teacher.from)->config_json());
            if (its.vocab_size != config().vocab_size)
              bad_input("expected the student's {} tokens, found {}", config().vocab_size, its.vocab_size);
            std::error_code error;
            if (fs::is_directory(teacher.from, error) &&
                tokenizer_hash(tokenizer_text(teacher.from)) != tokenizer_hash(tokenizer_json))
              bad_input("tokenizer.json: expected the run's tokenizer, found another");
            if (its.max_position_embeddings > 0 && its.max_position_embeddings < stage.row)
              bad_input("expected a context of a row ({} tokens), found {}", stage.row,
                        its.max_position_embeddings);
            const int64_t tokens = std::min(PassOptions{}.micro_rows, teacher.problems * stage.row);
            passes = std::max(passes, training_memory(its, {}, tokens, stage.row).peak());
            opinions += teacher.problems * stage.row * its.hidden_size * 4;
          });
    }
    teacher_bytes_ = std::max(teacher_bytes_, opinions + passes);
  }
}

RunMemory TrainingSession::memory() const {
  RunMemory m = run_memory(recipe_, *table_);
  m.teachers = teacher_bytes_;
  return m;
}

void TrainingSession::open_data(bool fresh, const std::shared_ptr<const Tokenizer>& tokenizer,
                                const std::string& tokenizer_json, const fs::path& folder) {
  if (tokenizer->vocab_size() > config().vocab_size) {
    bad_input("tokenizer: expected at most the model's {} tokens, found {}", config().vocab_size,
              tokenizer->vocab_size());
  }
  const uint64_t hash = tokenizer_hash(tokenizer_json);
  for (const auto& [name, source] : recipe_.data) {
    fs::path path = source.path;
    std::error_code error;
    if (source.generate) {
      const fs::path held_out = folder / "data" / name / "validation.tokens";
      in_context("data " + printable(name), [&] {
        if (fresh || !fs::exists(held_out, error)) {
          write_held_out(*source.generate, tokenizer, tokenizer_json, recipe_.validation_tokens, held_out);
        }
        data_.push_back({name, nullptr, std::make_shared<TokenShard>(held_out),
                         document_maker(*source.generate, tokenizer)});
      });
      continue;
    }
    if (!fs::is_directory(path, error)) {  // a text: prepared by a new run, used again when it goes on
      const fs::path prepared = folder / "data" / name;
      if (fresh || !fs::exists(prepared / "data.json", error)) {
        PrepareOptions options;
        options.validation = recipe_.validation_share;
        options.document_tokens = recipe_.document_tokens;
        prepare_data({path}, *tokenizer, tokenizer_json, prepared, options);
      }
      path = prepared;
    }
    in_context("data " + printable(name), [&] {
      RunData data{name, std::make_shared<TokenShard>(path / "train.tokens"), nullptr, nullptr};
      if (fs::exists(path / "validation.tokens", error)) {
        data.validation = std::make_shared<TokenShard>(path / "validation.tokens");
      }
      for (const auto& shard : {data.train, data.validation}) {
        if (shard != nullptr && shard->info().tokenizer_hash != hash) {
          bad_input("{}: expected tokens of the run's tokenizer (xxh64 {:016x}), found those of {:016x}",
                    printable(shard->path(), 400), hash, shard->info().tokenizer_hash);
        }
      }
      data_.push_back(std::move(data));
    });
  }
}

std::unique_ptr<TrainingSession> TrainingSession::start(const Recipe& recipe, const fs::path& folder) {
  std::unique_ptr<TrainingSession> session(new TrainingSession(recipe));
  Recipe& r = session->recipe_;
  for (auto& [name, data] : r.data) {
    if (!data.generate) data.path = fs::absolute(data.path).string();
  }
  if (!r.from.empty()) r.from = fs::absolute(r.from).string();
  for (RecipeStage& stage : r.stages) {
    for (DistillTeacher& teacher : stage.distill.teachers) teacher.from = fs::absolute(teacher.from).string();
  }
  session->open_model();
  const std::string text = tokenizer_text(r.tokenizer.empty() ? r.from : r.tokenizer);
  session->check_teachers(text);
  const auto tokenizer = Tokenizer::from_json(text, "tokenizer.json");
  r.tokenizer = fs::absolute(folder / "tokenizer.json").string();
  std::error_code error;
  if (fs::exists(folder / "recipe.json", error)) RunFolder::create(folder, "", "", "");  // says so
  session->open_data(true, tokenizer, text, folder);
  session->path_ = folder;
  session->tokenizer_json_ = text;
  return session;
}

void TrainingSession::begin(const std::string& run_json) {
  if (folder_ != nullptr) return;
  folder_ =
      std::make_unique<RunFolder>(RunFolder::create(path_, recipe_.to_json(), tokenizer_json_, run_json));
}

std::unique_ptr<TrainingSession> TrainingSession::resume(const fs::path& folder,
                                                         const std::vector<std::string>& overrides) {
  auto run = std::make_unique<RunFolder>(RunFolder::open(folder));
  const Recipe recipe = Recipe::parse(run->recipe_json(), (folder / "recipe.json").string(), "", overrides);
  std::unique_ptr<TrainingSession> session(new TrainingSession(recipe));
  session->open_model();
  const std::string text = run->tokenizer_json();
  session->check_teachers(text);
  session->open_data(false, Tokenizer::from_json(text, "tokenizer.json"), text, folder);
  session->folder_ = std::move(run);
  return session;
}

std::unique_ptr<Trainer> TrainingSession::trainer(TrainerOptions options) {
  if (!options.learner) {
    options.learner = [pool = options.pool, kernels = options.kernels, base = source_](
                          const ParamTable& table, const MasterWeights& masters, const RecipeStage& stage) {
      return std::make_unique<ModelLearner>(table, masters, stage.precision, *pool, *kernels, base);
    };
  }
  InitialWeights initial = recipe_.initial;
  initial.seed = recipe_.seed;
  const bool loaded = source_ != nullptr && recipe_.lora.rank == 0;
  MasterWeights masters =
      loaded ? in_context(printable(recipe_.from, 400), [&] { return load_masters(*table_, *source_); })
             : initial_weights(*table_, initial);
  return std::make_unique<Trainer>(recipe_, *table_, std::move(masters), data_, *folder_, std::move(options));
}

fs::path TrainingSession::release(ThreadPool& pool) {
  const auto steps = folder_->checkpoints();
  if (steps.empty())
    bad_input("{}: expected a checkpoint, found none", printable(folder_->path().string(), 400));
  const bool adapter = recipe_.lora.rank > 0;
  const fs::path out = folder_->path() / (adapter ? "adapter" : "model"), making = folder_->path() / ".model";
  std::error_code error;
  fs::remove_all(making, error);
  if (adapter) {
    Adapter last = read_adapter(folder_->checkpoint(steps.back()));
    last.base = recipe_.from;
    write_adapter(making, last, Naming::transformers);
    fs::remove_all(out, error);
    fs::rename(making, out, error);
    if (error) fail(ErrorCode::io, "{}: {}", printable(out.string(), 400), error.message());
    return out;
  }
  constexpr ConvertDtype kDtypes[] = {ConvertDtype::f32, ConvertDtype::bf16, ConvertDtype::fp8,
                                      ConvertDtype::release};
  ConvertOptions options;
  options.dtype = kDtypes[static_cast<size_t>(recipe_.stages.back().precision)];
  convert(*Checkpoint::open(folder_->checkpoint(steps.back())), making, pool, options);
  constexpr const char* kStored[] = {"F32", "BF16", "FP8 (E4M3, 128 x 128 blocks), the rest BF16",
                                     "experts FP4 (E2M1, 32-wide), other matrices FP8, the rest BF16"};
  write_atomically(
      making / "README.md",
      model_card(folder_->path(), config(), kStored[static_cast<size_t>(recipe_.stages.back().precision)]));
  fs::remove_all(out, error);
  fs::rename(making, out, error);
  if (error) fail(ErrorCode::io, "{}: {}", printable(out.string(), 400), error.message());
  return out;
}

}  // namespace fathom
