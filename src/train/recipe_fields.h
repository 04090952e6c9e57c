#pragma once
/// The fields of a recipe, once, for reading and writing; internal to train/recipe.cc.

#include <filesystem>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <set>

#include "train/recipe.h"

namespace fathom {

/// Reads the members of an object and refuses, at finish(), those that nobody asked for.
class RecipeReader {
 public:
  RecipeReader(const nlohmann::json& object, std::string path);
  ~RecipeReader();
  void integer(const char* key, int64_t low, int64_t high, int64_t& value);
  void seed(const char* key, uint64_t& value);
  void number(const char* key, double low, double high, double& value);
  void boolean(const char* key, bool& value);
  void text(const char* key, std::string& value);
  /// One of `words`; the value is its index.
  void word(const char* key, const std::vector<std::string_view>& words, int64_t& value);
  /// A member that stays JSON.
  void json(const char* key, std::string& value);
  void texts(const char* key, std::vector<std::string>& value);
  void numbers(const char* key, double low, double high, std::map<std::string, double>& value);
  /// f(reader) on the member object, if it is there.
  template <class F>
  void object(const char* key, F&& f) {
    if (const nlohmann::json* member = find(key)) {
      RecipeReader reader(*member, path_of(key));
      f(reader);
      reader.finish();
    }
  }
  /// The same, on a value that is there only if the member is.
  template <class T, class F>
  void optional(const char* key, std::optional<T>& value, F&& f) {
    object(key, [&](RecipeReader& reader) { f(reader, value.emplace()); });
  }
  /// f(reader, element) on each element of a list.
  template <class T, class F>
  void list(const char* key, std::vector<T>& value, F&& f) {
    const size_t count = length(key);
    for (size_t i = 0; i < count; ++i) {
      RecipeReader reader(element(key, i), path_of(key) + "[" + std::to_string(i) + "]");
      f(reader, value.emplace_back());
      reader.finish();
    }
  }
  /// f(reader, value) on each member of an object of objects; a text alone stands for {"path": text}.
  template <class T, class F>
  void map(const char* key, std::map<std::string, T>& value, F&& f) {
    for (const std::string& name : names(key)) {
      const auto member = source(key, name);
      RecipeReader reader(*member, path_of(key) + "." + name);
      f(reader, value[name]);
      reader.finish();
    }
  }
  /// Throws Error(bad_input) naming a member that no field has.
  void finish() const;

 private:
  const nlohmann::json* find(const char* key);
  std::string path_of(const std::string& key) const { return path_.empty() ? key : path_ + "." + key; }
  size_t length(const char* key);
  const nlohmann::json& element(const char* key, size_t i);
  std::vector<std::string> names(const char* key);
  std::shared_ptr<const nlohmann::json> source(const char* key, const std::string& name);

  const nlohmann::json& object_;
  std::string path_;
  std::set<std::string> known_;
};

/// Writes the same fields.
class RecipeWriter {
 public:
  RecipeWriter();
  ~RecipeWriter();
  void integer(const char* key, int64_t, int64_t, int64_t& value);
  void seed(const char* key, uint64_t& value);
  void number(const char* key, double, double, double& value);
  void boolean(const char* key, bool& value);
  void text(const char* key, std::string& value);
  void word(const char* key, const std::vector<std::string_view>& words, int64_t& value);
  void json(const char* key, std::string& value);
  void texts(const char* key, std::vector<std::string>& value);
  void numbers(const char* key, double, double, std::map<std::string, double>& value);
  template <class F>
  void object(const char* key, F&& f) {
    RecipeWriter writer;
    f(writer);
    add(key, writer);
  }
  template <class T, class F>
  void optional(const char* key, std::optional<T>& value, F&& f) {
    if (value) object(key, [&](RecipeWriter& writer) { f(writer, *value); });
  }
  template <class T, class F>
  void list(const char* key, std::vector<T>& value, F&& f) {
    begin_list(key);
    for (T& each : value) {
      RecipeWriter writer;
      f(writer, each);
      push(key, writer);
    }
  }
  template <class T, class F>
  void map(const char* key, std::map<std::string, T>& value, F&& f) {
    RecipeWriter members;
    for (auto& [name, each] : value) {
      RecipeWriter writer;
      f(writer, each);
      members.add(name.c_str(), writer);
    }
    add(key, members);
  }
  nlohmann::ordered_json take();

