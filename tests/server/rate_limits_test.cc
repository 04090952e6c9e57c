// Limits of a key by the minute: buckets that fill evenly, and the fields that say how full they are.
#include "server/service/rate_limits.h"

#include <doctest/doctest.h>

using namespace fathom;
using namespace std::chrono_literals;
using server::KeyEntry;
using server::RateLimits;

namespace {

KeyEntry limited(int64_t requests, int64_t tokens) {
  KeyEntry key;
  key.id = "k";
  key.requests_per_minute = requests;
  key.tokens_per_minute = tokens;
  return key;
}

std::string field(const server::HeaderFields& fields, const std::string& name) {
  for (const auto& [known, value] : fields) {
    if (known == name) return value;
  }
  return "";
}

const RateLimits::Time kStart = RateLimits::Time() + 1h;

}  // namespace

TEST_CASE("a bucket of requests is used up and fills evenly") {
  RateLimits rates;
  const KeyEntry key = limited(6, 0);  // one in ten seconds
  for (int i = 0; i < 6; ++i) CHECK_FALSE(rates.admit(key, kStart));
  CHECK(rates.admit(key, kStart).value_or(0) == doctest::Approx(10));
  CHECK(rates.admit(key, kStart + 9s));
  CHECK_FALSE(rates.admit(key, kStart + 11s));
  CHECK(rates.admit(key, kStart + 12s));
  CHECK_FALSE(rates.admit(limited(0, 0), kStart));
  KeyEntry other = limited(6, 0);
  other.id = "other";
  CHECK_FALSE(rates.admit(other, kStart));
  // Never fuller than the limit, and a clock that stands still or goes back fills nothing.
  for (int i = 0; i < 6; ++i) CHECK_FALSE(rates.admit(key, kStart + 10h));
  CHECK(rates.admit(key, kStart + 10h));
  CHECK(rates.admit(key, kStart));
}

TEST_CASE("tokens taken beyond the bucket are owed") {
  RateLimits rates;
  const KeyEntry key = limited(0, 600);  // ten in a second
  CHECK_FALSE(rates.admit(key, kStart));
  rates.charge(key, 700, kStart);
  CHECK(rates.admit(key, kStart).value_or(0) == doctest::Approx(10.1));
  CHECK(rates.admit(key, kStart + 10s));
  CHECK_FALSE(rates.admit(key, kStart + 11s));
}

TEST_CASE("fields in the names of both dialects") {
  RateLimits rates;
  const KeyEntry key = limited(60, 6000);
  CHECK(field(rates.fields(key, false, kStart), "x-ratelimit-remaining-requests") == "60");
  CHECK_FALSE(rates.admit(key, kStart));
  rates.charge(key, 100, kStart);
  const auto fields = rates.fields(key, false, kStart);
  CHECK(fields.size() == 6);
  CHECK(field(fields, "x-ratelimit-limit-requests") == "60");
  CHECK(field(fields, "x-ratelimit-remaining-requests") == "59");
  CHECK(field(fields, "x-ratelimit-reset-requests") == "1.000s");
  CHECK(field(fields, "x-ratelimit-limit-tokens") == "6000");
  CHECK(field(fields, "x-ratelimit-remaining-tokens") == "5900");
  CHECK(field(fields, "x-ratelimit-reset-tokens") == "1.000s");
  const auto anthropic = rates.fields(key, true, kStart);
  CHECK(anthropic.size() == 6);
  CHECK(field(anthropic, "anthropic-ratelimit-tokens-limit") == "6000");
  CHECK(field(anthropic, "anthropic-ratelimit-tokens-remaining") == "5900");
  CHECK(field(anthropic, "anthropic-ratelimit-requests-reset").size() == 20);
  CHECK(rates.fields(limited(0, 0), false, kStart).empty());
}
