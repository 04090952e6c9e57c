#include "kernels/compressor.h"

#define FATHOM_KERNEL "kernels/compressor.simd.h"
#include "kernels/foreach_target.h"

namespace fathom {

PoolWindow<float>* pool_window_for(Target target) { return FATHOM_PICK(pool_window, target); }

}  // namespace fathom
