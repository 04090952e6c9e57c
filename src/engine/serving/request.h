#pragma once
/// A request to the engine and what comes back, without HTTP.

#include <atomic>
#include <memory>
#include <string>
#include <vector>

#include "engine/inside.h"
#include "engine/serving/answer_writer.h"

namespace fathom {

enum class Priority { high, normal, low };
inline constexpr int kPriorities = 3;

struct AnswerStats;

/// What an answer may cost. Called on the engine's thread; must neither block nor throw.
class Allowance {
 public:
  virtual ~Allowance() = default;
  /// Asked before each token, with the figures as they would be with it: false ends the answer before it.
  virtual bool allows(const AnswerStats& stats) = 0;
};

struct EngineRequest {
  std::vector<int32_t> prompt;
  AnswerOptions options;
  Priority priority = Priority::normal;
  std::string key, user;    ///< who it is for: keys share alike, and users within a key
  std::string cache_scope;  ///< states are shared within it only
  bool cache_read = true, cache_write = true;
  std::shared_ptr<Allowance> allowance;  ///< null: without end
  int64_t prompt_logprobs = -1;  ///< log probabilities of the prompt with so many alternatives; -1: none
  bool inside = false;           ///< tell what the model does with the prompt's last token
};

enum class Outcome { finished, cancelled, failed };

struct AnswerStats {
  int64_t prompt_tokens = 0;
  int64_t cached_tokens = 0;   ///< of these, not run through the model
  int64_t matched_tokens = 0;  ///< the longest prefix that some state in the cache has
  int64_t completion_tokens = 0, reasoning_tokens = 0;
  double queue_seconds = 0, prefill_seconds = 0, decode_seconds = 0;
  double first_token_seconds = 0;  ///< since submission
  double engine_seconds = 0;       ///< its share of the steps: time x own rows / all rows
  std::optional<double> joules;    ///< the same share of what the processors took, if they tell
  int64_t masks = 0;               ///< tokens that were chosen under a constraint
  double mask_seconds = 0;         ///< to find out which tokens it allowed
};

struct AnswerResult {
  Outcome outcome = Outcome::finished;
  AnswerEnd end = AnswerEnd::none;
  ThinkingEnd thinking_end = ThinkingEnd::none;
  std::optional<std::string> stop_string;
  std::vector<Repair> repairs;
  std::vector<int32_t> token_ids;  ///< of the answer, if asked for; a final EOS is among them
  bool context_full = false, out_of_memory = false, looped = false;
  bool queue_timeout = false;  ///< failed: it waited too long
  bool time_over = false;      ///< finished, but cut: it ran too long
  bool funds_over = false;     ///< finished, but cut: its allowance has ended
  std::string error;           ///< of a failed one
  AnswerStats stats;
  /// If asked for: of prompt tokens 1.. given those before.
  std::vector<TokenLogprobs> prompt_logprobs;
  std::shared_ptr<const InsideView> inside;  ///< if asked for
};

/// Where an answer goes. Called on the engine's thread; must neither block nor throw.
class AnswerSink {
 public:
  virtual ~AnswerSink() = default;
  /// It left the queue; `cached` tokens of the prompt need not be read.
  virtual void started(int64_t cached) = 0;
  virtual void prefill(int64_t done, int64_t total) = 0;
  virtual void events(std::vector<AnswerEvent> events) = 0;
  /// The last call.
  virtual void done(const AnswerResult& result) = 0;
};

/// What the side that asked may say while the request runs.
struct Ticket {
  std::atomic<bool> cancelled = false;
  std::atomic<bool> paused = false;  ///< its reader is slow: it stays, but takes no step
};

}  // namespace fathom
