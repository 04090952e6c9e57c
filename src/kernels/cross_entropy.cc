#include "kernels/cross_entropy.h"

#define FATHOM_KERNEL "kernels/cross_entropy.simd.h"
#include "kernels/foreach_target.h"

namespace fathom {

SoftmaxSums<float>* softmax_sums_for(Target target) { return FATHOM_PICK(softmax_sums, target); }
CrossEntropyBackward<float>* cross_entropy_backward_for(Target target) {
  return FATHOM_PICK(cross_entropy_backward, target);
}

}  // namespace fathom
