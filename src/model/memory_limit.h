#pragma once
/// The bound on memory that a runtime was given (RuntimeOptions::memory_bytes, --memory): one check for all
/// that makes states.

#include <cstdint>

#include "model/model.h"
#include "model/runtime.h"

namespace fathom {

/// Holds what follows to the bound: throws Error(out_of_memory) if `states` states of `tokens` tokens each,
/// `kept` further bytes (results), the scratch memory held and copied weights are more; what is left is the
/// most that scratch may grow to. Weights that are mapped belong to the system's page cache and do not count.
/// Does nothing without a bound.
template <class Real>
void claim_memory(const Model& model, Runtime<Real>& runtime, int64_t tokens, int64_t states = 1,
                  int64_t kept = 0);

}  // namespace fathom
