#include "kernels/attention.h"

#define FATHOM_KERNEL "kernels/attention.simd.h"
#include "kernels/foreach_target.h"

namespace fathom {

Attention<float>* attention_for(Target target) { return FATHOM_PICK(attention, target); }

}  // namespace fathom
