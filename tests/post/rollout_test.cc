// Answers in batches are those of one sequence alone, with the right log-probabilities and ends.
#include "post/rollout.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <map>

#include "base/error.h"
#include "engine/session.h"

namespace fathom {
namespace {

struct Bundled {
  std::shared_ptr<const Model> model = Model::open(FATHOM_SOURCE_DIR "/models/v4-10m");
  Runtime<float> runtime{RuntimeOptions{{}, {2, false}, Numerics::exact()}};
};

std::vector<RolloutRequest> requests_of(int64_t count) {
  std::vector<RolloutRequest> requests;
  for (int64_t i = 0; i < count; ++i) {
    RolloutRequest request;
    request.prompt = {0, 4084};
    for (int64_t k = 0; k < 3 + 37 * (i % 4); ++k)
      request.prompt.push_back(static_cast<int32_t>(300 + 7 * k + i));
    request.prompt.insert(request.prompt.end(), {4085, i % 2 == 0 ? 4086 : 4087});
    request.max_tokens = 6 + i % 5;
    request.seed = static_cast<uint64_t>(i);
    requests.push_back(std::move(request));
  }
  return requests;
}

TEST_CASE("batches of any kind give the answers of sequences alone") {
  Bundled b;
  const auto requests = requests_of(7);
  for (const double temperature : {0.0, 1.0}) {
    RolloutOptions options;
    options.sampling.temperature = temperature;
    options.stop_tokens = {1};
    options.logprobs = true;
    options.batch = 1;
    const auto alone = roll_out(*b.model, b.runtime, requests, options);
    options.batch = 5;
    options.step_rows = 16;
    const auto together = roll_out(*b.model, b.runtime, requests, options);
    REQUIRE(alone.size() == requests.size());
    for (size_t i = 0; i < alone.size(); ++i) {
      CAPTURE(i);
      CHECK(together[i].ids == alone[i].ids);
      CHECK(together[i].logprobs == alone[i].logprobs);
      CHECK(together[i].ended == (together[i].ids.back() == 1));
      CHECK((together[i].ended || std::ssize(together[i].ids) == requests[i].max_tokens));

      // The same from a session, token by token.
      Session session(*b.model, b.runtime);
      session.feed(requests[i].prompt);
      for (size_t t = 0; t < alone[i].ids.size(); ++t) {
        const int32_t id =
            pick_token(session.logits(), options.sampling, {}, requests[i].seed, session.position());
        CHECK(id == alone[i].ids[t]);
        const double logprob = session.logits()[static_cast<size_t>(id)] - log_sum_exp(session.logits());
        CHECK(alone[i].logprobs[t] == doctest::Approx(logprob).epsilon(1e-6));
        session.feed({&id, 1});
      }
    }
  }
}

TEST_CASE("penalties see the prompt and the answer") {
  Bundled b;
  RolloutOptions options;
  options.sampling.temperature = 0;
  options.sampling.presence_penalty = 2;
  options.sampling.frequency_penalty = 2;
  auto requests = requests_of(1);
  requests[0].max_tokens = 30;
  const auto answer = roll_out(*b.model, b.runtime, requests, options)[0];
  std::map<int32_t, int> seen;
  int most = 0;
  for (const int32_t id : answer.ids) most = std::max(most, ++seen[id]);
  options.sampling.presence_penalty = options.sampling.frequency_penalty = 0;
  CHECK(roll_out(*b.model, b.runtime, requests, options)[0].ids != answer.ids);
  CHECK(most <= 6);
}

TEST_CASE("bad requests are refused, progress can stop") {
  Bundled b;
  RolloutOptions options;
  auto requests = requests_of(3);
  requests[1].prompt.clear();
  CHECK_THROWS_AS(roll_out(*b.model, b.runtime, requests, options), Error);
  requests[1].prompt = {0, 99999};
  CHECK_THROWS_AS(roll_out(*b.model, b.runtime, requests, options), Error);
  requests = requests_of(3);
  options.batch = 1;
  options.progress = [](int64_t done, int64_t) { return done < 1; };
  const auto stopped = roll_out(*b.model, b.runtime, requests, options);
  CHECK_FALSE(stopped[0].ids.empty());
  CHECK(stopped[2].ids.empty());
  options.progress = {};
  options.sampling.temperature = -1;
  CHECK_THROWS_AS(roll_out(*b.model, b.runtime, requests, options), Error);
}

}  // namespace
}  // namespace fathom
