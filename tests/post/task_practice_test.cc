// Rollouts and the trainer agree on every bit of every log-probability; rounds of answers are functions of
// weights and seed.
#include "post/task_practice.h"

#include <doctest/doctest.h>

#include "base/error.h"
#include "base/rng.h"
#include "post/rollout.h"
#include "tests/support/tensor_file.h"
#include "tests/support/tiny_training.h"

namespace fathom {
namespace {

std::vector<RolloutRequest> requests(int64_t vocabulary) {
  std::vector<RolloutRequest> out;
  for (uint64_t i = 0; i < 6; ++i) {
    RolloutRequest request;
    for (uint64_t t = 0; t < 2 + i * 9; ++t)
      request.prompt.push_back(static_cast<int32_t>(philox(3, i, t)[0] % static_cast<uint32_t>(vocabulary)));
    request.max_tokens = 7 + static_cast<int64_t>(i) * 6;
    request.seed = i;
    out.push_back(std::move(request));
  }
  return out;
}

}  // namespace

TEST_CASE("log-probabilities of rollout and trainer have the same bits") {
  constexpr int64_t kVocabulary = 4500;
  for (const Precision precision : {Precision::fp32, Precision::bf16, Precision::fp8, Precision::fp4}) {
    CAPTURE(name(precision));
    std::vector<std::vector<double>> first;
    for (const int threads : {1, 3}) {
      test::TinyTraining trained(precision, threads, kVocabulary);
      for (const auto& [batch, step_rows] : {std::pair<int64_t, int64_t>{1, 512}, {4, 9}, {64, 512}}) {
        CAPTURE(threads);
        CAPTURE(batch);
        RolloutOptions options;
        options.sampling.temperature = options.logprob_temperature = 0.7;
        options.batch = batch;
        options.step_rows = step_rows;
        options.logprobs = true;
        const auto asked = requests(kVocabulary);
        const auto answers = roll_out(trained.learner->model(), trained.learner->context(), asked, options);
        Row row;
        std::vector<std::vector<double>> found;
        for (size_t i = 0; i < answers.size(); ++i) {
          RowDocument& d = row.emplace_back();
          d.tokens = asked[i].prompt;
          d.labels.assign(d.tokens.size() - 1, kUnlearned);
          d.tokens.insert(d.tokens.end(), answers[i].ids.begin(), answers[i].ids.end() - 1);
          d.labels.insert(d.labels.end(), answers[i].ids.begin(), answers[i].ids.end());
          d.credit = {i % 2 == 0 ? 1.0 : -1.0, answers[i].logprobs, {}};
          found.push_back(answers[i].logprobs);
        }
        if (first.empty()) first = found;
        CHECK(found == first);
        CHECK(found[3][2] < -0.01);
        PassOptions pass;
        pass.policy = PolicyOptions{0.2, 0.2, 0, 0.7};
        for (const int64_t micro_rows : {2048, 40, 16}) {  // together, in groups, in chunks of a document
          pass.micro_rows = micro_rows;
          const auto again = trained.learner->log_probs(row, pass);
          for (size_t i = 0; i < row.size(); ++i) {
            const std::vector<double> labels(again[i].end() - std::ssize(found[i]), again[i].end());
            CHECK(labels == found[i]);
          }
          // And in the pass that makes the gradients.
          std::vector<float> gradients(static_cast<size_t>(trained.table.size()));
          for (const int64_t keep_layers : {0, 64}) {
            pass.keep_layers = keep_layers;
            const PassFigures figures = trained.learner->learn(row, pass, gradients.data());
            CHECK(figures.policy.drift == 0);
            CHECK(figures.policy.clipped == 0);
          }
        }
      }
    }
  }
}

TEST_CASE("a round is a function of weights, seed and number") {
  const auto tokenizer = Tokenizer::from_json(
      test::read_text(FATHOM_SOURCE_DIR "/models/v4-10m/tokenizer.json"), "tokenizer.json");
  test::TinyTraining trained(Precision::fp32, 2, tokenizer->vocab_size());
  test::TinyTraining reference(Precision::fp32, 1, tokenizer->vocab_size());
  ChatSetup setup;
  setup.stop_tokens = {1};
  GrpoOptions options;
  options.tasks = "add,reverse";
  options.off = 1;
  options.problems = 4;
  options.group = 3;
  options.updates = 2;
  options.max_tokens = 5;
  options.policy.kl = 0.1;  // or nothing were left of answers that are all wrong
  TaskPractice practice({*tokenizer, setup, 200}, options);
  const PracticeRound one = practice.practise(*trained.learner, reference.learner.get(), 9, 2);
  const PracticeRound same = practice.practise(*trained.learner, reference.learner.get(), 9, 2);
  const PracticeRound next = practice.practise(*trained.learner, reference.learner.get(), 9, 3);
  const PracticeRound other = practice.practise(*trained.learner, reference.learner.get(), 10, 2);
  REQUIRE(one.steps.size() == 2);
  REQUIRE(one.steps[0].size() == 6);
  CHECK(one.figures.answers == 12);
  CHECK(one.figures.groups == 4);
  CHECK(one.figures.tokens > 0);
  CHECK(one.figures.entropy > 1);
  CHECK(one.figures.ended < 12);
  const auto tokens = [](const PracticeRound& round) {
    std::vector<std::vector<int32_t>> out;
    for (const Row& row : round.steps) {
      for (const RowDocument& d : row) out.push_back(d.tokens);
    }
    return out;
  };
  CHECK(tokens(same) == tokens(one));
  CHECK(same.steps[1][5].credit == one.steps[1][5].credit);
  CHECK(tokens(next) != tokens(one));
  CHECK(tokens(other) != tokens(one));
  CHECK(one.steps[0][0].tokens != one.steps[0][1].tokens);  // answers of a group differ
  // The reference has the weights of the model itself here.
  for (const Row& row : one.steps) {
    for (const RowDocument& d : row) CHECK(d.credit.reference == d.credit.sampled);
  }

  options.max_tokens = 190;
  TaskPractice tight({*tokenizer, setup, 200}, options);
  CHECK_THROWS_WITH_AS(tight.practise(*trained.learner, nullptr, 1, 0),
                       doctest::Contains("row: expected room for prompts of"), Error);
}

}  // namespace fathom
