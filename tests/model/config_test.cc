// Reading config.json: the published configurations, every golden config, and what is refused, by name.
#include "model/config.h"

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "base/error.h"
#include "model/config_keys.h"

namespace fathom {
namespace {

using nlohmann::json;
namespace fs = std::filesystem;

std::string read_text(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  std::stringstream text;
  text << in.rdbuf();
  return text.str();
}

const fs::path kGolden = fs::path(FATHOM_SOURCE_DIR) / "tests/golden";

ModelConfig golden(const std::string& folder) {
  return ModelConfig::parse(read_text(kGolden / folder / "config.json"));
}

// The message of the Error that reading `text` throws.
std::string refusal(const std::string& text) {
  try {
    ModelConfig::parse(text);
  } catch (const Error& error) {
    CHECK((error.code() == ErrorCode::bad_input || error.code() == ErrorCode::unsupported));
    CHECK(error.message().find('\n') == std::string::npos);
    CHECK(error.message().size() < 300);
    return error.message();
  }
  return "accepted";
}

// A small valid config that cases then spoil.
json small() {
  return json::parse(R"({
    "model_type": "deepseek_v4", "vocab_size": 160, "hidden_size": 64, "num_hidden_layers": 3,
    "num_attention_heads": 4, "num_key_value_heads": 1, "head_dim": 32, "qk_rope_head_dim": 16, "q_lora_rank": 32,
    "o_groups": 2, "o_lora_rank": 16, "n_routed_experts": 8, "n_shared_experts": 1, "num_experts_per_tok": 2,
    "moe_intermediate_size": 20, "num_hash_layers": 1, "routed_scaling_factor": 1.5,
    "scoring_func": "sqrtsoftplus", "swiglu_limit": 10.0, "sliding_window": 16, "index_n_heads": 8,
    "index_head_dim": 16, "index_topk": 8, "compress_ratios": [0, 4, 16, 0], "rope_theta": 10000,
    "compress_rope_theta": 160000,
    "rope_scaling": {"type": "yarn", "factor": 16, "beta_fast": 32, "beta_slow": 1,
                     "original_max_position_embeddings": 65536},
    "hc_mult": 4, "hc_sinkhorn_iters": 20, "hc_eps": 1e-6, "num_nextn_predict_layers": 1,
    "max_position_embeddings": 1048576, "bos_token_id": 0, "eos_token_id": 1, "rms_norm_eps": 1e-6,
    "quantization_config": {"quant_method": "fp8", "fmt": "e4m3", "weight_block_size": [128, 128],
                            "scale_fmt": "ue8m0", "activation_scheme": "dynamic"}})");
}

std::vector<LayerConfig> layers_of(const std::vector<std::pair<LayerKind, int64_t>>& list, int64_t hash) {
  std::vector<LayerConfig> out;
  for (const auto& [kind, ratio] : list)
    out.push_back({kind, ratio, static_cast<int64_t>(out.size()) < hash});
  return out;
}

constexpr auto kSwa = LayerKind::swa;
constexpr auto kCsa = LayerKind::csa;
constexpr auto kHca = LayerKind::hca;

}  // namespace

TEST_CASE("every golden config is read and written back") {
  int count = 0;
  for (const auto& entry : fs::recursive_directory_iterator(kGolden)) {
    if (entry.path().filename() != "config.json") continue;
    CAPTURE(entry.path().string());
    const ModelConfig config = ModelConfig::parse(read_text(entry.path()));
    CHECK(std::ssize(config.layers) == config.num_hidden_layers);
    CHECK(ModelConfig::parse(config.to_json()) == config);
    ++count;
  }
  CHECK(count >= 13);
}

