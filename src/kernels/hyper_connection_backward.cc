#include "kernels/hyper_connection_backward.h"

#define FATHOM_KERNEL "kernels/hyper_connection_backward.simd.h"
#include "kernels/foreach_target.h"

namespace fathom {

HcMixBackward<float>* hc_mix_backward_for(Target target) { return FATHOM_PICK(hc_mix_backward, target); }
HcCollapseBackward<float>* hc_collapse_backward_for(Target target) {
  return FATHOM_PICK(hc_collapse_backward, target);
}
HcApplyBackward<float>* hc_apply_backward_for(Target target) {
  return FATHOM_PICK(hc_apply_backward, target);
}
AddScaledRows<float>* add_scaled_rows_for(Target target) { return FATHOM_PICK(add_scaled_rows, target); }

}  // namespace fathom
