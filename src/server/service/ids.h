#pragma once
/// Names of requests and calls. Source: api.md, "Ids".

#include <cstdint>
#include <string>

namespace fathom::server {

/// 32 hex digits of a UUIDv7: they sort by time.
std::string new_request_hex();
/// 20 letters and digits.
std::string new_call_suffix();
uint64_t random_seed();  ///< 0..2^63-1

}  // namespace fathom::server
