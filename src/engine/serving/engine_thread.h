#pragma once
/// The one thread that runs a model's steps, and the queue before it.

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "engine/serving/scheduler.h"

namespace fathom {

struct EngineThreadOptions {
  SchedulerOptions scheduler;
  int64_t max_queue = 1024;         ///< requests that wait
  int64_t max_queue_per_key = 256;  ///< of one key
};

class EngineThread {
 public:
  enum class Admission { accepted, queue_full, key_queue_full, stopping };

  EngineThread(std::shared_ptr<const Model> model, std::unique_ptr<Runtime<float>> runtime,
               std::shared_ptr<const Tokenizer> tokenizer, const EngineThreadOptions& options);
  /// Cancels what runs and joins the thread.
  ~EngineThread();
  EngineThread(const EngineThread&) = delete;
  EngineThread& operator=(const EngineThread&) = delete;

  /// From any thread. accepted: the sink will be told of the end; else it is never called.
  Admission submit(EngineRequest request, std::shared_ptr<AnswerSink> sink, std::shared_ptr<Ticket> ticket);
  /// After a ticket was changed: the thread looks at it at once.
  void wake();
  /// Takes no more requests; those accepted go on.
  void drain();
  /// No request is left.
  bool idle() const;
  /// Cancels every request.
  void cancel_all();
  /// Of the last step.
  SchedulerStats stats() const;
  /// Tokens of a prompt that a request would not have to read. The thread answers between two steps; nothing
  /// if it does not within five seconds.
  std::optional<int64_t> cached_tokens(std::string scope, std::vector<int32_t> prompt);
  const Runtime<float>& runtime() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace fathom
