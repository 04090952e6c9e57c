// Looking into one token: the same view however the text was read, and no bit of anybody's answer changes.
#include "engine/inside.h"

#include <doctest/doctest.h>
#include <fmt/core.h>

#include <numeric>

#include "engine/recorder.h"
#include "tests/engine/serving/serving_requests.h"

using namespace fathom;
using test::Heard;

namespace {

std::string long_text() {
  std::string text = "Sort:";
  for (int64_t i = 0; i < 150; ++i) text += fmt::format(" {}", (i * 7919 + 13) % 1000);
  return text;
}

EngineRequest looking(const test::Served& served, std::vector<int32_t> ids) {
  EngineRequest request = served.request("", "off", 0);
  request.prompt = std::move(ids);
  request.options.raw = true;
  request.inside = true;
  return request;
}

void check_equal(const InsideView& a, const InsideView& b) {
  REQUIRE(a.layers.size() == b.layers.size());
  for (size_t i = 0; i < a.layers.size(); ++i) {
    CAPTURE(i);
    const AttentionRow &x = a.layers[i].attention, &y = b.layers[i].attention;
    CHECK(a.layers[i].experts == b.layers[i].experts);
    CHECK(a.layers[i].expert_weights == b.layers[i].expert_weights);
    CHECK(x.first_position == y.first_position);
    CHECK(x.window == y.window);
    CHECK(x.sink == y.sink);
    CHECK(x.visible == y.visible);
    CHECK(x.entries == y.entries);
    CHECK(x.entry_weights == y.entry_weights);
    CHECK(x.scores == y.scores);
  }
}

double sum(const std::vector<float>& values) { return std::accumulate(values.begin(), values.end(), 0.0); }

}  // namespace

TEST_CASE("a view agrees with the trace of the whole text, layer by layer") {
  test::Served served;
  const std::vector<int32_t> ids = served.request(long_text()).prompt;
  const SequenceRecord record = record_sequence(served.runtime, *served.model, ids, {.trace = true});
  const ModelConfig& config = served.model->config();
  for (const size_t length : {size_t{1}, size_t{70}, ids.size()}) {
    CAPTURE(length);
    const auto position = static_cast<int64_t>(length) - 1;
    const auto heard =
        served.alone(looking(served, {ids.begin(), ids.begin() + static_cast<std::ptrdiff_t>(length)}));
    REQUIRE(heard->got().inside);
    CHECK(heard->got().outcome == Outcome::finished);
    CHECK(heard->got().stats.completion_tokens == 0);
    const InsideView& view = *heard->got().inside;
    REQUIRE(std::ssize(view.layers) == config.num_hidden_layers);
    for (int64_t i = 0; i < config.num_hidden_layers; ++i) {
      CAPTURE(i);
      const InsideLayer& layer = view.layers[static_cast<size_t>(i)];
      const LayerRecord& traced = record.layers.at(i);
      const int64_t k = config.num_experts_per_tok;
      REQUIRE(std::ssize(layer.experts) == k);
      for (int64_t e = 0; e < k; ++e) {
        CHECK(layer.experts[static_cast<size_t>(e)] ==
              traced.router_ids[static_cast<size_t>(position * k + e)]);
        CHECK(layer.expert_weights[static_cast<size_t>(e)] ==
              traced.router_weights[static_cast<size_t>(position * k + e)]);
      }
      const AttentionRow& row = layer.attention;
      const LayerConfig kind = config.layer(i);
      CHECK(row.first_position == std::max<int64_t>(0, position + 1 - config.sliding_window));
      CHECK(std::ssize(row.window) == position + 1 - row.first_position);
      CHECK(row.entries.size() == row.entry_weights.size());
      CHECK(row.sink > 0);
      CHECK(sum(row.window) + sum(row.entry_weights) + static_cast<double>(row.sink) == doctest::Approx(1));
      if (kind.kind == LayerKind::swa) {
        CHECK(row.entries.empty());
        continue;
      }
      CHECK(row.visible == (position + 1) / kind.ratio);
      if (kind.kind == LayerKind::hca) {
        CHECK(std::ssize(row.entries) == row.visible);
        CHECK(row.scores.empty());
        continue;
      }
      CHECK(std::ssize(row.entries) == std::min(row.visible, config.index_topk));
      CHECK(row.scores.size() == row.entries.size());
      const auto at = static_cast<size_t>(position * traced.indexer_width);
      for (size_t e = 0; e < row.entries.size(); ++e) CHECK(row.entries[e] == traced.indexer[at + e]);
    }
  }
}

TEST_CASE("a view is the same in pieces, from a kept state and in company, and changes nobody's bits") {
  test::Served served;
  const EngineRequest question = [&] {
    EngineRequest r = served.request("Compute 12 + 456.", "high", 40);
    r.options.logprobs = 2;
    return r;
  }();
  const EngineRequest look = looking(served, served.request(long_text()).prompt);
  const auto answer = served.alone(question), view = served.alone(look);
  REQUIRE(view->got().inside);
  REQUIRE(std::ssize(look.prompt) > 4 * served.model->config().index_topk);

  SchedulerOptions options;
  options.prompt_chunk = 37;
  Scheduler scheduler = served.scheduler(options);
  std::vector<std::shared_ptr<Heard>> views;
  const auto beside = std::make_shared<Heard>();
  scheduler.submit(question, beside, std::make_shared<Ticket>());
  for (int64_t i = 0; i < 3; ++i) {
    views.push_back(std::make_shared<Heard>());
    scheduler.submit(look, views.back(), std::make_shared<Ticket>());
    scheduler.step();
  }
  for (int64_t i = 0; i < 10'000 && scheduler.step(); ++i) {
  }
  views.push_back(std::make_shared<Heard>());  // its text has been read before
  scheduler.submit(look, views.back(), std::make_shared<Ticket>());
  for (int64_t i = 0; i < 10'000 && scheduler.step(); ++i) {
  }
  CHECK(views.back()->got().stats.cached_tokens == std::ssize(look.prompt) - 1);
  for (const auto& other : views) {
    REQUIRE(other->got().inside);
    check_equal(*other->got().inside, *view->got().inside);
  }
  CHECK(beside->content == answer->content);
  CHECK(test::same_bits(beside->logprobs, answer->logprobs));
  CHECK_FALSE(beside->got().inside);
}
