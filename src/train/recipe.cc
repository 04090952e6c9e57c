#include "train/recipe.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/json_reader.h"
#include "model/config_keys.h"
#include "train/recipe_fields.h"

namespace fathom {
namespace {

// stages.0.steps=10 sets that place of the document; objects on the way are made, lists must have the place.
void set_override(nlohmann::json& document, const std::string& text) {
  const size_t equals = text.find('=');
  if (equals == std::string::npos || equals == 0) {
    bad_input("override: expected path=value, found \"{}\"", printable(text));
  }
  const std::string path = text.substr(0, equals), value = text.substr(equals + 1);
  nlohmann::json* at = &document;
  for (size_t begin = 0; begin <= path.size();) {
    const size_t end = std::min(path.find('.', begin), path.size());
    const std::string key = path.substr(begin, end - begin);
    if (at->is_array()) {
      const bool number = !key.empty() && key.size() < 7 && key.find_first_not_of("0123456789") == key.npos;
      if (!number || std::stoul(key) >= at->size()) {
        bad_input("override {}: expected an index below {}, found \"{}\"", printable(path), at->size(),
                  printable(key));
      }
      at = &(*at)[std::stoul(key)];
    } else {
      if (!at->is_object() && !at->is_null()) {
        bad_input("override {}: expected an object before \"{}\", found {}", printable(path), printable(key),
                  at->type_name());
      }
      at = &(*at)[key];
    }
    begin = end + 1;
  }
  const auto parsed = nlohmann::json::parse(value, nullptr, false);
  *at = parsed.is_discarded() ? nlohmann::json(value) : parsed;
}

void refuse(const std::string& where, const std::string& expected, const std::string& found) {
  bad_input("{}: expected {}, found {}", where, expected, found);
}

// What answers are written to must be there and fit a row.
void check_problems(const RecipeStage& s, const PracticeProblems& p, const std::string& where) {
  in_context(where, [&] { (void)p.mix(); });
  if (p.max_tokens >= s.row) {
    refuse(where + ".max_tokens", fmt::format("fewer than row ({}), which holds the prompt too", s.row),
           std::to_string(p.max_tokens));
  }
}

void check_practice(const Recipe& recipe, const RecipeStage& s, const std::string& where) {
  const GrpoOptions& g = s.grpo;
  if (s.attention != AttentionStage::sparse) {
    refuse(where + ".attention", "sparse, as answers are written", std::string(name(s.attention)));
  }
  if (recipe.guard.anticipate > 0) {
    refuse("guard.anticipate", fmt::format("0, as {} learns from answers", where),
           std::to_string(recipe.guard.anticipate));
  }
  if (s.kind == StageKind::distill) {
    if (s.distill.teachers.empty()) refuse(where + ".distill.teachers", "a teacher", "none");
    for (size_t i = 0; i < s.distill.teachers.size(); ++i) {
      const std::string at = fmt::format("{}.distill.teachers[{}]", where, i);
      if (s.distill.teachers[i].from.empty()) refuse(at + ".from", "a checkpoint", "none");
      check_problems(s, s.distill.teachers[i], at);
    }
    return;
  }
  check_problems(s, g, where + ".grpo");
  if (g.problems % g.updates != 0) {
    refuse(where + ".grpo.updates", fmt::format("a divisor of problems ({})", g.problems),
           std::to_string(g.updates));
  }
  if (g.policy.kl > 0 && recipe.from.empty())
    refuse(where + ".grpo.kl", "0, or from (the reference) beside it", "a new model");
}

void check_stage(const Recipe& recipe, const RecipeStage& s, const std::string& where) {
  if (s.kind != StageKind::data) check_practice(recipe, s, where);
  if (s.kind == StageKind::data && s.batch < s.row)
    refuse(where + ".batch", fmt::format("at least row ({})", s.row), std::to_string(s.batch));
  if (s.batch_first > s.batch) {
    refuse(where + ".batch_first", fmt::format("at most batch ({})", s.batch), std::to_string(s.batch_first));
  }
  if (s.batch_first > 0 && s.batch_first < s.row) {
    refuse(where + ".batch_first", fmt::format("at least row ({})", s.row), std::to_string(s.batch_first));
  }
  if (s.batch_ramp > 0 && s.batch_first == 0) refuse(where + ".batch_ramp", "batch_first beside it", "none");
  if (s.warmup > s.steps) {
    refuse(where + ".warmup", fmt::format("at most steps ({})", s.steps), std::to_string(s.warmup));
  }
  if (s.decay_from < 1 && static_cast<double>(s.warmup) > s.decay_from * static_cast<double>(s.steps)) {
    refuse(where + ".warmup", "an end before decay_from", std::to_string(s.warmup));
  }
  if (s.attention == AttentionStage::indexer && s.indexer_weight <= 0) {
    refuse(where + ".indexer_weight", "a positive number, as attention is \"indexer\"", "0");
  }
  for (const auto& [source, weight] : s.mixture) {
    if (!recipe.data.contains(source)) {
      std::string known;
      for (const auto& [each, data] : recipe.data) known += (known.empty() ? "" : ", ") + each;
      refuse(where + ".mixture." + printable(source), "a name in data (" + printable(known, 300) + ")",
             "another");
    }
  }
}

void check(const Recipe& r, const std::string& where) {
  if (r.from.empty() == r.config_json.empty()) {
    refuse(where, "either from (a checkpoint) or model (a config)", r.from.empty() ? "neither" : "both");
  }
  if (r.from.empty() && r.tokenizer.empty())
    refuse(where + ": tokenizer", "a path, as the model is new", "none");
  const bool reads = std::ranges::any_of(r.stages, [](const auto& s) { return s.kind == StageKind::data; });
  if (r.data.empty() && (reads || r.stages.empty())) refuse(where + ": data", "a source", "none");
  for (const auto& [name, data] : r.data) {
    const std::string at = where + ": data." + printable(name);
    if (name.empty() || name[0] == '.' || name.find('/') != name.npos) {
      refuse(at, "a name that can be a folder's", "another");
    }
    if (data.path.empty() == !data.generate) {
      refuse(at, "either path or generate", data.generate ? "both" : "neither");
    }
    if (data.generate) in_context(at + ".generate", [&] { data.generate->check(); });
  }
  if (r.stages.empty()) refuse(where + ": stages", "a stage", "none");
  if (r.params.adamw_only && r.params.per_head) {
    refuse(where + ": optimizer.per_head", "false, as optimizer.kind is \"adamw\"", "true");
  }
  for (size_t i = 0; r.lora.rank > 0 && i < r.stages.size(); ++i) {
    const RecipeStage& s = r.stages[i];
    const std::string at = fmt::format("{}: stages[{}]", where, i);
    if (s.precision != Precision::fp32 && s.precision != Precision::bf16) {
      refuse(at + ".precision", "fp32 or bf16 with lora", std::string(name(s.precision)));
    }
    if (s.attention == AttentionStage::indexer)
      refuse(at + ".attention", "dense or sparse with lora", "indexer");
  }
  if (r.lora.rank > 0 && r.from.empty())
    refuse(where + ": lora", "from (a checkpoint) beside it", "a new model");
  if (!r.config_json.empty()) {
    const ModelConfig config = in_context(where + ": model", [&] {
      refuse_unknown_config_keys(r.config_json);
      return ModelConfig::parse(r.config_json);
    });
    const bool csa =
        std::ranges::any_of(config.layers, [](const auto& l) { return l.kind == LayerKind::csa; });
    for (size_t i = 0; i < r.stages.size(); ++i) {
      if (r.stages[i].attention == AttentionStage::indexer && !csa) {
        refuse(fmt::format("{}: stages[{}].attention", where, i),
               "dense or sparse, as no layer has an indexer", "indexer");
      }
    }
  }
  for (size_t i = 0; i < r.stages.size(); ++i)
    check_stage(r, r.stages[i], fmt::format("{}: stages[{}]", where, i));
}

}  // namespace

std::string_view name(AttentionStage stage) {
  constexpr std::string_view kNames[] = {"dense", "indexer", "sparse"};
  return kNames[static_cast<size_t>(stage)];
}

Schedule RecipeStage::schedule() const {
  Schedule s;
  s.peak = rate;
  s.steps = steps;
  s.warmup = warmup;
  s.decay_from = decay_from >= 1 ? steps : static_cast<int64_t>(decay_from * static_cast<double>(steps));
  s.final_share = final_share;
  return s;
}

int64_t RecipeStage::rows(int64_t s) const {
  int64_t tokens = batch;
  if (batch_first > 0 && s < batch_ramp) tokens = batch_first + (batch - batch_first) * s / batch_ramp;
  return std::max<int64_t>(1, tokens / row);
}

int64_t RecipeStage::step_tokens() const {
  if (kind == StageKind::data) return batch;
  if (kind == StageKind::grpo) return grpo.problems / grpo.updates * grpo.group * row;
  int64_t problems = 0;
  for (const DistillTeacher& teacher : distill.teachers) problems += teacher.problems;
  return problems * row;
}

int64_t Recipe::steps() const {
  int64_t sum = 0;
  for (const RecipeStage& s : stages) sum += s.steps;
  return sum;
}

Recipe Recipe::parse(std::string_view text, const std::string& where, const std::string& folder,
                     const std::vector<std::string>& overrides) {
  nlohmann::json document = in_context(where, [&] { return parse_json(text); });
  in_context(where, [&] {
    for (const std::string& each : overrides) set_override(document, each);
  });
  Recipe recipe;
  in_context(where, [&] {
    RecipeReader reader(document, "");
    recipe_fields(reader, recipe);
    reader.finish();
  });
  const auto rooted = [&](std::string& path) {
    if (path.empty() || path[0] == '/' || folder.empty()) return;
    const auto beside = std::filesystem::path(folder) / path;
    if (std::filesystem::exists(beside)) path = beside.string();
  };
  rooted(recipe.from);
  rooted(recipe.tokenizer);
  for (auto& [name, data] : recipe.data) rooted(data.path);
  for (RecipeStage& stage : recipe.stages) {
    for (DistillTeacher& teacher : stage.distill.teachers) rooted(teacher.from);
  }
  check(recipe, where);
  return recipe;
}

std::string Recipe::to_json() const {
  RecipeWriter writer;
  Recipe copy = *this;
  recipe_fields(writer, copy);
  return writer.take().dump(2) + "\n";
}

}  // namespace fathom
