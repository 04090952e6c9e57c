#include "kernels/hyper_connection.h"

#include <limits>

#define FATHOM_KERNEL "kernels/hyper_connection.simd.h"
#include "kernels/foreach_target.h"

namespace fathom {

HcMix<float>* hc_mix_for(Target target) { return FATHOM_PICK(hc_mix, target); }
HcCollapse<float>* hc_collapse_for(Target target) { return FATHOM_PICK(hc_collapse, target); }
HcApply<float>* hc_apply_for(Target target) { return FATHOM_PICK(hc_apply, target); }

}  // namespace fathom
