#pragma once
/// Instruction-set targets of the kernels, detected once at start (design: hard point 3).

#include <string_view>
#include <vector>

namespace fathom {

enum class Target {
  plain,        ///< the build's baseline (x86-64-v2, or any other architecture)
  avx2,         ///< AVX2, FMA, F16C
  avx512,       ///< AVX-512 F, BW, VL, DQ
  avx512_bf16,  ///< avx512, VDPBF16PS and VBMI
};

std::string_view name(Target target);  ///< "plain", "avx2", "avx512", "avx512_bf16"
/// Throws Error(bad_input) for an unknown name, Error(unsupported) for one this CPU does not offer.
Target target_from_name(std::string_view name);
/// Every target this CPU offers, plain first, the best last.
const std::vector<Target>& available_targets();
/// The best one, or the one the environment's FATHOM_KERNELS names. Throws Error naming the variable.
Target detect_target();

}  // namespace fathom
