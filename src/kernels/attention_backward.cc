#include "kernels/attention_backward.h"

#include <limits>

#define FATHOM_KERNEL "kernels/attention_backward.simd.h"
#include "kernels/foreach_target.h"

namespace fathom {

AttentionBackward<float>* attention_backward_for(Target target) {
  return FATHOM_PICK(attention_backward, target);
}
AttentionMass<float>* attention_mass_for(Target target) { return FATHOM_PICK(attention_mass, target); }

}  // namespace fathom
