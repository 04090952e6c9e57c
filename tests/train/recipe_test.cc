// Recipes: every mistake is an error that names its key, every field can be overridden.
#include "train/recipe.h"

#include <doctest/doctest.h>

#include "base/error.h"

namespace fathom {
namespace {

constexpr const char* kRecipe = R"({
  "name": "test", "seed": 3, "from": "somewhere", "data": {"books": "books", "chats": {"path": "chats"}},
  "optimizer": {"kind": "muon", "per_head": true},
  "stages": [
    {"name": "dense", "steps": 10, "row": 64, "batch": 256, "attention": "dense", "precision": "fp32"},
    {"steps": 100, "row": 64, "batch": 512, "batch_first": 128, "batch_ramp": 50, "rate": 0.002, "warmup": 5,
     "decay_from": 0.6, "mixture": {"books": 2}}
  ]
})";

std::string problem(const std::string& text, const std::vector<std::string>& overrides = {}) {
  try {
    Recipe::parse(text, "r.json", "", overrides);
  } catch (const Error& e) {
    return e.message();
  }
  return "";
}

}  // namespace

TEST_CASE("a recipe is read, written and read again") {
  const Recipe r = Recipe::parse(kRecipe, "r.json", "");
  CHECK(r.seed == 3);
  CHECK(r.data.at("books").path == "books");
  CHECK(r.params.per_head);
  CHECK(r.steps() == 110);
  CHECK(r.stages[0].precision == Precision::fp32);
  CHECK(r.stages[0].attention == AttentionStage::dense);
  CHECK(r.stages[1].rows(0) == 2);
  CHECK(r.stages[1].rows(25) == 5);
  CHECK(r.stages[1].rows(50) == 8);
  CHECK(r.stages[1].schedule().decay_from == 60);
  const std::string written = r.to_json();
  CHECK(Recipe::parse(written, "w.json", "").to_json() == written);
}

TEST_CASE("any field can be overridden") {
  const Recipe r =
      Recipe::parse(kRecipe, "r.json", "",
                    {"stages.1.rate=0.5", "optimizer.decay=0", "name=other name", "guard.window=7",
                     "optimizer.kind=adamw", "optimizer.per_head=false", "data.books=elsewhere"});
  CHECK(r.stages[1].rate == 0.5);
  CHECK(r.optimizer.decay == 0);
  CHECK(r.name == "other name");
  CHECK(r.guard.window == 7);
  CHECK(r.params.adamw_only);
  CHECK(r.data.at("books").path == "elsewhere");
}

TEST_CASE("a grpo stage has fields of its own") {
  const std::string text =
      R"({"from": "x", "guard": {"anticipate": 0}, "stages": [{"kind": "grpo", "steps": 3,
    "row": 300, "grpo": {"tasks": "add,mul:2*3", "off": 2, "high": 0, "problems": 8, "group": 4, "updates": 2,
                         "max_tokens": 200, "kl": 0.01, "clip_high": 0.3}}]})";
  const Recipe r = Recipe::parse(text, "r.json", "");
  const RecipeStage& stage = r.stages[0];
  CHECK(stage.kind == StageKind::grpo);
  CHECK(stage.mtp_weight == 0);
  CHECK(stage.step_tokens() == 4 * 4 * 300);
  CHECK(stage.grpo.policy.clip_high == 0.3);
  const TaskMix mix = stage.grpo.mix();
  CHECK(mix.families.size() == 2);
  CHECK(mix.off == 2);
  CHECK(mix.high == 0);
  CHECK(!mix.held_out);
  const std::string written = r.to_json();
  CHECK(Recipe::parse(written, "w.json", "").to_json() == written);

  const std::pair<std::vector<std::string>, const char*> cases[] = {
      {{"stages.0.grpo.group=1"}, "stages[0].grpo.group: expected"},
      {{"stages.0.grpo.tasks=juggling"}, "stages[0].grpo: tasks: task: expected one of"},
      {{"stages.0.grpo.max=-1"}, "stages[0].grpo.max: expected"},
      {{"stages.0.grpo.off=0"}, "stages[0].grpo: shares of the modes: expected one above 0"},
      {{"stages.0.grpo.min_level=4", "stages.0.grpo.max_level=2"}, "stages[0].grpo: level: expected"},
      {{"stages.0.grpo.updates=3"}, "stages[0].grpo.updates: expected a divisor of problems (8), found 3"},
      {{"stages.0.grpo.max_tokens=300"}, "stages[0].grpo.max_tokens: expected fewer than row (300)"},
      {{"stages.0.grpo.temperature=0"}, "stages[0].grpo.temperature: expected"},
      {{"stages.0.grpo.colour=red"}, "stages[0].grpo.colour: expected one of"},
      {{"stages.0.attention=dense"}, "stages[0].attention: expected sparse, as answers are written"},
      {{"stages.0.batch=512"}, "stages[0].batch: expected one of"},
      {{"stages.0.kind=sft"}, "stages[0].kind: expected data, grpo or distill"},
      {{"stages.0.kind=data"}, "stages[0].grpo: expected one of"},
      {{"guard.anticipate=5"}, "guard.anticipate: expected 0, as r.json: stages[0] learns from answers"},
      {{"from=null", "model={\"model_type\": \"deepseek_v4\"}", "tokenizer=t"}, "r.json: "},
  };
  for (const auto& [overrides, expected] : cases) {
    CAPTURE(expected);
    const std::string found = problem(text, overrides);
    CAPTURE(found);
    CHECK(found.find(expected) != std::string::npos);
  }
}

