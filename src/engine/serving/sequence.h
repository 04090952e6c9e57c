#pragma once
/// One request inside the scheduler.

#include <optional>

#include "engine/serving/scheduler.h"

namespace fathom {

struct Scheduler::Sequence {
  Sequence(EngineRequest r, std::shared_ptr<AnswerSink> to, std::shared_ptr<Ticket> t)
      : request(std::move(r)), sink(std::move(to)), ticket(std::move(t)), submitted(Clock::now()) {}

  EngineRequest request;
  std::shared_ptr<AnswerSink> sink;
  std::shared_ptr<Ticket> ticket;
  Clock::time_point submitted;
  bool has_started = false, has_token = false;
  Clock::time_point started, first_token;  ///< if so
  std::unique_ptr<AnswerWriter> writer;    ///< null in the queue
  std::unique_ptr<KvState> kv;
  std::vector<int32_t> tokens;     ///< prompt and answer
  int64_t branch = 0;              ///< a position whose state is kept when the prompt has been read so far
  PrefixCache::Reserved reserved;  ///< in the queue: what it will go on from
  bool finished = false;
  AnswerResult result;

  /// Whether the next `count` rows end with a token that is looked into.
  bool looks_inside(int64_t count) const {
    return request.inside && kv->position() + count == std::ssize(request.prompt);
  }
  bool reads_cache() const { return request.cache_read && request.prompt_logprobs < 0; }
  /// Tokens that the model has not seen.
  int64_t unread() const { return static_cast<int64_t>(tokens.size()) - kv->position(); }
  bool reads_prompt() const { return kv->position() < static_cast<int64_t>(request.prompt.size()); }
  std::pair<int64_t, int64_t> served(const FairShare& share) const {
    return share.served(request.key, request.user);
  }
  /// Rows of the next chunk, at most `most`; it ends where a state is to be kept.
  int64_t chunk(int64_t most, int64_t interval) const {
    const int64_t at = kv->position();
    int64_t count = std::min(most, unread());
    const int64_t border = (at / interval + 1) * interval;
    count = std::min(count, border - at);
    if (branch > at) count = std::min(count, branch - at);
    return count;
  }
};

}  // namespace fathom
