#pragma once
/// Scheduler: requests join and leave the batch every step; prompts are read in chunks beside answers that
/// are being written, under a budget of rows. It alone decides which spans go into a step, and owns every
/// sequence. No threads here: engine/serving/engine_thread drives it. An answer's bits do not depend on the
/// company (design: hard points 4 and 6).

#include <chrono>
#include <list>
#include <memory>
#include <vector>

#include "base/energy_meter.h"
#include "engine/serving/fair_queue.h"
#include "engine/serving/prefix_cache.h"
#include "engine/serving/request.h"
#include "model/model.h"
#include "model/runtime.h"

namespace fathom {

struct SchedulerOptions {
  int64_t step_rows = 512;      ///< rows of a step, of answers and prompts together
  int64_t prompt_chunk = 256;   ///< rows of one prompt in a step
  int64_t max_sequences = 256;  ///< in the batch at once
  int64_t cache_bytes = int64_t{1} << 30;
  int64_t cache_interval = 4096;  ///< tokens of a long prompt after which its state is kept
  int64_t memory_bytes = 0;       ///< bound of the states of running requests; 0: none
  double queue_seconds = 600;     ///< a request that waits longer fails
  double answer_seconds = 0;      ///< since its submission, after which an answer is cut; 0: no bound
  DiskCacheOptions disk;          ///< states on disk too, if it has a folder
};

struct SchedulerStats {
  std::array<int64_t, kPriorities> queued{};
  int64_t running = 0, rows_last_step = 0, steps = 0;
  int64_t kv_bytes = 0, cache_bytes = 0, cache_entries = 0, cache_evictions = 0;
  DiskCacheStats disk;
};

class Scheduler {
 public:
  /// The model and the runtime must outlive it.
  Scheduler(const Model& model, Runtime<float>& runtime, std::shared_ptr<const Tokenizer> tokenizer,
            const SchedulerOptions& options);
  ~Scheduler();

  /// Queues a request. Its prompt must not be empty, its ids must lie in the vocabulary, and
  /// prompt.size() <= max_position_embeddings.
  void submit(EngineRequest request, std::shared_ptr<AnswerSink> sink, std::shared_ptr<Ticket> ticket);
  /// Runs one step. False: there was nothing to do.
  bool step();
  /// Tokens of a prompt that a request would not have to read.
  int64_t cached_tokens(const std::string& scope, std::span<const int32_t> prompt);
  /// Ends every request as cancelled.
  void cancel_all();

  bool idle() const { return waiting_.empty() && running_.empty(); }
  SchedulerStats stats() const;

 private:
  using Clock = std::chrono::steady_clock;
  struct Sequence;
  using Sequences = std::list<std::unique_ptr<Sequence>>;
  struct Planned {
    Sequence* sequence;
    int64_t count;
  };

  void drop_cancelled();
  void drop_late();
  void admit();
  Sequences::iterator next_waiting();
  void start(Sequence& s);
  std::vector<Planned> plan();
  void run(const std::vector<Planned>& planned);
  void run_each(const std::vector<Planned>& planned);
  struct Chosen;
  bool receive(Sequence& s, int64_t count, std::span<const float> logits, int64_t logit_rows);
  void choose(std::vector<Chosen>& due);
  void advance(Chosen& chosen);
  static bool is_allowed(const Sequence& s, Clock::time_point now);
  void keep_state(Sequence& s, bool to_disk);
  void finish(Sequence& s, Outcome outcome);
  void remove_finished();
  bool fits_memory(const Sequence& s) const;

  const Model& model_;
  Runtime<float>& runtime_;
  std::shared_ptr<const Tokenizer> tokenizer_;
  SchedulerOptions options_;
  PrefixCache cache_;
  Sequences waiting_, running_;
  FairShare share_;
  ClassTurns admission_turns_, prompt_turns_;
  EnergyMeter energy_;
  int64_t steps_ = 0, rows_last_step_ = 0;
};

}  // namespace fathom
