#pragma once
/// What an answer may be made of: a bit per token, changing with every token taken.

#include <cstdint>
#include <span>

namespace fathom {

class TokenConstraint {
 public:
  virtual ~TokenConstraint() = default;
  /// A bit per token id, least significant first: which may come next. End tokens are among them once the
  /// text may end. Never empty of bits. Valid until the next call.
  virtual std::span<const uint64_t> allowed() = 0;
  /// `id` was taken; it was allowed.
  virtual void accept(int32_t id) = 0;
};

}  // namespace fathom
