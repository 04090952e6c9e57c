// Continuous batching: company never changes a bit of an answer, cancelling frees everything, keys share.
#include "engine/serving/scheduler.h"

#include <doctest/doctest.h>
#include <fmt/core.h>

#include "tests/engine/serving/serving_requests.h"

using namespace fathom;
using test::Heard;

namespace {

std::string long_text(int64_t words) {
  std::string text = "Sort:";
  for (int64_t i = 0; i < words; ++i) text += fmt::format(" {}", (i * 7919 + 13) % 1000);
  return text;
}

void run_all(Scheduler& scheduler) {
  for (int64_t i = 0; i < 100000 && scheduler.step(); ++i) {
  }
}

}  // namespace

TEST_CASE("a seeded request is bitwise the same alone and under load") {
  test::Served served;
  std::vector<EngineRequest> requests;
  for (int64_t i = 0; i < 12; ++i) {
    EngineRequest r =
        served.request(i % 3 == 0 ? long_text(20 + 17 * i) : fmt::format("Compute {} + 456.", 100 + i),
                       i % 2 == 0 ? "high" : "off", 10 + 3 * i);
    r.options.sampling.temperature = i % 4 == 0 ? 0 : 0.9;
    r.options.seed = static_cast<uint64_t>(i) + 77;
    r.options.logprobs = 2;
    r.key = i % 2 == 0 ? "a" : "b";
    requests.push_back(r);
  }
  std::vector<std::shared_ptr<Heard>> alone;
  for (const EngineRequest& r : requests) alone.push_back(served.alone(r));

  for (const int64_t chunk : {5, 64}) {
    CAPTURE(chunk);
    SchedulerOptions options;
    options.prompt_chunk = chunk;
    options.step_rows = 2 * chunk;
    options.max_sequences = 7;  // some wait and join later
    Scheduler scheduler = served.scheduler(options);
    std::vector<std::shared_ptr<Heard>> loaded;
    for (const EngineRequest& r : requests) {
      loaded.push_back(std::make_shared<Heard>());
      scheduler.submit(r, loaded.back(), std::make_shared<Ticket>());
      scheduler.step();
    }
    run_all(scheduler);
    for (size_t i = 0; i < requests.size(); ++i) {
      CAPTURE(i);
      REQUIRE(loaded[i]->result);
      CHECK(loaded[i]->got().outcome == Outcome::finished);
      CHECK(loaded[i]->content == alone[i]->content);
      CHECK(loaded[i]->reasoning == alone[i]->reasoning);
      CHECK(alone[i]->logprobs.size() > 2);
      CHECK(test::same_bits(loaded[i]->logprobs, alone[i]->logprobs));
      CHECK(loaded[i]->got().stats.completion_tokens == alone[i]->got().stats.completion_tokens);
    }
  }
}

TEST_CASE("the scheduler gives what generate() gives") {
  test::Served served;
  EngineRequest r = served.request("Compute 123 + 456.", "high", 200);
  r.options.sampling.temperature = 0.7;
  r.options.seed = 5;
  Session session(*served.model, served.runtime);
  GenerateOptions o;
  o.sampling = r.options.sampling;
  o.seed = 5;
  o.max_tokens = 200;
  o.stop_tokens = served.setup.stop_tokens;
  o.completion = r.options.completion;
  const GenerateResult expected = generate(session, served.tokenizer, r.prompt, o);
  const auto heard = served.alone(r);
  CHECK(heard->content == expected.completion.content);
  CHECK(heard->reasoning == expected.completion.reasoning_content);
  CHECK(heard->got().stats.reasoning_tokens == expected.reasoning_tokens);
  CHECK(heard->got().stats.completion_tokens == expected.answer_tokens(o.stop_tokens));
  CHECK(heard->got().thinking_end == ThinkingEnd::model);
}

TEST_CASE("cancelling frees everything, in the queue, in the prompt and in the answer") {
  test::Served served;
  SchedulerOptions options;
  options.prompt_chunk = options.step_rows = 16;
  options.max_sequences = 2;
  options.cache_bytes = 0;
  Scheduler scheduler = served.scheduler(options);
  std::vector<std::shared_ptr<Heard>> heard;
  std::vector<std::shared_ptr<Ticket>> tickets;
  for (const auto& r : {served.request("Compute 1 + 2.", "high", 500), served.request(long_text(200)),
                        served.request("Compute 3 + 4.")}) {
    heard.push_back(std::make_shared<Heard>());
    tickets.push_back(std::make_shared<Ticket>());
    scheduler.submit(r, heard.back(), tickets.back());
  }
  for (int i = 0; i < 4; ++i) scheduler.step();
  CHECK(heard[0]->steps > 0);
  CHECK(scheduler.stats().running == 2);
  CHECK(scheduler.stats().queued[1] == 1);
  CHECK(scheduler.stats().kv_bytes > 0);
  for (const auto& ticket : tickets) ticket->cancelled = true;
  CHECK_FALSE(scheduler.step());
  CHECK(scheduler.idle());
  CHECK(scheduler.stats().kv_bytes == 0);
  for (const auto& h : heard) {
    REQUIRE(h->result);
    CHECK(h->got().outcome == Outcome::cancelled);
  }
  CHECK(heard[0]->got().stats.completion_tokens > 0);
}

