// A round of distillation: each answer has the opinion of the teacher of its problem, with the bits of the
// teacher's own logits, and depends on nothing but weights, seed and number.
#include "post/distill_practice.h"

#include <doctest/doctest.h>

#include "model/synthetic.h"
#include "tests/support/temp_folder.h"
#include "tests/support/tensor_file.h"
#include "tests/support/tiny_training.h"

namespace fathom {
namespace {

// Logits of the teacher at all positions of a document, as the engine finds them.
std::vector<float> logits_of(const Model& teacher, const Context<float>& ctx, const RowDocument& d) {
  const ArenaScope scope(ctx.arena());
  KvState state = teacher.new_state(ctx.numerics(), std::ssize(d.tokens));
  Batch batch;
  batch.add(state, d.tokens, LogitRows::all);
  const Mat<float> logits = teacher.forward<float>(ctx, batch).logits;
  return {logits.data, logits.data + logits.rows * logits.cols};
}

}  // namespace

TEST_CASE("answers have the opinions of their teachers, with the bits of the teachers' logits") {
  const auto tokenizer = Tokenizer::from_json(
      test::read_text(FATHOM_SOURCE_DIR "/models/v4-10m/tokenizer.json"), "tokenizer.json");
  const int64_t vocabulary = tokenizer->vocab_size();
  const test::TempFolder folder;
  ThreadPool pool{1};
  ModelConfig wide = test::tiny_config(vocabulary);
  wide.hidden_size = 96;
  write_synthetic(folder / "fp4", test::tiny_config(vocabulary), pool, {.format = WeightFormat::release});
  write_synthetic(folder / "wide", wide, pool, {.format = WeightFormat::bf16, .seed = 1});

  DistillOptions options;
  for (const char* name : {"fp4", "wide"}) {
    DistillTeacher& teacher = options.teachers.emplace_back();
    teacher.from = (folder / name).string();
    teacher.tasks = name[0] == 'f' ? "add" : "reverse";
    teacher.off = 1;
    teacher.high = 0;
    teacher.problems = name[0] == 'f' ? 2 : 3;
    teacher.max_tokens = 6;
  }
  ChatSetup setup;
  setup.stop_tokens = {1};
  DistillPractice practice({*tokenizer, setup, 200}, options);

  for (const Precision precision : {Precision::fp32, Precision::bf16, Precision::fp4}) {
    CAPTURE(name(precision));
    test::TinyTraining one(precision, 1, vocabulary), more(precision, 3, vocabulary);
    const PracticeRound round = practice.practise(*one.learner, nullptr, 9, 2);
    const PracticeRound again = practice.practise(*more.learner, nullptr, 9, 2);
    REQUIRE(round.steps.size() == 1);
    REQUIRE(round.steps[0].size() == 5);
    CHECK(round.figures.answers == 5);
    CHECK(round.figures.tokens > 5);
    for (size_t d = 0; d < 5; ++d) {
      CAPTURE(d);
      const RowDocument& document = round.steps[0][d];
      CHECK(again.steps[0][d].tokens == document.tokens);
      CHECK(again.steps[0][d].opinion->rows == document.opinion->rows);
      const Model& teacher = *document.opinion->teacher;
      const int64_t D = teacher.config().hidden_size;
      CHECK(D == (d < 2 ? 64 : 96));

      const Context<float>& ctx = one.learner->context();
      const std::vector<float> expected = logits_of(teacher, ctx, document);
      std::vector<float> rows = document.opinion->rows, found(static_cast<size_t>(vocabulary));
      int64_t labels = 0;
      for (size_t t = 0; t < document.labels.size(); ++t) {
        if (document.labels[t] == kUnlearned) continue;
        ++labels;
        const auto at = static_cast<int64_t>(t);
        ctx.linear({rows.data() + at * D, 1, D}, teacher.weights().params().lm_head,
                   {found.data(), 1, vocabulary});
        CHECK(std::equal(found.begin(), found.end(), expected.begin() + at * vocabulary));
      }
      CHECK(labels > 0);
    }
    std::vector<float> a(static_cast<size_t>(one.table.size())), b = a;
    const PassFigures figures = one.learner->learn(round.steps[0], {}, a.data());
    CHECK(figures.lm > 0.01);
    CHECK(more.learner->learn(again.steps[0], {}, b.data()).lm == figures.lm);
    CHECK(a == b);
    CHECK(practice.practise(*one.learner, nullptr, 9, 3).steps[0][0].tokens != round.steps[0][0].tokens);
  }
}

}  // namespace fathom
