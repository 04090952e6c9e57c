#pragma once
/// What a key may do in a minute: a bucket of requests and one of tokens, which fill evenly. Source: api.md
/// section 10.

#include <chrono>
#include <cstdint>
#include <map>
#include <mutex>
#include <optional>
#include <string>

#include "server/http/http.h"
#include "server/service/keys.h"

namespace fathom::server {

class RateLimits {
 public:
  using Time = std::chrono::steady_clock::time_point;

  /// Takes one request of the key out of its bucket. Nothing: it may go on; else the seconds until one may.
  /// The tokens of a request are not known before it is read: it passes while the bucket of tokens is not
  /// empty, and what it takes beyond it is owed by those that follow.
  std::optional<double> admit(const KeyEntry& key, Time now);
  /// Takes tokens, also more than there are.
  void charge(const KeyEntry& key, int64_t tokens, Time now);
  /// x-ratelimit-limit-requests and so on, or Anthropic's names of them; none for a key without limits.
  HeaderFields fields(const KeyEntry& key, bool anthropic, Time now) const;

 private:
  struct Bucket {
    double left = 0;
    Time filled;  ///< when `left` was true
  };
  struct Buckets {
    Bucket requests, tokens;
  };
  Buckets& buckets_of(const KeyEntry& key, Time now);

  mutable std::mutex mutex_;
  std::map<std::string, Buckets> buckets_;  // by key id; guarded by mutex_
};

}  // namespace fathom::server