TEST_CASE("a key with many requests does not keep another one waiting") {
  test::Served served;
  SchedulerOptions options;
  options.max_sequences = 2;
  Scheduler scheduler = served.scheduler(options);
  std::vector<std::string> order;
  const auto add = [&](const char* key, Priority priority, int i) {
    EngineRequest r = served.request(fmt::format("Compute {} + 1.", i), "off", 12);
    r.key = key;
    r.priority = priority;
    auto heard = std::make_shared<Heard>();
    heard->on_events = [&order, name = fmt::format("{}{}", key, i), first = true]() mutable {
      if (std::exchange(first, false)) order.push_back(name);
    };
    scheduler.submit(r, heard, std::make_shared<Ticket>());
  };
  for (int i = 0; i < 30; ++i) add("many", Priority::normal, i);
  scheduler.step();
  add("one", Priority::normal, 99);
  add("low", Priority::low, 98);
  add("high", Priority::high, 97);
  run_all(scheduler);
  REQUIRE(order.size() == 33);
  const auto place = [&](const char* name) { return std::ranges::find(order, name) - order.begin(); };
  CHECK(place("high97") <= 3);
  CHECK(place("one99") <= 4);
  CHECK(place("low98") > place("one99"));
  CHECK(place("low98") <= 24);  // a twentieth of the turns is the low class's
}

TEST_CASE("states are shared by prefix and change no bit") {
  test::Served served;
  EngineRequest r = served.request(long_text(120), "off", 20);
  r.options.logprobs = 3;
  const auto expected = served.alone(r);
  Scheduler scheduler = served.scheduler();
  const auto ask = [&](const EngineRequest& request) {
    auto heard = std::make_shared<Heard>();
    scheduler.submit(request, heard, std::make_shared<Ticket>());
    run_all(scheduler);
    return heard;
  };
  CHECK(ask(r)->got().stats.cached_tokens == 0);
  const auto second = ask(r);
  CHECK(second->got().stats.cached_tokens == std::ssize(r.prompt) - 1);
  CHECK(test::same_bits(second->logprobs, expected->logprobs));

  EngineRequest other = r;  // another scope, and a request that does not want the cache, share nothing
  other.cache_scope = "other";
  CHECK(ask(other)->got().stats.cached_tokens == 0);
  other = r;
  other.cache_read = false;
  CHECK(ask(other)->got().stats.cached_tokens == 0);

  // Half of the prompt is the same; the place where the ways part is kept for the third.
  EngineRequest half = served.request(long_text(120) + " and more", "off", 5);
  half.prompt = r.prompt;
  half.prompt.resize(r.prompt.size() / 2);
  const auto common = std::ssize(half.prompt);
  for (int32_t id = 300; id < 340; ++id) half.prompt.push_back(id);
  const auto first = ask(half);
  CHECK(first->got().stats.matched_tokens == common);
  CHECK(first->got().stats.cached_tokens <= common);
  half.prompt[static_cast<size_t>(common)] = 299;
  CHECK(ask(half)->got().stats.cached_tokens == common);
}

TEST_CASE("thinking: budget, reserve and the answer after it") {
  test::Served served;
  EngineRequest r = served.request("Compute 48 * 7.", "high", 300);
  r.options.thinking_budget = 5;
  auto heard = served.alone(r);
  CHECK(heard->got().thinking_end == ThinkingEnd::budget);
  CHECK(heard->got().stats.reasoning_tokens == 6);  // with </think>
  CHECK_FALSE(heard->content.empty());
  r.options.thinking_budget = -1;
  r.options.max_tokens = 30;
  r.options.answer_reserve = 10;
  heard = served.alone(r);
  CHECK(heard->got().thinking_end == ThinkingEnd::reserve);
  CHECK(heard->got().stats.reasoning_tokens == 20);
  CHECK_FALSE(heard->content.empty());
  r.options.answer_reserve = 0;
  heard = served.alone(r);
  CHECK(heard->got().thinking_end == ThinkingEnd::length);
  CHECK(heard->got().end == AnswerEnd::length);
  CHECK(heard->content.empty());
}

TEST_CASE("the context's end ends an answer") {
  test::Served served;
  EngineRequest r = served.request("x");
  r.prompt.resize(static_cast<size_t>(served.model->config().max_position_embeddings), 300);
  r.options.max_tokens = 50;
  const auto heard = served.alone(r);
  CHECK(heard->got().end == AnswerEnd::length);
  CHECK(heard->got().context_full);
  CHECK(heard->got().stats.completion_tokens == 1);
}

TEST_CASE("log probabilities of a prompt") {
  test::Served served;
  EngineRequest r = served.request("Compute 1 + 2.", "off", 0);
  r.prompt_logprobs = 2;
  const auto heard = served.alone(r);
  CHECK(heard->got().prompt_logprobs.size() == r.prompt.size() - 1);
  for (size_t i = 0; i + 1 < r.prompt.size(); ++i)
    CHECK(heard->got().prompt_logprobs[i].chosen.id == r.prompt[i + 1]);
  CHECK(heard->got().stats.completion_tokens == 0);
}

TEST_CASE("a request that waits too long fails, an answer that takes too long is cut") {
  test::Served served;
  SchedulerOptions options;
  options.max_sequences = 1;
  options.queue_seconds = 1e-9;
  Scheduler full = served.scheduler(options);
  auto late = std::make_shared<Heard>();
  full.submit(served.request("Compute 1 + 2."), late, std::make_shared<Ticket>());
  run_all(full);
  REQUIRE(late->result);
  CHECK(late->got().outcome == Outcome::failed);
  CHECK(late->got().queue_timeout);
  CHECK(full.idle());

  options = {};
  options.answer_seconds = 1e-9;
  Scheduler slow = served.scheduler(options);
  auto cut = std::make_shared<Heard>();
  slow.submit(served.request("Compute 1 + 2."), cut, std::make_shared<Ticket>());
  run_all(slow);
  REQUIRE(cut->result);
  CHECK(cut->got().outcome == Outcome::finished);
  CHECK(cut->got().time_over);
  CHECK(cut->got().end == AnswerEnd::length);
  CHECK(slow.idle());
}
