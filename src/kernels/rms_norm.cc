#include "kernels/rms_norm.h"

#define FATHOM_KERNEL "kernels/rms_norm.simd.h"
#include "kernels/foreach_target.h"

namespace fathom {

RmsNorm<float>* rms_norm_for(Target target) { return FATHOM_PICK(rms_norm, target); }
RmsNormBackward<float>* rms_norm_backward_for(Target target) {
  return FATHOM_PICK(rms_norm_backward, target);
}

}  // namespace fathom
