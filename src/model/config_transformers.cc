// ModelConfig -> config.json as transformers writes it.
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "model/config_export.h"
#include "model/config_layers.h"

namespace fathom {
namespace {

using Json = nlohmann::ordered_json;

// Stands for "no clamp": transformers clamps at any limit, and would make zeros of it at 0.
constexpr double kNoLimit = 1e30;

// The one ratio of the layers of `kind`, or the default if there are none.
int64_t rate_of(const ModelConfig& c, LayerKind kind, int64_t otherwise) {
  int64_t rate = 0;
  for (int64_t i = 0; i < c.num_hidden_layers; ++i) {
    const LayerConfig layer = c.layer(i);
    if (layer.kind != kind) continue;
    if (rate != 0 && rate != layer.ratio) {
      fail(ErrorCode::unsupported,
           "compress_ratios[{}]: expected {} as in the other {} layers (transformers has one ratio for each "
           "kind), found {}",
           i, rate, type_name(kind), layer.ratio);
    }
    rate = layer.ratio;
  }
  return rate == 0 ? otherwise : rate;
}

Json rope_parameters(const ModelConfig& c, double fraction) {
  Json main = {{"partial_rotary_factor", fraction}, {"rope_theta", c.rope_theta}, {"rope_type", "default"}};
  Json compress = {{"partial_rotary_factor", fraction}, {"rope_theta", c.compress_rope_theta}};
  if (c.rope_scaling) {
    compress["rope_type"] = "yarn";
    compress["factor"] = c.rope_scaling->factor;
    compress["beta_fast"] = c.rope_scaling->beta_fast;
    compress["beta_slow"] = c.rope_scaling->beta_slow;
    compress["original_max_position_embeddings"] = c.rope_scaling->original_max_position_embeddings;
    compress["attention_factor"] = 1.0;
  } else {
    compress["rope_type"] = "default";
  }
  return {{"main", main}, {"compress", compress}};
}

}  // namespace

std::string transformers_config_json(const ModelConfig& c) {
  std::vector<std::string> types, mlp_types;
  for (int64_t i = 0; i < c.num_hidden_layers; ++i) {
    types.emplace_back(type_name(c.layer(i).kind));
    mlp_types.emplace_back(c.layer(i).hash ? "hash_moe" : "moe");
  }
  const double fraction = static_cast<double>(c.qk_rope_head_dim) / static_cast<double>(c.head_dim);
  // Members both field sets share; what follows replaces the official ones of the layers and of RoPE.
  Json j = Json::parse(c.to_json());
  for (const char* official : {"compress_ratios", "num_hash_layers", "compress_rope_theta", "rope_scaling",
                               "torch_dtype", "topk_method"}) {
    j.erase(official);
  }
  if (c.quantised && !c.expert_dtype.empty()) {
    j["quantization_config"]["expert_dtype"] = c.expert_dtype;
    j.erase("expert_dtype");
  }
  if (c.swiglu_limit <= 0) j["swiglu_limit"] = kNoLimit;
  j["layer_types"] = types;
  j["compress_rates"] = {
      {type_name(LayerKind::csa), rate_of(c, LayerKind::csa, 4)},
      {type_name(LayerKind::hca), rate_of(c, LayerKind::hca, 128)},
  };
  j["mlp_layer_types"] = mlp_types;
  j["compress_rope_theta"] = c.compress_rope_theta;
  j["partial_rotary_factor"] = fraction;
  j["rope_parameters"] = rope_parameters(c, fraction);
  j["attention_dropout"] = 0.0;
  j["mlp_bias"] = false;
  j["use_cache"] = true;
  if (!c.dtype.empty()) j["dtype"] = c.dtype;
  return j.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace fathom