TEST_CASE("layers and fields of golden configs") {
  CHECK(golden("fp32/d_mix").layers ==
        layers_of({{kSwa, 0}, {kSwa, 0}, {kCsa, 4}, {kHca, 16}, {kCsa, 4}, {kHca, 16}}, 3));
  CHECK(golden("fp32/g_pro").layers == layers_of({{kHca, 128}, {kHca, 128}, {kCsa, 4}, {kHca, 128}}, 3));
  // layer_types makes a ratio of 6 CSA; the ratio alone would say HCA.
  CHECK(golden("fp32/i_csa_m6").layers == layers_of({{kCsa, 6}, {kSwa, 0}, {kCsa, 6}}, 0));
  CHECK_FALSE(golden("fp32/b_csa").rope_scaling.has_value());
  CHECK(golden("fp32/e_yarn").rope_scaling == YarnConfig{8, 32, 1, 512});
  const ModelConfig base = golden("quantised/fp8base");
  CHECK(base.quantised);
  CHECK(base.scale_format == ScaleFormat::ue8m0);
  CHECK(base.expert_dtype.empty());
  CHECK(golden("quantised/wide").expert_dtype == "fp4");
  CHECK(golden("trained").num_nextn_predict_layers == 1);
}

TEST_CASE("transformers and hybrid configs mean the same as the official ones") {
  for (const auto& [official, other] : {std::pair{"fp32/h_mtp", "fp32/h_mtp/hf"},
                                        {"fp32/i_csa_m6", "fp32/i_csa_m6/hf"},
                                        {"fp32/i_csa_m6", "fp32/i_csa_m6/hf_default"}}) {
    CAPTURE(other);
    CHECK(golden(other) == golden(official));
  }
}

TEST_CASE("every spelling of a config has known keys; others are named") {
  for (const char* folder : {"fp32/h_mtp", "fp32/h_mtp/hf", "fp32/i_csa_m6/hf", "fp32/i_csa_m6/hf_default"}) {
    CAPTURE(folder);
    CHECK_NOTHROW(refuse_unknown_config_keys(read_text(kGolden / folder / "config.json")));
  }
  for (const std::string_view preset : preset_names()) {
    CAPTURE(preset);
    CHECK_NOTHROW(refuse_unknown_config_keys(ModelConfig::preset(preset).to_json()));
  }
  const std::pair<const char*, const char*> cases[] = {
      {R"({"hiden_size": 4})", "hiden_size: expected a key of a DeepSeek-V4 config, found an unknown one"},
      {R"({"rope_scaling": {"beta": 4}})", "rope_scaling.beta: expected"},
      {R"({"rope_parameters": {"main": {"theta": 4}}})", "rope_parameters.main.theta: expected"},
      {R"({"compress_rates": {"csa": 4}})", "compress_rates.csa: expected"},
      {R"({"quantization_config": {"bits": 4}})", "quantization_config.bits: expected"},
      {"[]", "expected an object"}};
  for (const auto& [text, expected] : cases) {
    CAPTURE(text);
    CHECK_THROWS_WITH_AS(refuse_unknown_config_keys(text), doctest::Contains(expected), Error);
  }
}

TEST_CASE("presets") {
  for (const std::string_view preset : preset_names()) {
    CAPTURE(preset);
    const ModelConfig config = ModelConfig::preset(preset);
    CHECK(ModelConfig::parse(config.to_json()) == config);
  }
  const ModelConfig flash = ModelConfig::preset("v4-flash");
  CHECK(flash.layer(0) == LayerConfig{kSwa, 0, true});
  CHECK(flash.layer(1) == LayerConfig{kSwa, 0, true});
  CHECK(flash.layer(2) == LayerConfig{kCsa, 4, true});
  CHECK(flash.layer(3) == LayerConfig{kHca, 128, false});
  CHECK(flash.layer(42) == LayerConfig{kCsa, 4, false});
  CHECK(flash.layer(43) == LayerConfig{kSwa, 0, false});
  CHECK(json::parse(flash.to_json())["compress_ratios"].size() == 44);
  const ModelConfig pro = ModelConfig::preset("v4-pro-0813");
  CHECK(pro.layer(0).kind == kHca);
  CHECK(pro.layer(60) == LayerConfig{kCsa, 4, false});
  CHECK(pro.dspark_target_layer_ids == std::vector<int64_t>{58, 59, 60});
  CHECK(json::parse(pro.to_json())["compress_ratios"].size() == 64);
  CHECK(json::parse(ModelConfig::preset("v4-flash-0731").to_json())["compress_ratios"].size() == 46);
  CHECK_THROWS_WITH_AS(
      ModelConfig::preset("v5"),
      "preset: expected one of v4-flash, v4-flash-base, v4-flash-0731, v4-pro, v4-pro-0813, found "
      "\"v5\"",
      Error);
}

