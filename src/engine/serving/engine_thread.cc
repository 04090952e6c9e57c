#include "engine/serving/engine_thread.h"

#include <condition_variable>
#include <future>
#include <map>
#include <mutex>
#include <thread>
#include <vector>

#include "base/affinity.h"

namespace fathom {
namespace {

struct Submitted {
  EngineRequest request;
  std::shared_ptr<AnswerSink> sink;
  std::shared_ptr<Ticket> ticket;
};

struct Question {
  std::string scope;
  std::vector<int32_t> prompt;
  std::promise<int64_t> answer;
};

// While steps follow each other, the figures for others are made anew so often: they sum up every state.
constexpr auto kStatsTurn = std::chrono::milliseconds(5);
// A paused request is looked at so often, even if nobody wakes the thread.
constexpr auto kPausedWait = std::chrono::milliseconds(50);

}  // namespace

struct EngineThread::State {
  State(std::shared_ptr<const Model> m, std::unique_ptr<Runtime<float>> r,
        std::shared_ptr<const Tokenizer> tokenizer, const EngineThreadOptions& o)
      : model(std::move(m)),
        runtime(std::move(r)),
        options(o),
        scheduler(*model, *runtime, std::move(tokenizer), o.scheduler) {}

  std::shared_ptr<const Model> model;
  std::unique_ptr<Runtime<float>> runtime;
  EngineThreadOptions options;
  Scheduler scheduler;  // of the thread alone

  mutable std::mutex mutex;
  std::condition_variable changed;
  std::vector<Submitted> inbox;
  std::vector<Question> questions;
  std::map<std::string, int64_t> waiting_of_key;  // in the inbox and in the queue, per key
  int64_t waiting = 0, in_flight = 0;
  bool stop = false, draining = false, cancel = false, woken = false;
  SchedulerStats stats;
  std::thread thread;

  void run();
  void left_queue(const std::string& key);
};

namespace {

// Passes on to the real sink and keeps count.
class CountedSink final : public AnswerSink {
 public:
  CountedSink(std::shared_ptr<AnswerSink> sink, std::function<void()> left_queue, std::function<void()> ended)
      : sink_(std::move(sink)), left_queue_(std::move(left_queue)), ended_(std::move(ended)) {}
  void started(int64_t cached) override {
    std::exchange(left_queue_, nullptr)();
    sink_->started(cached);
  }
  void prefill(int64_t done, int64_t total) override { sink_->prefill(done, total); }
  void events(std::vector<AnswerEvent> events) override { sink_->events(std::move(events)); }
  void done(const AnswerResult& result) override {
    if (left_queue_) std::exchange(left_queue_, nullptr)();
    sink_->done(result);
    ended_();  // last: who sees an idle engine may take away what sinks hold on to
  }

