#pragma once
/// Idempotency-Key: a request that comes again joins the answer that runs, or gets the finished one, from the
/// start. Source: api.md section 10.

#include <chrono>
#include <condition_variable>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

#include "server/http/http.h"

namespace fathom::server {

struct IdempotencyOptions {
  std::chrono::milliseconds lifetime{600'000};  ///< of a finished answer
  std::chrono::milliseconds linger{60'000};     ///< an answer runs on so long after its last reader has gone
  size_t answer_bytes = size_t{64} << 20;       ///< a longer one is cut off
  size_t total_bytes = size_t{256} << 20;       ///< of finished answers; the oldest go first
};

class Idempotency {
 public:
  explicit Idempotency(const IdempotencyOptions& options = {});
  ~Idempotency();
  Idempotency(const Idempotency&) = delete;
  Idempotency& operator=(const Idempotency&) = delete;

  /// The answer to `name` (a key's own name for its request), if there is one. null: the caller makes it and
  /// calls keep() or forget(); until then others that ask for it wait here.
  /// @param digest of the request; another one under the same name: ApiError 422
  std::shared_ptr<ReplySource> find(const std::string& name, const std::string& digest);
  /// What the caller's own connection reads.
  std::shared_ptr<ReplySource> keep(const std::string& name, std::shared_ptr<ReplySource> answer);
  void forget(const std::string& name);
  /// Abandons nothing any more: to be called before engines end.
  void stop();

 private:
  class Log;
  class Reader;
  struct Entry {
    std::string digest;
    std::shared_ptr<Log> log;  // null: it is being made
  };
  void sweep();
  void drop_old();

  IdempotencyOptions options_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::map<std::string, Entry> entries_;  // guarded by mutex_
  bool stop_ = false;
  std::thread sweeper_;
};

}  // namespace fathom::server
