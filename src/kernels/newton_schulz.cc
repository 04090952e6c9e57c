#include "kernels/newton_schulz.h"

#define FATHOM_KERNEL "kernels/newton_schulz.simd.h"
#include "kernels/foreach_target.h"

namespace fathom {

NewtonSchulz<float>* newton_schulz_for(Target target) { return FATHOM_PICK(newton_schulz, target); }

}  // namespace fathom
