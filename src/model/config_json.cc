// config.json -> ModelConfig: the rules for reading a config of architecture.md section 1.
#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/json_reader.h"
#include "kernels/hyper_connection.h"
#include "model/config.h"
#include "model/config_layers.h"

namespace fathom {
namespace {

constexpr int64_t kMaxDim = int64_t{1} << 20;    // hidden sizes, ranks, windows, ratios
constexpr int64_t kMaxHeads = int64_t{1} << 16;  // heads, head dimensions, groups, experts
constexpr int64_t kMaxVocab = int64_t{1} << 24;
constexpr int64_t kMaxPosition = (int64_t{1} << 31) - 1;
constexpr double kTinyEps = 1e-30;
constexpr double kMaxTheta = 1e12;
constexpr int64_t kDefaultCsaRate = 4, kDefaultHcaRate = 128;  // transformers' compress_rates

LayerKind kind_of_type(const JsonField& field) {
  const std::string text = field.text();
  for (const LayerKind kind : {LayerKind::swa, LayerKind::csa, LayerKind::hca}) {
    if (text == type_name(kind)) return kind;
  }
  field.refuse(fmt::format("{}, {} or {}", type_name(LayerKind::swa), type_name(LayerKind::csa),
                           type_name(LayerKind::hca)));
}

int64_t integer_or(const JsonField& root, const char* key, int64_t low, int64_t high, int64_t absent) {
  const auto field = root.find(key);
  return field ? field->integer(low, high) : absent;
}

// Of a name that stands twice, readers take the first or the last: not one model.
void refuse_repeated_keys(std::string_view text) {
  std::vector<std::set<std::string>> open;
  const auto check = [&](int, nlohmann::json::parse_event_t event, const nlohmann::json& value) {
    using Event = nlohmann::json::parse_event_t;
    if (event == Event::object_start) open.emplace_back();
    if (event == Event::object_end) open.pop_back();
    if (event == Event::key && !open.back().insert(value.get<std::string>()).second)
      bad_input("{}: expected once, found twice", printable(value.get<std::string>(), 60));
    return true;
  };
  FATHOM_CHECK(nlohmann::json::parse(text.begin(), text.end(), check).is_object());
}

void refuse_other_architectures(const JsonField& root) {
  const auto field = root.find("architectures");
  if (!field) return;
  constexpr const char* kOurs = "DeepseekV4ForCausalLM";
  const auto& list = field->json();
  if (!list.is_array() || std::find(list.begin(), list.end(), kOurs) == list.end()) {
    fail(ErrorCode::unsupported, "architectures: expected [\"{}\"], found {}", kOurs,
         printable(list.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace), 60));
  }
}

// Switches that this model has in one position only.
void refuse_what_is_not_v4(const JsonField& root) {
  const auto only = [&](const char* key, const char* expected) {
    if (const auto field = root.find(key); field && field->text() != expected) {
      fail(ErrorCode::unsupported, "{}: expected {}, found \"{}\"", key, expected,
           printable(field->text(), 60));
    }
  };
  const auto never = [&](const char* key) {
    if (const auto field = root.find(key); field && field->boolean()) {
      fail(ErrorCode::unsupported, "{}: expected false, found true", key);
    }
  };
  const auto one = [&](const char* key) {
    const int64_t value = integer_or(root, key, 0, kMaxDim, 1);
    if (value != 1) fail(ErrorCode::unsupported, "{}: expected 1, found {}", key, value);
  };
  only("model_type", "deepseek_v4");
  refuse_other_architectures(root);
  only("scoring_func", "sqrtsoftplus");
  only("hidden_act", "silu");
  one("n_shared_experts");
  one("num_key_value_heads");
  never("attention_bias");
  never("mlp_bias");
  never("tie_word_embeddings");
}

void read_sizes(const JsonField& root, ModelConfig& c) {
  c.vocab_size = root.at("vocab_size").integer(1, kMaxVocab);
  c.hidden_size = root.at("hidden_size").integer(1, kMaxDim);
  c.num_hidden_layers = root.at("num_hidden_layers").integer(1, kMaxLayers);
  c.num_attention_heads = root.at("num_attention_heads").integer(1, kMaxHeads);
  c.head_dim = root.at("head_dim").integer(1, kMaxHeads);
  c.q_lora_rank = root.at("q_lora_rank").integer(1, kMaxDim);
  c.o_groups = root.at("o_groups").integer(1, kMaxHeads);
  c.o_lora_rank = root.at("o_lora_rank").integer(1, kMaxDim);
  c.n_routed_experts = root.at("n_routed_experts").integer(1, kMaxHeads);
  c.num_experts_per_tok = root.at("num_experts_per_tok").integer(1, kMaxHeads);
  c.moe_intermediate_size = root.at("moe_intermediate_size").integer(1, kMaxDim);
  c.routed_scaling_factor = root.at("routed_scaling_factor").number(kTinyEps, 1e6);
  c.sliding_window = root.at("sliding_window").integer(1, kMaxDim);
  c.hc_mult = root.at("hc_mult").integer(1, kMaxStreams);
  c.hc_sinkhorn_iters = root.at("hc_sinkhorn_iters").integer(1, 1000);
  c.num_nextn_predict_layers = integer_or(root, "num_nextn_predict_layers", 0, 1, 0);
  c.max_position_embeddings = root.at("max_position_embeddings").integer(1, kMaxPosition);
  if (const auto field = root.find("hc_eps")) c.hc_eps = field->number(kTinyEps, 1);
  if (const auto field = root.find("rms_norm_eps")) c.rms_norm_eps = field->number(kTinyEps, 1);
  // null is the spelling of "no clamp"; a missing field would leave the model's meaning open.
  if (!root.json().contains("swiglu_limit")) root.at("swiglu_limit");
  if (const auto field = root.find("swiglu_limit")) c.swiglu_limit = field->number(-1e9, 1e9);
}

// Layer kinds and ratios, from layer_types, compress_ratios, compress_rates or a consistent mix of them.
void read_layers(const JsonField& root, ModelConfig& c) {
  const auto types = root.find("layer_types");
  const auto ratios = root.find("compress_ratios");
  const auto rates = root.find("compress_rates");
  if (!types && !ratios) bad_input("compress_ratios: expected this field or layer_types, found neither");
  const auto count = static_cast<size_t>(c.num_hidden_layers);
  const auto list = [&](const JsonField& field) {
    auto elements = field.elements(count + static_cast<size_t>(kMaxDraftLayers));
    if (elements.size() < count) field.refuse(fmt::format("an entry for each of the {} layers", count));
    return elements;
  };
  std::vector<int64_t> given;
  if (ratios) {
    for (const JsonField& entry : list(*ratios)) {
      const int64_t ratio = entry.integer(0, kMaxDim);
      if (ratio == 1) bad_input("{}: expected 0 or at least 2, found 1", entry.path());
      if (given.size() >= count && ratio != 0) {
        bad_input("{}: expected 0 for a draft layer, found {}", entry.path(), ratio);
      }
      given.push_back(ratio);
    }
    if (given.size() > count) c.dspark_stages = static_cast<int64_t>(given.size() - count);
  }
  std::vector<LayerKind> kinds;
  if (types) {
    for (const JsonField& entry : list(*types)) {
      const LayerKind kind = kind_of_type(entry);
      if (kinds.size() >= count && kind != LayerKind::swa)
        entry.refuse(std::string(type_name(LayerKind::swa)) + " for a draft layer");
      kinds.push_back(kind);
    }
  }
  const auto rate_of = [&](LayerKind kind) -> std::optional<int64_t> {
    const auto field = rates ? rates->find(type_name(kind)) : std::nullopt;
    return field ? std::optional(field->integer(2, kMaxDim)) : std::nullopt;
  };
  for (size_t i = 0; i < count; ++i) {
    LayerConfig layer;
    layer.kind = types ? kinds[i] : kind_of_ratio(given[i]);
    if (ratios) layer.ratio = given[i];
    if (ratios && (layer.kind == LayerKind::swa) != (layer.ratio == 0)) {
      bad_input("compress_ratios[{}]: expected a ratio that fits layer_types ({}), found {}", i,
                type_name(layer.kind), layer.ratio);
    }
    if (layer.kind != LayerKind::swa) {
      const auto rate = rate_of(layer.kind);
      if (ratios && rate && *rate != layer.ratio) {
        bad_input("compress_ratios[{}]: expected {} as in compress_rates.{}, found {}", i, *rate,
                  type_name(layer.kind), layer.ratio);
      }
      if (!ratios) {
        layer.ratio = rate.value_or(layer.kind == LayerKind::csa ? kDefaultCsaRate : kDefaultHcaRate);
      }
    }
    c.layers.push_back(layer);
  }
  const bool has_csa =
      std::any_of(c.layers.begin(), c.layers.end(), [](const auto& l) { return l.kind == LayerKind::csa; });
  const auto index = [&](const char* key, int64_t high) {
    return has_csa ? root.at(key).integer(1, high) : integer_or(root, key, 0, high, 0);
  };
  c.index_n_heads = index("index_n_heads", kMaxHeads);
  c.index_head_dim = index("index_head_dim", kMaxHeads);
  c.index_topk = index("index_topk", kMaxVocab);
}

void read_hash_layers(const JsonField& root, ModelConfig& c) {
  const auto number = root.find("num_hash_layers");
  const auto types = root.find("mlp_layer_types");
  if (number) {
    c.num_hash_layers = number->integer(0, kMaxLayers + kMaxDraftLayers);
    for (int64_t i = 0; i < c.num_hidden_layers; ++i) {
      c.layers[static_cast<size_t>(i)].hash = i < c.num_hash_layers;
    }
  }
  if (!types) return;
  const auto entries = types->elements(c.layers.size() + static_cast<size_t>(kMaxDraftLayers));
  if (entries.size() < c.layers.size()) {
    types->refuse(fmt::format("an entry for each of the {} layers", c.layers.size()));
  }
  for (size_t i = 0; i < c.layers.size(); ++i) {
    const std::string text = entries[i].text();
    if (text != "hash_moe" && text != "moe") entries[i].refuse("hash_moe or moe");
    const bool hash = text == "hash_moe";
    if (number && hash != c.layers[i].hash) {
      entries[i].refuse(fmt::format("{} as num_hash_layers {} says", c.layers[i].hash ? "hash_moe" : "moe",
                                    c.num_hash_layers));
    }
    c.layers[i].hash = hash;
  }
  if (!number) {  // the leading run; layers after a gap keep their own flag
    const auto first = std::find_if(c.layers.begin(), c.layers.end(), [](const auto& l) { return !l.hash; });
    c.num_hash_layers = first - c.layers.begin();
  }
}

// A scaling object: yarn, or nothing ("default").
std::optional<YarnConfig> read_scaling(const JsonField& object) {
  auto type = object.find("rope_type");
  if (!type) type = object.find("type");
  if (!type) bad_input("{}.type: expected yarn or default, found nothing", object.path());
  if (type->text() == "default") return std::nullopt;
  if (type->text() != "yarn") {
    fail(ErrorCode::unsupported, "{}: expected yarn or default, found \"{}\"", type->path(),
         printable(type->text(), 60));
  }
  YarnConfig yarn;
  yarn.factor = object.at("factor").number(1, 1e6);
  if (const auto field = object.find("beta_fast")) yarn.beta_fast = field->number(1e-6, 1e6);
  if (const auto field = object.find("beta_slow")) yarn.beta_slow = field->number(1e-6, 1e6);
  if (yarn.beta_slow > yarn.beta_fast) {
    bad_input("{}.beta_slow: expected at most beta_fast {}, found {}", object.path(), yarn.beta_fast,
              yarn.beta_slow);
  }
  yarn.original_max_position_embeddings =
      object.at("original_max_position_embeddings").integer(1, kMaxPosition);
  if (const auto field = object.find("attention_factor"); field && field->number(-1e9, 1e9) != 1) {
    fail(ErrorCode::unsupported, "{}: expected 1, found {}", field->path(), field->number(-1e9, 1e9));
  }
  return yarn;
}

double read_theta(const JsonField& root, const char* key, const std::optional<JsonField>& group) {
  const auto top = root.find(key);
  const auto inner = group ? group->find("rope_theta") : std::nullopt;
  const JsonField field = inner ? *inner : top ? *top : root.at(key);  // at() refuses what is missing
  constexpr double kMinTheta = 1.0001;                                 // YaRN divides by its logarithm
  const double theta = field.number(kMinTheta, kMaxTheta);
  if (top && inner && top->number(kMinTheta, kMaxTheta) != theta) {
    top->refuse(fmt::format("{} as in {}", theta, inner->path()));
  }
  return theta;
}

void read_rope(const JsonField& root, ModelConfig& c) {
  const auto parameters = root.find("rope_parameters");
  const auto main = parameters ? parameters->find("main") : std::nullopt;
  const auto compress = parameters ? parameters->find("compress") : std::nullopt;
  if (parameters && !main && !compress) {
    bad_input("rope_parameters: expected main and compress, found neither");
  }
  c.rope_theta = read_theta(root, "rope_theta", main);
  c.compress_rope_theta = read_theta(root, "compress_rope_theta", compress);
  const auto scaling = root.find("rope_scaling");
  if (scaling) c.rope_scaling = read_scaling(*scaling);
  if (compress) {
    const auto yarn = read_scaling(*compress);
    if (scaling && yarn != c.rope_scaling) {
      bad_input("rope_scaling: expected what rope_parameters.compress says, found other values");
    }
    c.rope_scaling = yarn;
  }
  if (main && read_scaling(*main)) {
    fail(ErrorCode::unsupported, "rope_parameters.main: expected no scaling (sliding layers), found yarn");
  }
  if (const auto field = root.find("qk_rope_head_dim")) {
    c.qk_rope_head_dim = field->integer(2, kMaxHeads);
    return;
  }
  const auto inner = main ? main->find("partial_rotary_factor") : std::nullopt;
  const auto outer = root.find("partial_rotary_factor");
  const JsonField factor = inner ? *inner : outer ? *outer : root.at("qk_rope_head_dim");
  c.qk_rope_head_dim = static_cast<int64_t>(static_cast<double>(c.head_dim) * factor.number(0, 1));
  if (c.qk_rope_head_dim < 2) factor.refuse("a fraction of head_dim that leaves at least 2");
}

void read_quantisation(const JsonField& root, ModelConfig& c) {
  const auto only = [](const JsonField& object, const char* key, std::string_view expected) {
    if (const auto field = object.find(key); field && field->text() != expected) {
      fail(ErrorCode::unsupported, "{}: expected {}, found \"{}\"", field->path(), expected,
           printable(field->text(), 60));
    }
  };
  const auto read_expert_dtype = [&](const JsonField& object) {
    const auto field = object.find("expert_dtype");
    if (!field) return;
    const std::string text = field->text();
    if (text != "fp4" && text != "fp8") field->refuse("fp4 or fp8");
    if (!c.expert_dtype.empty() && c.expert_dtype != text)
      field->refuse(c.expert_dtype + " as at the top level");
    c.expert_dtype = text;
  };
  read_expert_dtype(root);
  if (const auto q = root.find("quantization_config")) {
    c.quantised = true;
    q->at("quant_method");
    only(*q, "quant_method", "fp8");
    only(*q, "fmt", "e4m3");
    only(*q, "activation_scheme", "dynamic");
    only(*q, "scale_fmt", "ue8m0");
    c.scale_format = q->find("scale_fmt") ? ScaleFormat::ue8m0 : ScaleFormat::f32;
    if (const auto block = q->find("weight_block_size")) {
      const auto sides = block->elements(2);
      if (sides.size() != 2) block->refuse("[128, 128]");
      for (const JsonField& side : sides) {
        if (side.integer(1, kMaxDim) != 128)
          fail(ErrorCode::unsupported, "{}: expected 128, found {}", side.path(), side.integer(1, kMaxDim));
      }
    }
    read_expert_dtype(*q);
  }
  if (const auto field = root.find("dtype")) {
    c.dtype = field->text();
  } else if (const auto older = root.find("torch_dtype")) {
    c.dtype = older->text();
  }
}

void read_ids(const JsonField& root, ModelConfig& c) {
  const auto id = [](const JsonField& field) { return static_cast<int32_t>(field.integer(0, kMaxVocab)); };
  if (const auto field = root.find("bos_token_id")) c.bos_token_id = id(*field);
  c.eos_token_ids = {1};
  if (const auto field = root.find("eos_token_id")) {
    c.eos_token_ids.clear();
    if (field->is_array()) {
      for (const JsonField& each : field->elements(64)) c.eos_token_ids.push_back(id(each));
    } else {
      c.eos_token_ids.push_back(id(*field));
    }
  }
}

void read_dspark(const JsonField& root, ModelConfig& c) {
  const auto block = root.find("dspark_block_size");
  if (!block) {
    c.dspark_stages = 0;
    return;
  }
  c.dspark_block_size = block->integer(1, 1024);
  c.dspark_markov_rank = root.at("dspark_markov_rank").integer(1, kMaxHeads);
  c.dspark_noise_token_id = static_cast<int32_t>(root.at("dspark_noise_token_id").integer(0, kMaxVocab));
  const JsonField targets = root.at("dspark_target_layer_ids");
  for (const JsonField& each : targets.elements(64)) {
    c.dspark_target_layer_ids.push_back(each.integer(0, kMaxLayers));
  }
  if (c.dspark_target_layer_ids.empty()) targets.refuse("at least one layer");
  if (c.dspark_stages == 0) c.dspark_stages = 3;  // as published; no field names the number
}

}  // namespace

ModelConfig ModelConfig::parse(std::string_view json_text) {
  const nlohmann::json document = parse_json(json_text);
  const JsonField root(document, "");
  if (!root.is_object()) root.refuse("an object");
  refuse_repeated_keys(json_text);
  refuse_what_is_not_v4(root);
  ModelConfig c;
  read_sizes(root, c);
  read_layers(root, c);
  read_hash_layers(root, c);
  read_rope(root, c);
  read_quantisation(root, c);
  read_ids(root, c);
  read_dspark(root, c);
  c.validate();
  return c;
}

}  // namespace fathom
