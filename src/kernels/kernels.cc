#include "kernels/kernels.h"

#include <array>

namespace fathom {

template <class Real>
const Kernels<Real>& reference_kernels() {
  static const Kernels<Real> table = [] {
    Kernels<Real> k;
#define FATHOM_KERNEL_ROW(name, Type) k.name = name##_reference<Real>;
#include "kernels/kernel_list.h"
#undef FATHOM_KERNEL_ROW
    k.linear_bf16 = linear_bf16_reference;
    k.linear_dx_bf16 = linear_dx_bf16_reference;
    k.linear_dw_bf16 = linear_dw_bf16_reference;
    k.to_bf16 = to_bf16_reference;
    return k;
  }();
  return table;
}
template const Kernels<float>& reference_kernels<float>();
template const Kernels<double>& reference_kernels<double>();

const Kernels<float>& kernels_for(Target target) {
  static const std::array<Kernels<float>, 4> tables = [] {
    std::array<Kernels<float>, 4> made;
    for (const Target each : {Target::plain, Target::avx2, Target::avx512, Target::avx512_bf16}) {
      Kernels<float>& k = made[static_cast<size_t>(each)];
#define FATHOM_KERNEL_ROW(name, Type) k.name = name##_for(each);
#include "kernels/kernel_list.h"
#undef FATHOM_KERNEL_ROW
      k.linear_bf16 = linear_bf16_for(each);
      k.linear_dx_bf16 = linear_dx_bf16_for(each);
      k.linear_dw_bf16 = linear_dw_bf16_for(each);
      k.to_bf16 = to_bf16_for(each);
    }
    return made;
  }();
  return tables[static_cast<size_t>(target)];
}

}  // namespace fathom
