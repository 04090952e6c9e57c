#pragma once
/// How long work reports on itself.

#include <cstdint>
#include <functional>

namespace fathom {

/// Called with what is done and what there is in all; false asks the work to stop at the next safe point.
using Progress = std::function<bool(int64_t done, int64_t total)>;

}  // namespace fathom
