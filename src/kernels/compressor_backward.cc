#include "kernels/compressor_backward.h"

#define FATHOM_KERNEL "kernels/compressor_backward.simd.h"
#include "kernels/foreach_target.h"

namespace fathom {

PoolWindowBackward<float>* pool_window_backward_for(Target target) {
  return FATHOM_PICK(pool_window_backward, target);
}

}  // namespace fathom
