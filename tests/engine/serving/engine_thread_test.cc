// The engine's thread: requests from many threads, limits of the queue, draining, ending in mid-answer.
#include "engine/serving/engine_thread.h"

#include <doctest/doctest.h>

#include <condition_variable>
#include <mutex>
#include <thread>

#include "tests/engine/serving/serving_requests.h"

using namespace fathom;

namespace {

// Waits with a deadline for the end of an answer.
struct Waiting final : AnswerSink {
  std::mutex mutex;
  std::condition_variable changed;
  std::optional<AnswerResult> result;
  bool wrote = false;
  void started(int64_t) override {}
  void prefill(int64_t, int64_t) override {}
  void events(std::vector<AnswerEvent>) override {
    const std::lock_guard lock(mutex);
    wrote = true;
    changed.notify_all();
  }
  void done(const AnswerResult& r) override {
    const std::lock_guard lock(mutex);
    result = r;
    changed.notify_all();
  }
  bool ended(Outcome outcome) const { return result && result->outcome == outcome; }
  bool wait(bool for_text = false) {
    std::unique_lock lock(mutex);
    return changed.wait_for(lock, std::chrono::seconds(60),
                            [&] { return for_text ? wrote : result.has_value(); });
  }
};

// The engine is idle a moment after the last sink was told.
bool idle_soon(const EngineThread& engine) {
  for (int i = 0; i < 2000 && !engine.idle(); ++i) std::this_thread::sleep_for(std::chrono::milliseconds(5));
  return engine.idle();
}

struct Running {
  test::Served served;
  EngineThread engine;
  explicit Running(EngineThreadOptions options = {})
      : engine(served.model, std::make_unique<Runtime<float>>(RuntimeOptions{}), served.tokenizer, options) {}
};

}  // namespace

TEST_CASE("requests from several threads") {
  Running running;
  std::vector<std::shared_ptr<Waiting>> sinks(12);
  std::vector<std::thread> threads;
  for (size_t t = 0; t < 3; ++t) {
    threads.emplace_back([&, t] {
      for (size_t i = t; i < sinks.size(); i += 3) {
        sinks[i] = std::make_shared<Waiting>();
        running.engine.submit(running.served.request("Compute 1 + 2.", "off", 20), sinks[i],
                              std::make_shared<Ticket>());
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (const auto& sink : sinks) {
    REQUIRE(sink->wait());
    CHECK(sink->ended(Outcome::finished));
  }
  CHECK(idle_soon(running.engine));
}

TEST_CASE("full queues, pauses, cancelling, draining") {
  EngineThreadOptions options;
  options.scheduler.max_sequences = 1;
  options.max_queue = 3;
  options.max_queue_per_key = 2;
  Running running(options);
  const auto submit = [&](const char* key, std::shared_ptr<Waiting> sink, std::shared_ptr<Ticket> ticket) {
    EngineRequest r = running.served.request("Compute 123 + 456.", "high", 1000);
    r.options.stop_tokens.clear();
    r.key = key;
    return running.engine.submit(std::move(r), std::move(sink), std::move(ticket));
  };
  auto first = std::make_shared<Waiting>();
  auto ticket = std::make_shared<Ticket>();
  CHECK(submit("a", first, ticket) == EngineThread::Admission::accepted);
  REQUIRE(first->wait(true));
  ticket->paused = true;
  std::vector<std::shared_ptr<Waiting>> others;
  const auto add = [&](const char* key) {
    others.push_back(std::make_shared<Waiting>());
    return submit(key, others.back(), std::make_shared<Ticket>());
  };
  CHECK(add("b") == EngineThread::Admission::accepted);
  CHECK(add("b") == EngineThread::Admission::accepted);
  CHECK(add("b") == EngineThread::Admission::key_queue_full);
  CHECK(add("c") == EngineThread::Admission::accepted);
  CHECK(add("d") == EngineThread::Admission::queue_full);
  ticket->cancelled = true;
  running.engine.wake();
  REQUIRE(first->wait());
  CHECK(first->ended(Outcome::cancelled));
  running.engine.drain();
  CHECK(add("e") == EngineThread::Admission::stopping);
  running.engine.cancel_all();
  for (const size_t i : {0u, 1u, 3u}) CHECK(others[i]->wait());
  CHECK(idle_soon(running.engine));
}

TEST_CASE("the engine may end while it writes") {
  auto sink = std::make_shared<Waiting>();
  {
    Running running;
    EngineRequest r = running.served.request("Compute 123 + 456.", "high", 5000);
    r.options.stop_tokens.clear();
    running.engine.submit(std::move(r), sink, std::make_shared<Ticket>());
    REQUIRE(sink->wait(true));
  }
  REQUIRE(sink->result);
  CHECK(sink->ended(Outcome::cancelled));
}
