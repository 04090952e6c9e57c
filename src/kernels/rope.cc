#include "kernels/rope.h"

#define FATHOM_KERNEL "kernels/rope.simd.h"
#include "kernels/foreach_target.h"

namespace fathom {

Rope<float>* rope_for(Target target) { return FATHOM_PICK(rope, target); }

}  // namespace fathom
