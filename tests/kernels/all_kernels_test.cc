// Every kernel of kernel_list.h on every target this CPU offers.

#include "tests/kernels/kernel_cases.h"

namespace fathom {

TEST_CASE("every kernel on every target") {
  for (const Target target : available_targets()) {
    CAPTURE(name(target));
#define FATHOM_KERNEL_ROW(kernel, Type)  \
  {                                      \
    CAPTURE(#kernel);                    \
    test::kernel_cases_##kernel(target); \
  }
#include "kernels/kernel_list.h"
#undef FATHOM_KERNEL_ROW
    test::kernel_cases_linear_bf16(target);
    test::kernel_cases_linear_dx_bf16(target);
    test::kernel_cases_linear_dw_bf16(target);
    test::kernel_cases_to_bf16(target);
  }
}

TEST_CASE("every entry of every table is filled") {
  const auto check = [](const auto& table) {
#define FATHOM_KERNEL_ROW(name, Type) CHECK((table.name != nullptr));
#include "kernels/kernel_list.h"
#undef FATHOM_KERNEL_ROW
  };
  check(reference_kernels<float>());
  check(reference_kernels<double>());
  for (const Target target : available_targets()) {
    check(kernels_for(target));
    CHECK((kernels_for(target).linear_bf16 != nullptr));
    CHECK((kernels_for(target).linear_dx_bf16 != nullptr));
    CHECK((kernels_for(target).linear_dw_bf16 != nullptr));
    CHECK((kernels_for(target).to_bf16 != nullptr));
  }
}

}  // namespace fathom
