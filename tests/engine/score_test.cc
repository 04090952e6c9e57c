// Scores of a text are the sums that its logits give, however the rows are cut into chunks.
#include "engine/score.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <numbers>

#include "base/error.h"
#include "engine/recorder.h"
#include "tests/support/tensor_file.h"

namespace fathom {
namespace {

RuntimeOptions one_thread() {
  RuntimeOptions options;
  options.pool = {1, false};
  return options;
}

std::vector<int32_t> some_text(const ModelConfig& config, int64_t count) {
  std::vector<int32_t> ids;
  for (int64_t i = 0; i < count; ++i)
    ids.push_back(static_cast<int32_t>((i * i * 5 + 2) % config.vocab_size));
  return ids;
}

}  // namespace

TEST_CASE("rows after BOS, alone, every token a target") {
  const auto model = Model::open(test::golden("fp32/h_mtp"));
  const ModelConfig& config = model->config();
  Runtime<float> runtime(one_thread());
  const auto text = some_text(config, 50);
  constexpr int64_t kRow = 21;  // 20 tokens each, the last row shorter
  TextScore expected;
  const auto vocab = static_cast<size_t>(config.vocab_size);
  const auto argmax = [&](const std::vector<float>& all, size_t t) {
    const auto begin = all.begin() + static_cast<std::ptrdiff_t>(t * vocab);
    return static_cast<int32_t>(std::max_element(begin, begin + static_cast<std::ptrdiff_t>(vocab)) - begin);
  };
  for (size_t begin = 0; begin < text.size(); begin += kRow - 1) {
    std::vector<int32_t> ids{config.bos_token_id};
    for (size_t i = begin; i < std::min(begin + kRow - 1, text.size()); ++i) ids.push_back(text[i]);
    RecordOptions record;
    record.mtp = true;
    const SequenceRecord found = record_sequence(runtime, *model, ids, record);
    for (size_t t = 0; t + 1 < ids.size(); ++t) {
      double sum = 0;
      for (size_t v = 0; v < vocab; ++v) sum += std::exp(static_cast<double>(found.logits[t * vocab + v]));
      expected.nll +=
          std::log(sum) - static_cast<double>(found.logits[t * vocab + static_cast<size_t>(ids[t + 1])]);
      expected.right += argmax(found.logits, t) == ids[t + 1];
      ++expected.tokens;
      if (t + 2 >= ids.size()) continue;
      const int32_t draft = argmax(found.mtp_logits, t);
      expected.drafts_accepted += draft == argmax(found.logits, t + 1);
      expected.drafts_right += draft == ids[t + 2];
      ++expected.drafts;
    }
  }
  double first = 0;
  for (const int64_t chunk : {256, 20, 7, 1}) {
    CAPTURE(chunk);
    ScoreOptions options;
    options.row = kRow;
    options.chunk = chunk;
    options.mtp = true;
    const TextScore found = score_text(runtime, *model, text, options);
    CHECK(found.rows == 3);
    CHECK(found.tokens == 50);
    CHECK(found.nll == doctest::Approx(expected.nll).epsilon(1e-9));
    CHECK(found.right == expected.right);
    CHECK(found.drafts == expected.drafts);
    CHECK(found.drafts == 47);
    CHECK(found.drafts_accepted == expected.drafts_accepted);
    CHECK(found.drafts_right == expected.drafts_right);
    if (chunk == 256) first = found.nll;
    CHECK(found.nll == first);  // the same bits
  }
}

TEST_CASE("figures of a score") {
  TextScore score;
  score.tokens = 4;
  score.nll = 4 * std::log(8.0);
  score.right = 1;
  CHECK(score.perplexity() == doctest::Approx(8));
  CHECK(score.bits_per_byte(6) == doctest::Approx(2));
  CHECK(score.top1() == 0.25);
  CHECK(score.draft_acceptance() == 0);
}

TEST_CASE("a text without a row length is one row; bad lengths and ids are refused") {
  const auto model = Model::open(test::golden("fp32/a_swa"));
  Runtime<float> runtime(one_thread());
  const auto text = some_text(model->config(), 30);
  CHECK(score_text(runtime, *model, text).rows == 1);
  ScoreOptions options;
  options.row = 1;
  CHECK_THROWS_AS(score_text(runtime, *model, text, options), Error);
  options.row = model->config().max_position_embeddings + 1;
  CHECK_THROWS_AS(score_text(runtime, *model, text, options), Error);
  CHECK_THROWS_WITH_AS(score_text(runtime, *model, std::vector<int32_t>{1, -1}),
                       "text: expected token ids below 160, found -1", Error);
}

TEST_CASE("progress stops the scoring") {
  const auto model = Model::open(test::golden("fp32/a_swa"));
  Runtime<float> runtime(one_thread());
  ScoreOptions options;
  options.row = 11;
  options.progress = [](int64_t done, int64_t total) {
    CHECK(total == 30);
    return done < 20;
  };
  CHECK(score_text(runtime, *model, some_text(model->config(), 30), options).tokens == 20);
}

}  // namespace fathom
