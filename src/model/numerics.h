#pragma once
/// Named arithmetic modes: a value in the Runtime, printed wherever a figure is (design: hard point 9).

#include <string_view>

#include "kernels/row_format.h"

namespace fathom {

struct Numerics {
  enum class Mode { exact, release, fast };
  Mode mode = Mode::exact;
  bool quantise_activations = false;  ///< inputs of FP8 and FP4 weights go through FP8 blocks of 128
  bool quantise_kv = false;           ///< first d - r dims of KV rows and entries go through FP8 blocks of 64
  bool quantise_indexer = false;      ///< indexer queries and keys: Hadamard, FP4 blocks of 32
  bool bf16_matmul = false;           ///< bf16 activations against weights decoded to bf16, but for what
                                      ///< Context::linear_latent and linear_exact compute
  bool bf16_latents = false;          ///< bf16_matmul in Context::linear_latent too: training
  RowType kv_type = RowType::f32;     ///< how KV rows, entries and indexer keys are stored

  /// fp32 throughout, weights decoded exactly, nothing else quantised.
  static Numerics exact() { return {}; }
  /// exact in double precision: the oracle.
  static Numerics exact_double() {
    Numerics n;
    n.kv_type = RowType::f64;
    return n;
  }
  /// The published inference quantisers, fp32 between them.
  static Numerics release() { return {Mode::release, true, true, true, false, false, RowType::f32}; }
  /// bf16 activations, weights and KV store, fp32 sums.
  static Numerics fast() { return {Mode::fast, false, false, false, true, false, RowType::bf16}; }
  /// Throws Error(bad_input) for a name other than exact, release, fast.
  static Numerics from_name(std::string_view name);

  bool operator==(const Numerics&) const = default;
};

std::string_view name(Numerics::Mode mode);

}  // namespace fathom