 private:
  void add(const char* key, RecipeWriter& writer);
  void begin_list(const char* key);
  void push(const char* key, RecipeWriter& writer);
  std::unique_ptr<nlohmann::ordered_json> object_;
};

/// An enumeration as one of its names.
template <class V, class E>
void word_field(V& v, const char* key, const std::vector<std::string_view>& words, E& value) {
  auto index = static_cast<int64_t>(value);
  v.word(key, words, index);
  value = static_cast<E>(index);
}

template <class V>
void data_fields(V& v, RecipeStage& s) {
  v.integer("batch", 2, int64_t{1} << 30, s.batch);
  v.integer("batch_first", 0, int64_t{1} << 30, s.batch_first);
  v.integer("batch_ramp", 0, int64_t{1} << 32, s.batch_ramp);
  v.number("mtp_weight", 0, 10, s.mtp_weight);
  v.number("mtp_weight_decay", 0, 10, s.mtp_weight_decay);
  v.numbers("mixture", 1e-9, 1e9, s.mixture);
}

constexpr int64_t kMost = 65536;

template <class V>
void problem_fields(V& v, PracticeProblems& g) {
  v.text("tasks", g.tasks);
  v.integer("min_level", 1, Difficulty::kLevels, g.min_level);
  v.integer("max_level", 1, Difficulty::kLevels, g.max_level);
  v.number("off", 0, 1e6, g.off);
  v.number("high", 0, 1e6, g.high);
  v.number("max", 0, 1e6, g.max);
  v.integer("problems", 1, kMost, g.problems);
  v.integer("max_tokens", 1, int64_t{1} << 24, g.max_tokens);
}

template <class V>
void distill_fields(V& v, DistillOptions& d) {
  v.list("teachers", d.teachers, [](auto& o, DistillTeacher& t) {
    o.text("from", t.from);
    problem_fields(o, t);
  });
  v.integer("batch", 1, kMost, d.batch);
  v.number("temperature", 0.01, 100, d.temperature);
}

template <class V>
void grpo_fields(V& v, GrpoOptions& g) {
  problem_fields(v, g);
  v.integer("group", 2, kMost, g.group);
  v.integer("updates", 1, kMost, g.updates);
  v.integer("batch", 1, kMost, g.batch);
  v.number("temperature", 0.01, 100, g.policy.temperature);
  v.number("clip_low", 0, 1, g.policy.clip_low);
  v.number("clip_high", 0, 1e6, g.policy.clip_high);
  v.number("kl", 0, 1e6, g.policy.kl);
}

template <class V>
void stage_fields(V& v, RecipeStage& s) {
  constexpr int64_t kMany = int64_t{1} << 32;
  v.text("name", s.name);
  word_field(v, "kind", {"data", "grpo", "distill"}, s.kind);
  v.integer("steps", 1, kMany, s.steps);
  v.integer("row", 2, int64_t{1} << 24, s.row);
  if (s.kind == StageKind::data) {
    data_fields(v, s);
  } else {
    s.mtp_weight = s.mtp_weight_decay = 0;
    if (s.kind == StageKind::grpo) {
      v.object("grpo", [&](auto& o) { grpo_fields(o, s.grpo); });
    } else {
      v.object("distill", [&](auto& o) { distill_fields(o, s.distill); });
    }
  }
  v.number("rate", 0, 1, s.rate);
  v.number("adamw_rate", 0, 1, s.adamw_rate);
  v.number("vector_rate", 0, 1, s.vector_rate);
  v.integer("warmup", 0, kMany, s.warmup);
  v.number("decay_from", 0, 1, s.decay_from);
  v.number("final_share", 0, 1, s.final_share);
  word_field(v, "precision", {"fp32", "bf16", "fp8", "fp4"}, s.precision);
  word_field(v, "attention", {"dense", "indexer", "sparse"}, s.attention);
  v.number("indexer_weight", 0, 1e6, s.indexer_weight);
  v.number("balance_weight", 0, 10, s.balance_weight);
  v.number("bias_speed", 0, 1, s.bias_speed);
}

template <class V>
void generator_fields(V& v, DataGenerator& g) {
  word_field(v, "kind", {"tasks", "stories"}, g.stories);
  v.text("tasks", g.tasks);
  v.number("off", 0, 1e9, g.mix.off);
  v.number("high", 0, 1e9, g.mix.high);
  v.number("max", 0, 1e9, g.mix.max);
  int64_t low = g.mix.min_level, high = g.mix.max_level;
  v.integer("min_level", 1, Difficulty::kLevels, low);
  v.integer("max_level", 1, Difficulty::kLevels, high);
  g.mix.min_level = static_cast<int>(low);
  g.mix.max_level = static_cast<int>(high);
  v.number("slips", 0, 1, g.mix.slips);
}

template <class V>
void recipe_fields(V& v, Recipe& r) {
  constexpr int64_t kMany = int64_t{1} << 32;
  v.text("name", r.name);
  v.seed("seed", r.seed);
  v.text("from", r.from);
  v.json("model", r.config_json);
  v.text("tokenizer", r.tokenizer);
  v.map("data", r.data, [](auto& d, RecipeData& data) {
    d.text("path", data.path);
    d.optional("generate", data.generate, [](auto& o, DataGenerator& g) { generator_fields(o, g); });
  });
  v.number("validation_share", 0, 0.5, r.validation_share);
  v.integer("document_tokens", 128, int64_t{1} << 24, r.document_tokens);
  v.object("lora", [&](auto& o) {
    o.integer("rank", 0, 65536, r.lora.rank);
    o.number("alpha", 1e-6, 1e6, r.lora.alpha);
    o.texts("targets", r.lora.targets);
  });
  v.object("optimizer", [&](auto& o) {
    word_field(o, "kind", {"muon", "adamw"}, r.params.adamw_only);
    o.boolean("split", r.params.split);
    o.boolean("per_head", r.params.per_head);
    o.number("momentum", 0, 0.9999, r.optimizer.momentum);
    o.number("rms", 1e-6, 100, r.optimizer.muon_rms);
    o.number("beta1", 0, 0.9999, r.optimizer.beta1);
    o.number("beta2", 0, 0.99999, r.optimizer.beta2);
    o.number("eps", 0, 1, r.optimizer.eps);
    o.number("decay", 0, 100, r.optimizer.decay);
    o.number("clip", 0, 1e9, r.clip);
  });
  v.object("init", [&](auto& o) {
    o.number("gain", 0, 100, r.initial.gain);
    o.number("output_gain", 0, 100, r.initial.output_gain);
    o.number("embed_deviation", 0, 100, r.initial.embed_deviation);
    o.number("head_deviation", 0, 100, r.initial.head_deviation);
  });
  v.object("guard", [&](auto& o) {
    o.integer("window", 0, 1 << 20, r.guard.window);
    o.integer("least", 2, 1 << 20, r.guard.least);
    o.number("loss_z", 0, 1e9, r.guard.loss_z);
    o.number("norm_z", 0, 1e9, r.guard.norm_z);
    o.integer("skips", 0, 1 << 20, r.guard.skips);
    o.integer("rollbacks", 0, 1 << 20, r.guard.rollbacks);
    o.integer("anticipate", 0, 1 << 20, r.guard.anticipate);
  });
  v.integer("checkpoint_every", 1, kMany, r.checkpoint_every);
  v.integer("checkpoint_keep", 1, 1000, r.checkpoint_keep);
  v.integer("validation_every", 0, kMany, r.validation_every);
  v.integer("validation_tokens", 2, kMany, r.validation_tokens);
  v.integer("micro_rows", 2, int64_t{1} << 30, r.micro_rows);
  v.integer("keep_layers", 0, kMaxLayers, r.keep_layers);
  v.list("stages", r.stages, [](auto& s, RecipeStage& stage) { stage_fields(s, stage); });
}

}  // namespace fathom
