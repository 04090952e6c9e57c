#pragma once
/// Loops that do nothing but multiply and add in registers: what a core can do at most, to compare kernels
/// and plans with.

#include <cstdint>

#include "kernels/target.h"

namespace fathom {

enum class PeakKind : uint8_t {
  f32,   ///< fused multiply-add of fp32 (multiply, then add, where the target has no fused form)
  bf16,  ///< dot products of bf16 pairs into fp32
};

/// Whether `target` has instructions of this kind.
bool has_peak(Target target, PeakKind kind);
/// Runs `rounds` rounds of independent multiply-adds and returns the FLOP done (2 per multiply-add). `sink`
/// gets a value that depends on all of them, so that none can be left out.
double run_peak(Target target, PeakKind kind, int64_t rounds, float& sink);

}  // namespace fathom
