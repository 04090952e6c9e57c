// Evaluation of the bundled model: what it was trained for it solves by thinking, chains it does not without.
#include <doctest/doctest.h>

#include <map>

#include "base/error.h"
#include "post/task_evaluation.h"

namespace fathom {
namespace {

struct Bundled {
  std::filesystem::path folder = FATHOM_SOURCE_DIR "/models/v4-10m";
  std::shared_ptr<const Model> model = Model::open(folder);
  std::shared_ptr<const Tokenizer> tokenizer = Tokenizer::open(folder);
  Runtime<float> runtime{RuntimeOptions{{}, {2, false}, Numerics::exact()}};
  ChatSetup setup = read_chat_setup(folder, model->weights().checkpoint().config_json(), model->config());
};

TEST_CASE("thinking solves what answering at once does not") {
  Bundled b;
  TaskEvaluationOptions options;
  options.tasks = parse_task_list("add:4,chain:8");
  options.count = 24;
  options.max_tokens = 256;
  std::map<std::string, int64_t> answers;
  const TaskEvaluation result =
      evaluate_tasks(*b.model, b.runtime, *b.tokenizer, b.setup, options,
                     [&](const TaskAnswer& a) { answers[a.problem->family] += a.right; });
  REQUIRE(result.scores.size() == 4);
  const TaskScore &add = result.scores[1], &chain_off = result.scores[2], &chain = result.scores[3];
  CHECK(add.label() == "add:4");
  CHECK(add.think == Think::high);
  CHECK(add.accuracy() >= 0.9);
  CHECK(chain.accuracy() >= 0.8);
  CHECK(chain_off.accuracy() <= 0.2);
  CHECK(chain.mean_answer() > 5 * chain_off.mean_answer());
  CHECK(chain.problems == 24);
  CHECK(chain.drafts > 16 * 20);
  CHECK(static_cast<double>(chain.drafts_accepted) > 0.8 * static_cast<double>(chain.drafts));
  CHECK(answers["chain"] == chain.right + chain_off.right);
}

TEST_CASE("drafts are those of fathom score on the same ids") {
  Bundled b;
  const auto ids =
      b.tokenizer->encode("Once upon a time there was a little fox who lived in the woods.", true);
  std::vector<int32_t> row = {0};
  row.insert(row.end(), ids.begin(), ids.end());
  const DraftCount all = count_drafts(*b.model, b.runtime, row, 0);
  CHECK(all.drafts == std::ssize(row) - 2);
  const DraftCount some = count_drafts(*b.model, b.runtime, row, 10);
  CHECK(some.drafts == std::ssize(row) - 10);
  CHECK(some.accepted <= all.accepted);
  CHECK(count_drafts(*b.model, b.runtime, std::span(row).first(2), 0).drafts == 0);
}

TEST_CASE("the needle map has prompts of the length asked for") {
  Bundled b;
  NeedleOptions options;
  options.lengths = {256, 512};
  options.depths = 3;
  options.count = 2;
  const NeedleMap map = needle_map(*b.model, b.runtime, *b.tokenizer, b.setup, options);
  CHECK(map.depths == std::vector<double>{0, 0.5, 1});
  CHECK(map.mean_tokens[0] == doctest::Approx(256).epsilon(0.15));
  CHECK(map.mean_tokens[1] == doctest::Approx(512).epsilon(0.1));
  for (const auto& row : map.recalled) {
    for (const double share : row) CHECK((share == 0 || share == 0.5 || share == 1));
  }
  options.lengths = {1 << 20};
  CHECK_THROWS_AS(needle_map(*b.model, b.runtime, *b.tokenizer, b.setup, options), Error);
}

}  // namespace
}  // namespace fathom