TEST_CASE("spellings that are accepted") {
  const ModelConfig expected = ModelConfig::parse(small().dump());
  const auto check = [&](const char* what, auto&& change) {
    CAPTURE(what);
    json config = small();
    change(config);
    CHECK(ModelConfig::parse(config.dump()) == expected);
  };
  check("a missing draft entry", [](json& c) { c["compress_ratios"] = {0, 4, 16}; });
  check("integral floats", [](json& c) { c["vocab_size"] = 160.0; });
  check("unknown keys", [](json& c) { c["engram"] = {{"tables", 3}}; });
  check("norm_topk_prob is not read", [](json& c) { c["norm_topk_prob"] = false; });
  check("absent switches", [](json& c) {
    for (const char* key : {"model_type", "n_shared_experts", "num_key_value_heads", "scoring_func"})
      c.erase(key);
  });
  check("rope_type", [](json& c) {
    c["rope_scaling"].erase("type");
    c["rope_scaling"]["rope_type"] = "yarn";
  });
  check("a list of end tokens", [](json& c) { c["eos_token_id"] = {1}; });
  check("mlp_layer_types", [](json& c) {
    c.erase("num_hash_layers");
    c["mlp_layer_types"] = {"hash_moe", "moe", "moe"};
  });
  check("layer_types beside the ratios", [](json& c) {
    c["layer_types"] = {"sliding_attention", "compressed_sparse_attention", "heavily_compressed_attention"};
    c["compress_rates"] = {{"heavily_compressed_attention", 16}};
  });
  check("r as a fraction of the head", [](json& c) {
    c.erase("qk_rope_head_dim");
    c["partial_rotary_factor"] = 0.5;
  });

  json config = small();
  config["swiglu_limit"] = nullptr;
  CHECK(ModelConfig::parse(config.dump()).swiglu_limit <= 0);
  config["swiglu_limit"] = -1;
  CHECK(ModelConfig::parse(config.dump()).swiglu_limit <= 0);
  config["rope_scaling"] = nullptr;
  CHECK_FALSE(ModelConfig::parse(config.dump()).rope_scaling.has_value());
  config["quantization_config"]["expert_dtype"] = "fp4";
  CHECK(ModelConfig::parse(config.dump()).expert_dtype == "fp4");
  config["quantization_config"]["scale_fmt"] = nullptr;
  CHECK(ModelConfig::parse(config.dump()).scale_format == ScaleFormat::f32);
  config["dtype"] = "float32";
  config["torch_dtype"] = "bfloat16";
  CHECK(ModelConfig::parse(config.dump()).dtype == "float32");
  // transformers' default rates, and hash layers that are not the first ones
  config.erase("compress_ratios");
  config["layer_types"] = {"sliding_attention", "compressed_sparse_attention",
                           "heavily_compressed_attention"};
  config.erase("num_hash_layers");
  config["mlp_layer_types"] = {"moe", "moe", "hash_moe"};
  const ModelConfig other = ModelConfig::parse(config.dump());
  CHECK(other.layers == std::vector<LayerConfig>{{kSwa, 0, false}, {kCsa, 4, false}, {kHca, 128, true}});
  CHECK(other.num_hash_layers == 0);
  CHECK(ModelConfig::parse(other.to_json()) == other);
  // No CSA layer: no indexer fields are needed.
  config["layer_types"] = {"sliding_attention", "sliding_attention", "heavily_compressed_attention"};
  for (const char* key : {"index_n_heads", "index_head_dim", "index_topk"}) config.erase(key);
  CHECK(refusal(config.dump()) == "accepted");
}

