#include <algorithm>
#include <cmath>
#include <string_view>

#include "base/rng.h"
#include "train/master_weights.h"

namespace fathom {
namespace {

constexpr double kHcScale = 0.01, kCombDiagonal = 8, kApeDeviation = 0.02;

uint64_t stream_of(uint64_t seed, std::string_view name) {
  uint64_t hash = 0xcbf29ce484222325u;  // FNV-1a
  for (const char c : name) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3u;
  const auto words = philox(seed, hash, 0x1417);
  return uint64_t{words[1]} << 32 | words[0];
}

// pre = sigmoid = 1/n, post = 2 sigmoid = 1, comb = softmax near the identity; the head has pre alone.
void hc_base(float* base, int64_t size, int64_t n) {
  // n = 1 would need an infinite base; sigmoid(10) is 1 within 5e-5.
  std::fill_n(base, n, static_cast<float>(n > 1 ? -std::log(static_cast<double>(n - 1)) : 10.0));
  for (int64_t i = 0; size > n && i < n; ++i) base[2 * n + i * n + i] = static_cast<float>(kCombDiagonal);
}

double deviation_of(const TrainedParam& p, const InitialWeights& options) {
  const std::string_view name = p.name;
  if (name.ends_with(".lora_B.weight")) return 0;  // an adapter begins as nothing
  if (name.ends_with(".lora_A.weight")) return 1 / std::sqrt(3 * static_cast<double>(p.cols));  // as PEFT's
  if (name == "embed.weight") return options.embed_deviation;
  if (name == "head.weight") return options.head_deviation;
  if (name.ends_with(".ape")) return kApeDeviation;
  const double deviation = options.gain / std::sqrt(static_cast<double>(p.cols));
  return name.ends_with(".wo_b.weight") || name.ends_with(".w2.weight") ? deviation * options.output_gain
                                                                        : deviation;
}

// Distinct experts for each token: the first k of a shuffle.
void hash_table(uint64_t stream, const TrainedParam& p, int64_t experts, int32_t* table) {
  std::vector<int32_t> order(static_cast<size_t>(experts));
  for (int64_t token = 0; token < p.rows; ++token) {
    for (int64_t e = 0; e < experts; ++e) order[static_cast<size_t>(e)] = static_cast<int32_t>(e);
    for (int64_t k = 0; k < p.cols; ++k) {
      const auto word = philox(stream, static_cast<uint64_t>(token), static_cast<uint64_t>(k))[0];
      const auto pick = k + static_cast<int64_t>(uint64_t{word} * static_cast<uint64_t>(experts - k) >> 32);
      std::swap(order[static_cast<size_t>(k)], order[static_cast<size_t>(pick)]);
      table[token * p.cols + k] = order[static_cast<size_t>(k)];
    }
  }
}

}  // namespace

MasterWeights initial_weights(const ParamTable& table, const InitialWeights& options) {
  MasterWeights masters(table);
  for (const TrainedParam& p : table.params()) {
    const std::string_view name = p.name;
    const uint64_t stream = stream_of(options.seed, name);
    if (p.kind == ParamClass::table) {
      hash_table(stream, p, table.config().n_routed_experts, masters.tables.data() + p.offset);
      continue;
    }
    float* out = masters.values.data() + p.offset;
    if (name.ends_with("_base")) {
      hc_base(out, p.values(), table.config().hc_mult);
    } else if (name.ends_with("_scale")) {
      std::fill_n(out, p.values(), static_cast<float>(kHcScale));
    } else if (p.rows == 1 && name.ends_with(".weight") && p.kind == ParamClass::vector) {
      std::fill_n(out, p.values(), 1.0f);
    } else if (p.rows > 1 || p.kind == ParamClass::matrix) {
      const double deviation = deviation_of(p, options);
      for (int64_t i = 0; i < p.values(); ++i) {
        out[i] = static_cast<float>(deviation * philox_normal(stream, static_cast<uint64_t>(i)));
      }
    }  // sinks and router biases: 0
  }
  return masters;
}

}  // namespace fathom
