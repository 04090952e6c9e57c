#include "server/service/rate_limits.h"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <ctime>

namespace fathom::server {
namespace {

double per_second(int64_t limit) { return static_cast<double>(limit) / 60; }

// What a bucket holds by now, at most its limit.
double level(double left, RateLimits::Time filled, int64_t limit, RateLimits::Time now) {
  const double seconds = std::max(std::chrono::duration<double>(now - filled).count(), 0.0);
  return std::min(left + seconds * per_second(limit), static_cast<double>(limit));
}

std::string rfc3339(double seconds_from_now) {
  const auto at = std::time(nullptr) + static_cast<std::time_t>(std::ceil(seconds_from_now));
  std::tm parts{};
  gmtime_r(&at, &parts);
  char text[32];
  const size_t size = std::strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &parts);
  return {text, size};
}

void add_fields(const char* what, int64_t limit, double left, bool anthropic, HeaderFields& out) {
  const auto remaining = static_cast<int64_t>(std::floor(std::max(left, 0.0)));
  const double reset = (static_cast<double>(limit) - left) / per_second(limit);
  const std::string count = std::to_string(limit), rest = std::to_string(remaining);
  if (anthropic) {
    const std::string name = std::string("anthropic-ratelimit-") + what;
    out.emplace_back(name + "-limit", count);
    out.emplace_back(name + "-remaining", rest);
    out.emplace_back(name + "-reset", rfc3339(reset));
  } else {
    const std::string name = "x-ratelimit-";
    out.emplace_back(name + "limit-" + what, count);
    out.emplace_back(name + "remaining-" + what, rest);
    out.emplace_back(name + "reset-" + what, fmt::format("{:.3f}s", reset));
  }
}

}  // namespace

RateLimits::Buckets& RateLimits::buckets_of(const KeyEntry& key, Time now) {
  const auto found = buckets_.find(key.id);
  if (found == buckets_.end()) {  // full at first
    return buckets_[key.id] = {{static_cast<double>(key.requests_per_minute), now},
                               {static_cast<double>(key.tokens_per_minute), now}};
  }
  Buckets& own = found->second;
  for (const auto& [bucket, limit] :
       {std::pair{&own.requests, key.requests_per_minute}, std::pair{&own.tokens, key.tokens_per_minute}})
    *bucket = {level(bucket->left, bucket->filled, limit, now), std::max(now, bucket->filled)};
  return own;
}

std::optional<double> RateLimits::admit(const KeyEntry& key, Time now) {
  if (key.requests_per_minute <= 0 && key.tokens_per_minute <= 0) return std::nullopt;
  const std::lock_guard lock(mutex_);
  Buckets& own = buckets_of(key, now);
  double wait = 0;
  if (key.requests_per_minute > 0 && own.requests.left < 1)
    wait = (1 - own.requests.left) / per_second(key.requests_per_minute);
  if (key.tokens_per_minute > 0 && own.tokens.left < 1)
    wait = std::max(wait, (1 - own.tokens.left) / per_second(key.tokens_per_minute));
  if (wait > 0) return wait;
  if (key.requests_per_minute > 0) own.requests.left -= 1;
  return std::nullopt;
}

void RateLimits::charge(const KeyEntry& key, int64_t tokens, Time now) {
  if (key.tokens_per_minute <= 0) return;
  const std::lock_guard lock(mutex_);
  buckets_of(key, now).tokens.left -= static_cast<double>(tokens);
}

HeaderFields RateLimits::fields(const KeyEntry& key, bool anthropic, Time now) const {
  HeaderFields out;
  const std::lock_guard lock(mutex_);
  const auto found = buckets_.find(key.id);
  const auto add = [&](const char* what, int64_t limit, Bucket Buckets::* which) {
    if (limit <= 0) return;
    double left = static_cast<double>(limit);
    if (found != buckets_.end())
      left = level((found->second.*which).left, (found->second.*which).filled, limit, now);
    add_fields(what, limit, left, anthropic, out);
  };
  add("requests", key.requests_per_minute, &Buckets::requests);
  add("tokens", key.tokens_per_minute, &Buckets::tokens);
  return out;
}

}  // namespace fathom::server
