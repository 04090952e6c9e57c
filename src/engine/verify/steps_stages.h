#pragma once
/// Stages of steps.safetensors (golden/quantised): their golden values, and how far a found one is.

#include <cmath>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/tensor.h"
#include "engine/verify/checks.h"
#include "engine/verify/expected_file.h"
#include "formats/half.h"
#include "model/config.h"

namespace fathom::verify {

template <class Real>
struct Values {
  std::vector<Real> data;
  int64_t rows = 0, cols = 0;
  Mat<Real> mat() { return {data.data(), rows, cols}; }
};

/// Integers from `least` to below `limit`, at least one.
inline std::vector<int32_t> ids_of(const ExpectedFile& steps, const std::string& name, int64_t least,
                                   int64_t limit) {
  std::vector<int32_t> ids = steps.ints(name);
  if (ids.empty()) bad_input("{}: expected integers, found none", steps.where(name));
  for (const int32_t id : ids) {
    if (id < least || id >= limit)
      bad_input("{}: expected values of {} to {}, found {}", steps.where(name), least, limit - 1, id);
  }
  return ids;
}

/// The stages of one block of `tokens` tokens. What is read is checked against the shapes that the config
/// gives it: Error(bad_input) names file and tensor.
template <class Real>
class Stages {
 public:
  Stages(Checks& checks, const ExpectedFile& steps, const ModelConfig& config, int64_t layer, int64_t tokens)
      : checks_(checks), steps_(steps), layer_(layer) {
    const ModelConfig& c = config;
    const int64_t D = c.hidden_size, n = c.hc_mult, H = c.num_attention_heads, d = c.head_dim;
    const int64_t ratio = c.layer(layer).ratio, entries = ratio > 0 ? tokens / ratio : 0;
    const int64_t index_dim = c.index_head_dim;
    const auto rows = [&](int64_t count, int64_t cols, std::initializer_list<const char*> names) {
      for (const char* name : names) shapes_[name] = {count, cols};
    };
    rows(tokens, n * D, {"streams_in", "streams_out"});
    rows(tokens, D, {"attn.in", "attn.out", "ffn.in", "ffn.out", "ffn.shared_out"});
    for (const std::string hc : {"hc_attn", "hc_ffn"}) {
      shapes_[hc + ".mixes"] = {tokens, (2 + n) * n};
      shapes_[hc + ".pre"] = shapes_[hc + ".post"] = {tokens, n};
      shapes_[hc + ".comb"] = {tokens, n * n};
    }
    rows(tokens, c.q_lora_rank, {"attn.wq_a", "attn.qr"});
    rows(tokens, H * d, {"attn.wq_b", "attn.q", "attn.o_before_inverse_rope"});
    rows(tokens, d, {"attn.wkv", "attn.kv_norm"});
    rows(tokens + entries, d, {"attn.kv_all"});
    rows(entries, d, {"attn.entries"});
    rows(tokens, c.o_groups * c.o_lora_rank, {"attn.u"});
    rows(tokens, c.index_n_heads * index_dim, {"indexer.wq_b", "indexer.q_before_fp4", "indexer.q"});
    rows(entries, index_dim, {"indexer.k_before_fp4", "indexer.k"});
    rows(tokens, entries, {"indexer.scores"});
    rows(tokens, c.index_n_heads, {"indexer.weights_proj"});
    rows(tokens, c.num_experts_per_tok, {"ffn.router_weights", "ffn.router_ids"});
    rows(tokens, c.n_routed_experts, {"ffn.scores_plus_bias"});
  }

  bool has(const std::string& name) const { return steps_.has(full(name)); }
  Values<Real> golden(const std::string& name) const {
    const auto [rows, cols] = shapes_.at(name);
    const std::vector<float> values = steps_.floats(full(name));
    if (std::ssize(values) != rows * cols) {
      bad_input("{}: expected {} x {} values, found {}", steps_.where(full(name)), rows, cols, values.size());
    }
    return {std::vector<Real>(values.begin(), values.end()), rows, cols};
  }
  /// The same number of integers for each token, from `least` to below `limit`.
  std::vector<int32_t> golden_ids(const std::string& name, int64_t tokens, int64_t least,
                                  int64_t limit) const {
    std::vector<int32_t> ids = ids_of(steps_, full(name), least, limit);
    const auto shape = shapes_.find(name);
    const int64_t count = std::ssize(ids);
    if (shape == shapes_.end() ? count % tokens == 0 : count == tokens * shape->second.second) return ids;
    bad_input("{}: expected the same number of values for each of {} tokens, found {} in all",
              steps_.where(full(name)), tokens, ids.size());
  }
  static Values<Real> bf16(Values<Real> v) {
    for (Real& x : v.data) x = static_cast<Real>(round_bf16(static_cast<float>(x)));
    return v;
  }

  /// At least 99.9% of the values equal, relative rms below 2e-4 (the README's bounds).
  void bf16_stage(const std::string& name, const Values<Real>& found) const {
    const Distance distance = distance_of(name, bf16(found));
    checks_.worst("steps: " + name + ": relative rms", distance.rms, kRms);
    checks_.worst("steps: " + name + ": share of values that differ", distance.differing, kDiffering);
  }
  void rms_stage(const std::string& name, const std::string& note, const Values<Real>& found,
                 double bound) const {
    checks_.worst("steps: " + name + note + ": relative rms", distance_of(name, bf16(found)).rms, bound);
  }
  void fp32_stage(const std::string& name, const Values<Real>& found) const {
    const Values<Real> want = golden(name);
    FATHOM_CHECK(found.data.size() == want.data.size());
    double worst = 0;
    for (size_t i = 0; i < want.data.size(); ++i) {
      const auto w = static_cast<double>(want.data[i]);
      const double error = std::abs(static_cast<double>(found.data[i]) - w) / std::max(1.0, std::abs(w));
      worst = error <= worst ? worst : error;  // keeps NaN
    }
    checks_.worst("steps: " + name, worst, kFp32);
  }

 protected:
  std::string full(const std::string& name) const { return fmt::format("layers.{}.{}", layer_, name); }

  // The folder's README, "Bounds a test can honestly use".
  static constexpr double kDiffering = 1e-3, kRms = 2e-4, kFp32 = 1e-5;
  Checks& checks_;
  const ExpectedFile& steps_;

 private:
  struct Distance {
    double differing = 0, rms = 0;  // share of values; relative root of mean squares
  };
  Distance distance_of(const std::string& name, const Values<Real>& found) const {
    const Values<Real> want = golden(name);
    FATHOM_CHECK(found.data.size() == want.data.size());
    double error = 0, size = 0;
    int64_t differing = 0, of = 0;
    for (size_t i = 0; i < want.data.size(); ++i) {
      const auto w = static_cast<double>(want.data[i]), f = static_cast<double>(found.data[i]);
      if (!std::isfinite(w)) continue;  // scores of entries that are not visible
      error += (f - w) * (f - w);
      size += w * w;
      differing += f != w;
      ++of;
    }
    return {static_cast<double>(differing) / static_cast<double>(of), std::sqrt(error / size)};
  }

  int64_t layer_;
  std::map<std::string, std::pair<int64_t, int64_t>> shapes_;
};

}  // namespace fathom::verify
