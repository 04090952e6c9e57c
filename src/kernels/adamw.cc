#include "kernels/adamw.h"

#define FATHOM_KERNEL "kernels/adamw.simd.h"
#include "kernels/foreach_target.h"

namespace fathom {

Adamw<float>* adamw_for(Target target) { return FATHOM_PICK(adamw, target); }

}  // namespace fathom
