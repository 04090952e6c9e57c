#include "kernels/swiglu.h"

#define FATHOM_KERNEL "kernels/swiglu.simd.h"
#include "kernels/foreach_target.h"

namespace fathom {

Swiglu<float>* swiglu_for(Target target) { return FATHOM_PICK(swiglu, target); }
SqrtSoftplus<float>* sqrt_softplus_for(Target target) { return FATHOM_PICK(sqrt_softplus, target); }
SwigluBackward<float>* swiglu_backward_for(Target target) { return FATHOM_PICK(swiglu_backward, target); }
SqrtSoftplusBackward<float>* sqrt_softplus_backward_for(Target target) {
  return FATHOM_PICK(sqrt_softplus_backward, target);
}

}  // namespace fathom
