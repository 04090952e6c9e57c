#pragma once
/// Frequencies and angles of rotary embedding, YaRN included. Source: architecture.md section 3 and "RoPE
/// angles".

#include <vector>

#include "base/tensor.h"
#include "model/config.h"

namespace fathom {

/// inv_freq of one kind of layer, fp32 as normative.
class RopeFrequencies {
 public:
  /// base^(-2i/r), i in [0, r/2), with YaRN's interpolation if given.
  RopeFrequencies(double base, int64_t rope_dim, const std::optional<YarnConfig>& yarn);

  int64_t pairs() const { return static_cast<int64_t>(inv_freq_.size()); }
  const std::vector<float>& inv_freq() const { return inv_freq_; }

  /// cos and sin [pairs] of fp32(position) * inv_freq, the product rounded to fp32, the functions accurate.
  template <class Real>
  void angles(int64_t position, Real* cos, Real* sin) const;

 private:
  std::vector<float> inv_freq_;
};

/// The two tables of a model: SWA layers, and compressed layers.
struct RopeTables {
  RopeFrequencies main, compress;
  explicit RopeTables(const ModelConfig& config)
      : main(config.rope_theta, config.qk_rope_head_dim, std::nullopt),
        compress(config.compress_rope_theta, config.qk_rope_head_dim, config.rope_scaling) {}
  const RopeFrequencies& of(LayerKind kind) const { return kind == LayerKind::swa ? main : compress; }
};

/// cos and sin of a batch's positions, both kinds of frequencies; views into the arena of ctx.
template <class Real>
struct BatchAngles {
  Mat<Real> main_cos, main_sin, compress_cos, compress_sin;  ///< [rows, r/2]
  const Real* cos(LayerKind kind) const { return kind == LayerKind::swa ? main_cos.data : compress_cos.data; }
  const Real* sin(LayerKind kind) const { return kind == LayerKind::swa ? main_sin.data : compress_sin.data; }
};

}  // namespace fathom
