#include "model/runtime.h"

#include <type_traits>

#include "model/instantiate.h"

namespace fathom {

template <class Real>
Runtime<Real>::Runtime(const RuntimeOptions& options)
    : target_(options.target ? *options.target : detect_target()),
      pool_(std::make_unique<ThreadPool>(options.pool)),
      numerics_(options.numerics),
      memory_bytes_(options.memory_bytes) {
  if constexpr (std::is_same_v<Real, float>) {
    kernels_ = &kernels_for(target_);
  } else {
    kernels_ = &reference_kernels<Real>();
  }
}

FATHOM_INSTANTIATE_CLASS(Runtime);

}  // namespace fathom