TEST_CASE("what is refused, by name") {
  struct Case {
    const char* patch;    // JSON merge patch (null would erase: see below)
    const char* message;  // whole message
  };
  const Case cases[] = {
      {R"({"model_type": "llama"})", "model_type: expected deepseek_v4, found \"llama\""},
      {R"({"scoring_func": "softmax"})", "scoring_func: expected sqrtsoftplus, found \"softmax\""},
      {R"({"n_shared_experts": 2})", "n_shared_experts: expected 1, found 2"},
      {R"({"num_key_value_heads": 8})", "num_key_value_heads: expected 1, found 8"},
      {R"({"attention_bias": true})", "attention_bias: expected false, found true"},
      {R"({"tie_word_embeddings": true})", "tie_word_embeddings: expected false, found true"},
      {R"({"hidden_act": "gelu"})", "hidden_act: expected silu, found \"gelu\""},
      {R"({"compress_ratios": null})", "compress_ratios: expected this field or layer_types, found neither"},
      {R"({"compress_ratios": [0, 1, 16]})", "compress_ratios[1]: expected 0 or at least 2, found 1"},
      {R"({"compress_ratios": [0, 4]})",
       "compress_ratios: expected an entry for each of the 3 layers, found a list of 2"},
      {R"({"compress_ratios": [0, 4, 16, 4]})", "compress_ratios[3]: expected 0 for a draft layer, found 4"},
      {R"({"compress_ratios": [0, -4, 16]})",
       "compress_ratios[1]: expected an integer from 0 to 1048576, found -4"},
      {R"({"compress_ratios": 4})", "compress_ratios: expected a list of at most 67, found 4"},
      {R"({"layer_types": ["sliding_attention", "full_attention", "sliding_attention"]})",
       "layer_types[1]: expected sliding_attention, compressed_sparse_attention or "
       "heavily_compressed_attention, "
       "found \"full_attention\""},
      {R"({"layer_types": ["sliding_attention", "sliding_attention", "heavily_compressed_attention"]})",
       "compress_ratios[1]: expected a ratio that fits layer_types (sliding_attention), found 4"},
      {R"({"layer_types": ["compressed_sparse_attention", "compressed_sparse_attention",
           "heavily_compressed_attention"]})",
       "compress_ratios[0]: expected a ratio that fits layer_types (compressed_sparse_attention), found 0"},
      {R"({"compress_rates": {"compressed_sparse_attention": 8}})",
       "compress_ratios[1]: expected 8 as in compress_rates.compressed_sparse_attention, found 4"},
      {R"({"mlp_layer_types": ["moe", "moe", "moe"]})",
       "mlp_layer_types[0]: expected hash_moe as num_hash_layers 1 says, found \"moe\""},
      {R"({"mlp_layer_types": ["hash_moe", "dense", "moe"]})",
       "mlp_layer_types[1]: expected hash_moe or moe, found \"dense\""},
      {R"({"rope_scaling": {"type": "linear"}})",
       "rope_scaling.type: expected yarn or default, found \"linear\""},
      {R"({"rope_scaling": {"factor": "16"}})",
       "rope_scaling.factor: expected a number from 1 to 1000000, found \"16\""},
      {R"({"rope_scaling": {"original_max_position_embeddings": 0}})",
       "rope_scaling.original_max_position_embeddings: expected an integer from 1 to 2147483647, found 0"},
      {R"({"rope_scaling": {"beta_slow": 64}})",
       "rope_scaling.beta_slow: expected at most beta_fast 32, found 64"},
      {R"({"rope_parameters": {"rope_type": "yarn"}})",
       "rope_parameters: expected main and compress, found neither"},
      {R"({"rope_parameters": {"main": {"rope_type": "default", "rope_theta": 500}}})",
       "rope_theta: expected 500 as in rope_parameters.main.rope_theta, found 10000"},
      {R"({"rope_parameters": {"compress": {"rope_type": "default", "rope_theta": 160000}}})",
       "rope_scaling: expected what rope_parameters.compress says, found other values"},
      {R"({"rope_theta": 1})", "rope_theta: expected a number from 1.0001 to 1000000000000, found 1"},
      {R"({"rope_theta": null})", "rope_theta: expected a value, found nothing"},
      {R"({"swiglu_limit": null})", "swiglu_limit: expected a value, found nothing"},
      {R"({"quantization_config": {"quant_method": "awq"}})",
       "quantization_config.quant_method: expected fp8, found \"awq\""},
      {R"({"quantization_config": {"weight_block_size": [128, 64]}})",
       "quantization_config.weight_block_size[1]: expected 128, found 64"},
      {R"({"quantization_config": {"scale_fmt": "e5m2"}})",
       "quantization_config.scale_fmt: expected ue8m0, found \"e5m2\""},
      {R"({"expert_dtype": "int4"})", "expert_dtype: expected fp4 or fp8, found \"int4\""},
      {R"({"expert_dtype": "fp4", "quantization_config": {"expert_dtype": "fp8"}})",
       "quantization_config.expert_dtype: expected fp4 as at the top level, found \"fp8\""},
      {R"({"qk_rope_head_dim": 15})", "qk_rope_head_dim: expected an even number, found 15"},
      {R"({"qk_rope_head_dim": 32})", "qk_rope_head_dim: expected less than head_dim 32, found 32"},
      {R"({"index_head_dim": 8})", "index_head_dim: expected at least qk_rope_head_dim 16, found 8"},
      {R"({"o_groups": 3})", "o_groups: expected a divisor of num_attention_heads * head_dim = 128, found 3"},
      {R"({"num_experts_per_tok": 9})", "num_experts_per_tok: expected at most n_routed_experts 8, found 9"},
      {R"({"bos_token_id": 160})", "bos_token_id: expected an id below vocab_size 160, found 160"},
      {R"({"eos_token_id": [1, 999]})", "eos_token_id: expected an id below vocab_size 160, found 999"},
      {R"({"dspark_block_size": 5})", "dspark_markov_rank: expected a value, found nothing"},
      {R"({"dspark_block_size": 5, "dspark_markov_rank": 8, "dspark_noise_token_id": 159,
           "dspark_target_layer_ids": [1, 2, 3]})",
       "dspark_target_layer_ids: expected layers below num_hidden_layers 3, found 3"},
      {R"({"hidden_size": 0})", "hidden_size: expected an integer from 1 to 1048576, found 0"},
      {R"({"hidden_size": 64.5})", "hidden_size: expected an integer from 1 to 1048576, found 64.5"},
      {R"({"hidden_size": true})", "hidden_size: expected an integer from 1 to 1048576, found true"},
      {R"({"hidden_size": {"a": 1}})", "hidden_size: expected an integer from 1 to 1048576, found an object"},
      {R"({"hidden_size": 1e300})", "hidden_size: expected an integer from 1 to 1048576, found 1e+300"},
      {R"({"hidden_size": 18446744073709551615})",
       "hidden_size: expected an integer from 1 to 1048576, found 18446744073709551615"},
      {R"({"num_hidden_layers": 4097})", "num_hidden_layers: expected an integer from 1 to 4096, found 4097"},
      {R"({"num_nextn_predict_layers": 2})",
       "num_nextn_predict_layers: expected an integer from 0 to 1, found 2"},
      {R"({"hc_eps": -1})", "hc_eps: expected a number from 1e-30 to 1, found -1"},
      {R"({"model_type": "a\u001bb\n"})", "model_type: expected deepseek_v4, found \"a\\x1bb\\x0a\""},
      {R"({"n_routed_experts": 65536, "num_hidden_layers": 4, "compress_ratios": [0, 4, 16, 0]})",
       "n_routed_experts: expected at most 262144 routed experts over all layers, found 327680"},
  };
  for (const Case& each : cases) {
    CAPTURE(each.patch);
    json config = small();
    config.merge_patch(json::parse(each.patch));
    CHECK(refusal(config.dump()) == each.message);
  }
  // Every field is in range alone; together they would overflow 64-bit sizes.
  json huge = small();
  for (const char* key : {"hidden_size", "q_lora_rank", "o_lora_rank", "moe_intermediate_size"})
    huge[key] = 1 << 20;
  for (const char* key : {"num_attention_heads", "head_dim", "n_routed_experts"}) huge[key] = 1 << 16;
  CHECK(refusal(huge.dump()) == "config: expected at most 1e+15 parameters, found about 9.0e+17");
}

