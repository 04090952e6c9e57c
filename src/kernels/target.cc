#include "kernels/target.h"

#include <algorithm>
#include <cstdlib>

#include "base/error.h"

namespace fathom {

std::string_view name(Target target) {
  switch (target) {
    case Target::plain:
      return "plain";
    case Target::avx2:
      return "avx2";
    case Target::avx512:
      return "avx512";
    case Target::avx512_bf16:
      return "avx512_bf16";
  }
  return "?";
}

const std::vector<Target>& available_targets() {
  static const std::vector<Target> targets = [] {
    std::vector<Target> found{Target::plain};
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__)
    __builtin_cpu_init();
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("f16c")) {
      found.push_back(Target::avx2);
      if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
          __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq")) {
        found.push_back(Target::avx512);
        if (__builtin_cpu_supports("avx512bf16") && __builtin_cpu_supports("avx512vbmi")) {
          found.push_back(Target::avx512_bf16);
        }
      }
    }
#endif
    return found;
  }();
  return targets;
}

namespace {

Target named_target(std::string_view wanted, const char* where) {
  for (const Target target : {Target::plain, Target::avx2, Target::avx512, Target::avx512_bf16}) {
    if (name(target) != wanted) continue;
    const auto& offered = available_targets();
    if (std::find(offered.begin(), offered.end(), target) == offered.end()) {
      fail(ErrorCode::unsupported, "{}: expected a target of this CPU, found {}", where, wanted);
    }
    return target;
  }
  bad_input("{}: expected plain, avx2, avx512 or avx512_bf16, found '{}'", where, printable(wanted));
}

}  // namespace

Target target_from_name(std::string_view wanted) { return named_target(wanted, "target"); }

Target detect_target() {
  if (const char* wanted = std::getenv("FATHOM_KERNELS"); wanted && *wanted) {
    return named_target(wanted, "FATHOM_KERNELS");
  }
  return available_targets().back();
}

}  // namespace fathom
