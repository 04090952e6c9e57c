#pragma once
/// The table of kernels. Kernels work on a range and know no threads; model/context.h splits the work.

#include "kernels/adamw.h"
#include "kernels/attention.h"
#include "kernels/attention_backward.h"
#include "kernels/compressor.h"
#include "kernels/compressor_backward.h"
#include "kernels/cross_entropy.h"
#include "kernels/hyper_connection.h"
#include "kernels/hyper_connection_backward.h"
#include "kernels/indexer_backward.h"
#include "kernels/indexer_scores.h"
#include "kernels/linear.h"
#include "kernels/linear_backward.h"
#include "kernels/newton_schulz.h"
#include "kernels/quantise.h"
#include "kernels/rms_norm.h"
#include "kernels/rope.h"
#include "kernels/swiglu.h"
#include "kernels/target.h"
#include "kernels/top_k.h"

namespace fathom {

template <class Real>
struct Kernels {
#define FATHOM_KERNEL_ROW(name, Type) Type<Real>* name = nullptr;
#include "kernels/kernel_list.h"
#undef FATHOM_KERNEL_ROW
  // In the float table only.
  LinearBf16* linear_bf16 = nullptr;
  LinearDxBf16* linear_dx_bf16 = nullptr;
  LinearDwBf16* linear_dw_bf16 = nullptr;
  ToBf16* to_bf16 = nullptr;
};

/// The table of a target the CPU offers; filled once.
const Kernels<float>& kernels_for(Target target);
/// The references of every kernel: the float ones (slow, for comparison) and the double model.
template <class Real>
const Kernels<Real>& reference_kernels();

}  // namespace fathom
