#include "kernels/top_k.h"

#include <functional>

#define FATHOM_KERNEL "kernels/top_k.simd.h"
#include "kernels/foreach_target.h"

namespace fathom {

TopK<float>* top_k_for(Target target) { return FATHOM_PICK(top_k, target); }

}  // namespace fathom
