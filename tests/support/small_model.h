#pragma once
/// A small model with random weights in memory: every kind of layer, both routings, MTP.

#include <deque>
#include <memory>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "base/rng.h"
#include "model/model.h"
#include "model/runtime.h"
#include "model/training/batch.h"
#include "tests/support/gradients.h"

namespace fathom::test {

inline constexpr const char* kSmallConfig = R"({"architectures": ["DeepseekV4ForCausalLM"],
  "model_type": "deepseek_v4", "vocab_size": 37, "hidden_size": 10, "num_hidden_layers": 5,
  "num_attention_heads": 3, "num_key_value_heads": 1, "head_dim": 8, "qk_rope_head_dim": 4,
  "q_lora_rank": 6, "o_groups": 2, "o_lora_rank": 5, "n_routed_experts": 5, "n_shared_experts": 1,
  "num_experts_per_tok": 2, "moe_intermediate_size": 7, "num_hash_layers": 2,
  "routed_scaling_factor": 1.5, "scoring_func": "sqrtsoftplus", "topk_method": "noaux_tc",
  "norm_topk_prob": true, "swiglu_limit": 1.5, "sliding_window": 5, "index_n_heads": 3,
  "index_head_dim": 8, "index_topk": 3, "compress_ratios": [0, 4, 6, 4, 6, 0], "rope_theta": 10000,
  "compress_rope_theta": 160000, "rope_scaling": {"type": "yarn", "factor": 16, "beta_fast": 32,
  "beta_slow": 1, "original_max_position_embeddings": 65536}, "hc_mult": 3, "hc_sinkhorn_iters": 20,
  "hc_eps": 1e-6, "num_nextn_predict_layers": 1, "max_position_embeddings": 1024, "bos_token_id": 0,
  "eos_token_id": 1, "rms_norm_eps": 1e-6, "torch_dtype": "float32"})";

/// The same with some of its text changed.
inline std::string small_config_with(const std::vector<std::pair<std::string, std::string>>& changes) {
  std::string json = kSmallConfig;
  for (const auto& [from, to] : changes) json.replace(json.find(from), from.size(), to);
  return json;
}

template <class Real>
class SmallModel {
 public:
  struct Param {
    std::string name;
    std::vector<Real> values;
  };

  explicit SmallModel(const std::string& config_json = kSmallConfig, bool bf16_matrices = false)
      : config(ModelConfig::parse(config_json)), grads(config, config.num_nextn_predict_layers) {
    ModelParams<WeightView> views;
    for_each_param(
        config, config.num_nextn_predict_layers,
        [&](const std::string& name, ParamClass kind, int64_t rows, int64_t cols, WeightView& view) {
          if (kind == ParamClass::table) return table(rows, cols, view);
          Param& p = params.emplace_back();
          p.name = name;
          const bool norm = name.find("norm") != std::string::npos;
          const bool base = name.ends_with("base") || name.ends_with("bias");
          for (int64_t i = 0; i < rows * cols; ++i) {
            const double z = philox_normal(5, static_cast<uint64_t>(i), params.size());
            p.values.push_back(static_cast<Real>(static_cast<float>(norm                      ? 1 + 0.3 * z
                                                                    : base                    ? 0.3 * z
                                                                    : name.ends_with("scale") ? 1 + 0.1 * z
                                                                                              : 0.5 * z)));
          }
          if (!bf16_matrices || kind != ParamClass::matrix) {
            view = weight_view(p.values.data(), rows, cols);
            return;
          }
          auto& narrow = narrow_.emplace_back();
          for (Real& v : p.values) {
            narrow.push_back(to_bf16(static_cast<float>(v)));
            v = static_cast<Real>(to_float(narrow.back()));
          }
          view.dtype = DType::BF16;
          view.rows = rows;
          view.cols = cols;
          view.row_bytes = cols * 2;
          view.data = reinterpret_cast<const std::byte*>(narrow.data());
        },
        views);
    model = Model::over(config, views, nullptr);
  }
  SmallModel(const SmallModel&) = delete;
  SmallModel& operator=(const SmallModel&) = delete;

  ModelConfig config;
  std::deque<Param> params;  ///< in the order of for_each_param, tables left out
  std::shared_ptr<const Model> model;
  Gradients<Real> grads;

 private:
  void table(int64_t rows, int64_t cols, WeightView& view) {
    auto& ids = tables_.emplace_back();
    for (int64_t i = 0; i < rows; ++i) {
      for (int64_t j = 0; j < cols; ++j)
        ids.push_back(static_cast<int32_t>((i * 3 + j * (1 + i % 2)) % config.n_routed_experts));
    }
    view.dtype = DType::I32;
    view.rows = rows;
    view.cols = cols;
    view.row_bytes = cols * 4;
    view.data = reinterpret_cast<const std::byte*>(ids.data());
  }
  std::deque<std::vector<int32_t>> tables_;
  std::deque<std::vector<Bf16>> narrow_;
};

template <class Real>
Runtime<Real> make_runtime(int threads = 1, Numerics numerics = Numerics::exact()) {
  RuntimeOptions options;
  options.pool.threads = threads;
  options.pool.test_mode = threads > 1;
  options.numerics = numerics;
  if constexpr (std::is_same_v<Real, double>) options.numerics = Numerics::exact_double();
  return Runtime<Real>(options);
}

/// Documents of these lengths: random tokens, the next token as label, a third of the labels masked.
inline TrainingBatch small_batch(const std::vector<int64_t>& lengths, int64_t vocabulary) {
  TrainingBatch batch;
  for (const int64_t length : lengths) {
    TrainingDocument& d = batch.emplace_back();
    const auto id = [&](int64_t t) {
      return static_cast<int32_t>(philox_uniform(9, static_cast<uint64_t>(t), batch.size()) *
                                  static_cast<double>(vocabulary));
    };
    for (int64_t t = 0; t < length; ++t) {
      d.tokens.push_back(id(t));
      d.labels.push_back(t % 3 == 1 || t + 1 == length ? kNoLabel : id(t + 1));
    }
  }
  return batch;
}

}  // namespace fathom::test