TEST_CASE("every field that the model cannot do without is asked for by name") {
  for (const char* key : {"vocab_size",
                          "hidden_size",
                          "num_hidden_layers",
                          "num_attention_heads",
                          "head_dim",
                          "qk_rope_head_dim",
                          "q_lora_rank",
                          "o_groups",
                          "o_lora_rank",
                          "n_routed_experts",
                          "num_experts_per_tok",
                          "moe_intermediate_size",
                          "routed_scaling_factor",
                          "swiglu_limit",
                          "sliding_window",
                          "index_n_heads",
                          "index_head_dim",
                          "index_topk",
                          "rope_theta",
                          "compress_rope_theta",
                          "hc_mult",
                          "hc_sinkhorn_iters",
                          "max_position_embeddings"}) {
    CAPTURE(key);
    json config = small();
    config.erase(key);
    CHECK(refusal(config.dump()) == fmt::format("{}: expected a value, found nothing", key));
  }
}

TEST_CASE("texts that are not a config") {
  const std::string valid = small().dump();
  CHECK(refusal("") == "JSON: expected a valid document, found an error at byte 1 of 0");
  CHECK(refusal("[]") == "document: expected an object, found a list of 0");
  CHECK(refusal("null") == "document: expected an object, found null");
  CHECK(refusal(valid + "x").starts_with("JSON: expected a valid document"));
  CHECK(refusal("{\"hc_eps\": NaN}").starts_with("JSON: expected a valid document"));
  CHECK(refusal("{\"hc_eps\": 1e999}") ==
        "JSON: expected numbers within double precision, found one that overflows");
  CHECK(refusal("{\"a\": \"\xff\"}").starts_with("JSON: expected a valid document"));
  const std::string deep(100000, '[');
  CHECK(refusal(deep) == "JSON: expected at most 64 levels, found more");
  CHECK(refusal("{\"a\": " + deep) == "JSON: expected at most 64 levels, found more");
  CHECK(refusal(std::string((16 << 20) + 1, ' ')) == "JSON: expected at most 16777216 bytes, found 16777217");
  for (size_t cut = 0; cut < valid.size(); ++cut) CHECK(refusal(valid.substr(0, cut)) != "accepted");
}

TEST_CASE("another architecture is refused, and so is a field that stands twice") {
  json config = small();
  config["architectures"] = {"DeepseekV4ForCausalLM"};
  CHECK(refusal(config.dump()) == "accepted");
  config["architectures"] = {"DeepseekV3ForCausalLM"};
  CHECK(refusal(config.dump()) ==
        "architectures: expected [\"DeepseekV4ForCausalLM\"], found [\"DeepseekV3ForCausalLM\"]");
  config["architectures"] = "DeepseekV4ForCausalLM";  // a list in every config there is
  CHECK(refusal(config.dump()).starts_with("architectures: expected ["));

  const std::string text = small().dump();
  CHECK(refusal("{\"hidden_size\": 64," + text.substr(1)) == "hidden_size: expected once, found twice");
  const std::string scaling = "\"rope_scaling\":{";
  std::string inner = text;
  inner.insert(inner.find(scaling) + scaling.size(), "\"factor\":16,");
  CHECK(refusal(inner) == "factor: expected once, found twice");
}

}  // namespace fathom