TEST_CASE("a distill stage names its teachers") {
  const std::string text =
      R"({"from": "x", "guard": {"anticipate": 0}, "stages": [{"kind": "distill", "steps": 3,
    "row": 300, "distill": {"teachers": [{"from": "a", "tasks": "add", "problems": 4},
                                         {"from": "b", "tasks": "mul:2", "problems": 6, "max_tokens": 90}]}}]})";
  const Recipe r = Recipe::parse(text, "r.json", "");
  CHECK(r.stages[0].distill.teachers.size() == 2);
  CHECK(r.stages[0].distill.teachers[1].max_tokens == 90);
  CHECK(r.stages[0].step_tokens() == 10 * 300);
  const std::string written = r.to_json();
  CHECK(Recipe::parse(written, "w.json", "").to_json() == written);
  const std::pair<std::vector<std::string>, const char*> cases[] = {
      {{"stages.0.distill.teachers=[]"}, "stages[0].distill.teachers: expected a teacher, found none"},
      {{"stages.0.distill.teachers.1.from=null"},
       "distill.teachers[1].from: expected a checkpoint, found none"},
      {{"stages.0.distill.teachers.1.tasks=juggling"}, "distill.teachers[1]: tasks: task: expected one of"},
      {{"stages.0.distill.teachers.0.max_tokens=300"},
       "teachers[0].max_tokens: expected fewer than row (300)"},
      {{"stages.0.distill.teachers.0.group=3"}, "distill.teachers[0].group: expected one of"},
      {{"stages.0.grpo.problems=3"}, "stages[0].grpo: expected one of"},
      {{"stages.0.attention=dense"}, "stages[0].attention: expected sparse"},
  };
  for (const auto& [overrides, expected] : cases) {
    CAPTURE(expected);
    const std::string found = problem(text, overrides);
    CAPTURE(found);
    CHECK(found.find(expected) != std::string::npos);
  }
}

TEST_CASE("mistakes are named") {
  const std::pair<std::vector<std::string>, const char*> cases[] = {
      {{"stages.0.stpes=3"}, "r.json: stages[0].stpes: expected one of"},
      {{"guard.windows=3"}, "r.json: guard.windows: expected one of"},
      {{"colour=red"}, "r.json: colour: expected one of"},
      {{"stages.0.steps=0"}, "r.json: stages[0].steps: expected"},
      {{"stages.0.steps=ten"}, "r.json: stages[0].steps: expected"},
      {{"stages.0.precision=fp16"}, "r.json: stages[0].precision: expected fp32, bf16, fp8 or fp4"},
      {{"stages.7.steps=1"}, "override stages.7.steps: expected an index below 2"},
      {{"steps"}, "override: expected path=value"},
      {{"seed.x=1"}, "override seed.x: expected an object before \"x\""},
      {{"stages.0.batch=32"}, "r.json: stages[0].batch: expected at least row (64), found 32"},
      {{"stages.1.batch_first=1024"}, "r.json: stages[1].batch_first: expected at most batch (512)"},
      {{"stages.0.batch_ramp=5"}, "r.json: stages[0].batch_ramp: expected batch_first beside it"},
      {{"stages.1.warmup=70"}, "r.json: stages[1].warmup: expected an end before decay_from"},
      {{"stages.0.warmup=11"}, "r.json: stages[0].warmup: expected at most steps (10)"},
      {{"stages.0.attention=indexer", "stages.0.indexer_weight=0"},
       "r.json: stages[0].indexer_weight: expected"},
      {{"stages.1.mixture.films=1"},
       "r.json: stages[1].mixture.films: expected a name in data (books, chats)"},
      {{"optimizer.kind=adamw"},
       "r.json: optimizer.per_head: expected false, as optimizer.kind is \"adamw\""},
      {{"from=null"}, "r.json: expected either from (a checkpoint) or model (a config), found neither"},
      {{"model={}"}, "found both"},
      {{"data={}"}, "r.json: data: expected a source"},
      {{"stages=[]"}, "r.json: stages: expected a stage"},
      {{"data.chats.licence=x"}, "r.json: data.chats.licence: expected one of generate, path"},
      {{"from=null", "model={}", "tokenizer=t"}, "r.json: model: "},
  };
  for (const auto& [overrides, expected] : cases) {
    CAPTURE(expected);
    const std::string found = problem(kRecipe, overrides);
    CAPTURE(found);
    CHECK(found.find(expected) != std::string::npos);
  }
  CHECK(problem("{").find("r.json: ") == 0);
  CHECK(problem("[]").find("r.json: recipe: expected an object") == 0);
}

}  // namespace fathom
