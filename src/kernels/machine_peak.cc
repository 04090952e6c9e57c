#include "kernels/machine_peak.h"

#include "base/error.h"
#include "kernels/machine_peak.simd.h"

namespace fathom {

bool has_peak(Target target, PeakKind kind) { return kind == PeakKind::f32 || target == Target::avx512_bf16; }

double run_peak(Target target, PeakKind kind, int64_t rounds, float& sink) {
  FATHOM_CHECK(has_peak(target, kind));
  double flops_per_accumulator = 2 * 4;
  int accumulators = peak::kAccumulators;
#ifdef FATHOM_PEAK_X86
  if (kind == PeakKind::bf16) {
    sink = peak::avx512_bf16(rounds);
    flops_per_accumulator = 2 * 32;
    accumulators = peak::kWideAccumulators;
  } else if (target == Target::avx512 || target == Target::avx512_bf16) {
    sink = peak::avx512_f32(rounds);
    flops_per_accumulator = 2 * 16;
    accumulators = peak::kWideAccumulators;
  } else if (target == Target::avx2) {
    sink = peak::avx2_f32(rounds);
    flops_per_accumulator = 2 * 8;
  } else {
    sink = peak::plain_f32(rounds);
  }
#else
  sink = peak::plain_f32(rounds);
#endif
  return flops_per_accumulator * accumulators * static_cast<double>(rounds);
}

}  // namespace fathom