 private:
  std::shared_ptr<AnswerSink> sink_;
  std::function<void()> left_queue_, ended_;
};

}  // namespace

void EngineThread::State::left_queue(const std::string& key) {
  const std::lock_guard lock(mutex);
  --waiting;
  if (--waiting_of_key[key] == 0) waiting_of_key.erase(key);
}

void EngineThread::State::run() {
  std::vector<Submitted> taken;
  std::vector<Question> asked;
  bool worked = false;
  auto told = std::chrono::steady_clock::now() - kStatsTurn;
  for (;;) {
    bool cancel_now = false;
    {
      std::unique_lock lock(mutex);
      const auto now = std::chrono::steady_clock::now();
      if (!worked || now - told >= kStatsTurn) {
        stats = scheduler.stats();
        told = now;
      }
      const auto due = [&] { return stop || cancel || woken || !inbox.empty() || !questions.empty(); };
      if (!worked) {
        if (scheduler.idle()) {
          changed.wait(lock, due);
        } else {
          changed.wait_for(lock, kPausedWait, due);
        }
      }
      woken = false;
      cancel_now = std::exchange(cancel, false) || stop;
      taken.swap(inbox);
      asked.swap(questions);
    }
    for (Submitted& s : taken) {
      scheduler.submit(std::move(s.request), std::move(s.sink), std::move(s.ticket));
    }
    taken.clear();
    for (Question& q : asked) q.answer.set_value(scheduler.cached_tokens(q.scope, q.prompt));
    asked.clear();
    if (cancel_now) scheduler.cancel_all();
    {
      const std::lock_guard lock(mutex);
      if (stop && inbox.empty()) return;
    }
    worked = scheduler.step();
  }
}

EngineThread::EngineThread(std::shared_ptr<const Model> model, std::unique_ptr<Runtime<float>> runtime,
                           std::shared_ptr<const Tokenizer> tokenizer, const EngineThreadOptions& options)
    : state_(std::make_unique<State>(std::move(model), std::move(runtime), std::move(tokenizer), options)) {
  // Who made the runtime is pinned to a CPU, which the engine's thread takes over: it drives the pool now.
  // The maker, and all threads that it will start, must not share that CPU with it for ever.
  state_->thread = std::thread([this] { state_->run(); });
  unpin_this_thread();
}

EngineThread::~EngineThread() {
  {
    const std::lock_guard lock(state_->mutex);
    state_->stop = true;
  }
  state_->changed.notify_all();
  state_->thread.join();
}

EngineThread::Admission EngineThread::submit(EngineRequest request, std::shared_ptr<AnswerSink> sink,
                                             std::shared_ptr<Ticket> ticket) {
  {
    const std::lock_guard lock(state_->mutex);
    if (state_->stop || state_->draining) return Admission::stopping;
    if (state_->waiting >= state_->options.max_queue) return Admission::queue_full;
    int64_t& of_key = state_->waiting_of_key[request.key];
    if (of_key >= state_->options.max_queue_per_key) return Admission::key_queue_full;
    ++of_key;
    ++state_->waiting;
    ++state_->in_flight;
    State* const state = state_.get();
    auto counted = std::make_shared<CountedSink>(
        std::move(sink), [state, key = request.key] { state->left_queue(key); },
        [state] {
          const std::lock_guard inner(state->mutex);
          --state->in_flight;
        });
    state_->inbox.push_back({std::move(request), std::move(counted), std::move(ticket)});
  }
  state_->changed.notify_all();
  return Admission::accepted;
}

void EngineThread::wake() {
  {
    const std::lock_guard lock(state_->mutex);
    state_->woken = true;
  }
  state_->changed.notify_all();
}

void EngineThread::drain() {
  const std::lock_guard lock(state_->mutex);
  state_->draining = true;
}

bool EngineThread::idle() const {
  const std::lock_guard lock(state_->mutex);
  return state_->in_flight == 0;
}

void EngineThread::cancel_all() {
  {
    const std::lock_guard lock(state_->mutex);
    state_->cancel = true;
  }
  state_->changed.notify_all();
}

SchedulerStats EngineThread::stats() const {
  const std::lock_guard lock(state_->mutex);
  SchedulerStats stats = state_->stats;
  return stats;
}

std::optional<int64_t> EngineThread::cached_tokens(std::string scope, std::vector<int32_t> prompt) {
  std::promise<int64_t> answer;
  std::future<int64_t> tokens = answer.get_future();
  {
    const std::lock_guard lock(state_->mutex);
    if (state_->stop) return std::nullopt;
    state_->questions.push_back({std::move(scope), std::move(prompt), std::move(answer)});
  }
  state_->changed.notify_all();
  if (tokens.wait_for(std::chrono::seconds(5)) != std::future_status::ready) return std::nullopt;
  try {
    return tokens.get();
  } catch (const std::future_error&) {  // the thread has ended
    return std::nullopt;
  }
}

const Runtime<float>& EngineThread::runtime() const { return *state_->runtime; }

}  // namespace fathom
