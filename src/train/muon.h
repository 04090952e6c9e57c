#pragma once
/// Muon's step of one matrix. Source: architecture.md section 13.

#include <cstdint>

#include "kernels/kernels.h"

namespace fathom {

struct MuonStep {
  float rate = 0, decay = 0, momentum = 0, rms = 0;
};

/// M = momentum M + G; U = NS(momentum M + G); W = W (1 - rate decay) - rate rms sqrt(max(rows, cols)) U.
/// @param scratch [muon_scratch(rows, cols)]
void muon_step(const Kernels<float>& kernels, const MuonStep& step, int64_t rows, int64_t cols,
               const float* gradient, float* momentum, float* weights, float* scratch);
int64_t muon_scratch(int64_t rows, int64_t cols);

}  // namespace fathom
