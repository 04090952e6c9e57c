#pragma once
/// Runtime: what a driving thread computes with. The only place where the CPU's targets are looked at.

#include <memory>
#include <optional>

#include "model/config.h"
#include "model/context.h"

namespace fathom {

struct RuntimeOptions {
  std::optional<Target> target;  ///< the best this CPU offers, if absent
  ThreadPoolOptions pool;
  Numerics numerics = Numerics::exact();
  int64_t memory_bytes = 0;  ///< bound that claim_memory() holds work to; 0: none
};

/// Owns the thread pool and the scratch memory; one per driving thread.
template <class Real>
class Runtime {
 public:
  explicit Runtime(const RuntimeOptions& options);

  const Numerics& numerics() const { return numerics_; }
  Target target() const { return target_; }
  int64_t threads() const { return pool_->threads(); }
  ThreadPool& pool() { return *pool_; }
  Arena& arena() { return arena_; }
  /// Bound of state, scratch and copied weights (model/memory_limit.h); 0: none.
  int64_t memory_bytes() const { return memory_bytes_; }
  /// Lifts the bound, that of the scratch memory too.
  void lift_memory_limit() {
    memory_bytes_ = 0;
    arena_.limit(0);
  }
  /// The context of a model with this config.
  Context<Real> context(const ModelConfig& config) {
    return Context<Real>(*kernels_, *pool_, arena_, numerics_, config.scale_format == ScaleFormat::ue8m0);
  }

 private:
  Target target_;
  const Kernels<Real>* kernels_;
  std::unique_ptr<ThreadPool> pool_;
  Arena arena_;
  Numerics numerics_;
  int64_t memory_bytes_;
};

}  // namespace fathom
