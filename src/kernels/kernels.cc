#include "kernels/kernels.h"

namespace fathom {

template <class Real>
const Kernels<Real>& reference_kernels() {
  static const Kernels<Real> table = [] {
    Kernels<Real> k;
#define FATHOM_KERNEL_ROW(name, Type) k.name = name##_reference<Real>;
#include "kernels/kernel_list.h"
#undef FATHOM_KERNEL_ROW
    k.linear_bf16 = linear_bf16_reference;
    k.to_bf16 = to_bf16_reference;
    return k;
  }();
  return table;
}
template const Kernels<float>& reference_kernels<float>();
template const Kernels<double>& reference_kernels<double>();

const Kernels<float>& kernels_for(Target) { return reference_kernels<float>(); }

}  // namespace fathom
