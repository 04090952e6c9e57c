#include "model/inventory.h"

#include <fmt/format.h>

#include "base/error.h"

namespace fathom {
namespace {

using enum StorageClass;
using enum TensorPart;

int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }

// Builds the list in the order of section 9's table. `prefix` ends in "."; blocks count on into the drafts.
class Lister {
 public:
  explicit Lister(const ModelConfig& config) : c_(config) {}

  void add(std::string tensor, std::vector<int64_t> shape, StorageClass storage, TensorPart part,
           int64_t expert_index = -1) {
    out_.push_back(
        {prefix_ + std::move(tensor), std::move(shape), storage, part, draft_, layer_, expert_index});
  }
  void enter(std::string prefix, int64_t layer, bool draft) {
    prefix_ = std::move(prefix);
    layer_ = layer;
    draft_ = draft;
  }

  void hc_head() {
    const int64_t n = c_.hc_mult;
    add("hc_head_fn", {n, n * c_.hidden_size}, f, hyper_connection);
    add("hc_head_base", {n}, f, hyper_connection);
    add("hc_head_scale", {1}, f, hyper_connection);
  }

  void block(const LayerConfig& layer) {
    add("attn_norm.weight", {c_.hidden_size}, b, norm);
    add("ffn_norm.weight", {c_.hidden_size}, b, norm);
    const int64_t n = c_.hc_mult, rows = (2 + n) * n;
    for (const char* site : {"hc_attn", "hc_ffn"}) {
      add(fmt::format("{}_fn", site), {rows, n * c_.hidden_size}, f, hyper_connection);
      add(fmt::format("{}_base", site), {rows}, f, hyper_connection);
      add(fmt::format("{}_scale", site), {3}, f, hyper_connection);
    }
    attention_part(layer);
    experts_part(layer);
  }

  std::vector<TensorInfo> take() { return std::move(out_); }

 private:
  void attention_part(const LayerConfig& layer) {
    const int64_t heads = c_.num_attention_heads * c_.head_dim, hidden = c_.hidden_size;
    const int64_t o = c_.o_groups * c_.o_lora_rank;
    add("attn.attn_sink", {c_.num_attention_heads}, f, attention);
    add("attn.wq_a.weight", {c_.q_lora_rank, hidden}, q8, attention);
    add("attn.q_norm.weight", {c_.q_lora_rank}, b, norm);
    add("attn.wq_b.weight", {heads, c_.q_lora_rank}, q8, attention);
    add("attn.wkv.weight", {c_.head_dim, hidden}, q8, attention);
    add("attn.kv_norm.weight", {c_.head_dim}, b, norm);
    add("attn.wo_a.weight", {o, heads / c_.o_groups}, q8, attention);
    add("attn.wo_b.weight", {hidden, o}, q8, attention);
    if (layer.kind == LayerKind::swa) return;
    compressor_part("attn.compressor.", layer.overlap() * c_.head_dim, c_.head_dim, layer.ratio, compressor);
    if (layer.kind != LayerKind::csa) return;
    add("attn.indexer.wq_b.weight", {c_.index_n_heads * c_.index_head_dim, c_.q_lora_rank}, q8, indexer);
    add("attn.indexer.weights_proj.weight", {c_.index_n_heads, hidden}, b, indexer);
    compressor_part("attn.indexer.compressor.", 2 * c_.index_head_dim, c_.index_head_dim, layer.ratio,
                    indexer);
  }

  void compressor_part(const std::string& name, int64_t channels, int64_t dim, int64_t ratio,
                       TensorPart part) {
    add(name + "wkv.weight", {channels, c_.hidden_size}, b, part);
    add(name + "wgate.weight", {channels, c_.hidden_size}, b, part);
    add(name + "ape", {ratio, channels}, f, part);
    add(name + "norm.weight", {dim}, b, part);
  }

  void experts_part(const LayerConfig& layer) {
    const int64_t hidden = c_.hidden_size, inter = c_.moe_intermediate_size;
    add("ffn.gate.weight", {c_.n_routed_experts, hidden}, b, router);
    if (layer.hash) {
      add("ffn.gate.tid2eid", {c_.vocab_size, c_.num_experts_per_tok}, i64, hash_table);
    } else {
      add("ffn.gate.bias", {c_.n_routed_experts}, f, router);
    }
    const StorageClass storage = c_.expert_dtype == "fp4" ? q4 : q8;
    for (int64_t e = 0; e < c_.n_routed_experts; ++e) {
      add(fmt::format("ffn.experts.{}.w1.weight", e), {inter, hidden}, storage, experts, e);
      add(fmt::format("ffn.experts.{}.w3.weight", e), {inter, hidden}, storage, experts, e);
      add(fmt::format("ffn.experts.{}.w2.weight", e), {hidden, inter}, storage, experts, e);
    }
    add("ffn.shared_experts.w1.weight", {inter, hidden}, q8, shared_expert);
    add("ffn.shared_experts.w3.weight", {inter, hidden}, q8, shared_expert);
    add("ffn.shared_experts.w2.weight", {hidden, inter}, q8, shared_expert);
  }

  const ModelConfig& c_;
  std::vector<TensorInfo> out_;
  std::string prefix_;
  int64_t layer_ = -1;
  bool draft_ = false;
};

// A DSpark drafter: stages that are blocks, the input projection on the first, the heads on the last.
void list_dspark(Lister& list, const ModelConfig& c) {
  const int64_t hidden = c.hidden_size, rank = c.dspark_markov_rank;
  for (int64_t stage = 0; stage < c.dspark_stages; ++stage) {
    const int64_t index = c.num_hidden_layers + stage;
    list.enter(fmt::format("mtp.{}.", stage), index, true);
    list.block(c.layer(index));
    if (stage == 0) {
      list.add("main_proj.weight", {hidden, std::ssize(c.dspark_target_layer_ids) * hidden}, q8, draft_head);
      list.add("main_norm.weight", {hidden}, b, draft_head);
    }
    if (stage == c.dspark_stages - 1) {
      list.add("norm.weight", {hidden}, b, draft_head);
      list.hc_head();
      list.add("markov_head.markov_w1.weight", {c.vocab_size, rank}, b, draft_head);
      list.add("markov_head.markov_w2.weight", {c.vocab_size, rank}, b, draft_head);
      list.add("confidence_head.proj.weight", {1, hidden + rank}, b, draft_head);
    }
  }
}

void list_mtp(Lister& list, const ModelConfig& c, bool copies) {
  const int64_t hidden = c.hidden_size;
  for (int64_t k = 0; k < c.num_nextn_predict_layers; ++k) {
    const int64_t index = c.num_hidden_layers + k;
    list.enter(fmt::format("mtp.{}.", k), index, true);
    list.block(c.layer(index));
    list.add("e_proj.weight", {hidden, hidden}, q8, draft_head);
    list.add("h_proj.weight", {hidden, hidden}, q8, draft_head);
    list.add("enorm.weight", {hidden}, b, draft_head);
    list.add("hnorm.weight", {hidden}, b, draft_head);
    list.add("norm.weight", {hidden}, b, draft_head);
    list.hc_head();
    if (copies) {
      list.add("emb.tok_emb.weight", {c.vocab_size, hidden}, b, embedding);
      list.add("head.weight", {c.vocab_size, hidden}, b, head);
    }
  }
}

}  // namespace

std::string_view name(TensorPart part) {
  switch (part) {
    case embedding:
      return "embedding";
    case head:
      return "head";
    case norm:
      return "norm";
    case hyper_connection:
      return "hyper_connection";
    case attention:
      return "attention";
    case compressor:
      return "compressor";
    case indexer:
      return "indexer";
    case router:
      return "router";
    case hash_table:
      return "hash_table";
    case experts:
      return "experts";
    case shared_expert:
      return "shared_expert";
    case draft_head:
      return "draft_head";
  }
  return "?";
}

int64_t TensorInfo::values() const {
  int64_t product = 1;
  for (const int64_t side : shape) product *= side;
  return product;
}

std::vector<TensorInfo> inventory(const ModelConfig& config, const InventoryOptions& options) {
  Lister list(config);
  list.add("embed.weight", {config.vocab_size, config.hidden_size}, b, embedding);
  list.add("head.weight", {config.vocab_size, config.hidden_size}, b, head);
  list.add("norm.weight", {config.hidden_size}, b, norm);
  list.hc_head();
  for (int64_t i = 0; i < config.num_hidden_layers; ++i) {
    list.enter(fmt::format("layers.{}.", i), i, false);
    list.block(config.layer(i));
  }
  if (options.draft_layers) {
    if (config.dspark_block_size > 0) {
      list_dspark(list, config);
    } else {
      list_mtp(list, config, options.mtp_copies);
    }
  }
  return list.take();
}

std::optional<WeightFormat> weight_format_from_name(std::string_view name) {
  if (name == "f32") return WeightFormat::f32;
  if (name == "f16") return WeightFormat::f16;
  if (name == "bf16") return WeightFormat::bf16;
  if (name == "fp8") return WeightFormat::fp8;
  if (name == "release") return WeightFormat::release;
  return std::nullopt;
}

WeightFormat usual_format(const ModelConfig& config) {
  if (config.quantised) return WeightFormat::release;
  if (config.dtype == "float32") return WeightFormat::f32;
  if (config.dtype == "float16") return WeightFormat::f16;
  return WeightFormat::bf16;
}

std::vector<StoredTensor> stored(const TensorInfo& tensor, WeightFormat format) {
  const auto plain = [&](DType dtype) {
    return std::vector<StoredTensor>{
        {tensor.name, dtype, tensor.shape, tensor.values() * block_bytes(dtype)}};
  };
  if (tensor.storage == i64) return plain(DType::I64);
  if (tensor.storage == f || format == WeightFormat::f32) return plain(DType::F32);
  if (format == WeightFormat::f16) return plain(DType::F16);
  if (tensor.storage == b || format == WeightFormat::bf16) return plain(DType::BF16);

  const int64_t rows = tensor.shape[0], cols = tensor.shape[1];
  const std::string scale_name = tensor.name.substr(0, tensor.name.rfind(".weight")) + ".scale";
  if (tensor.storage == q8 || format == WeightFormat::fp8) {
    const std::vector<int64_t> grid = {ceil_div(rows, 128), ceil_div(cols, 128)};
    return {{tensor.name, DType::F8_E4M3, tensor.shape, rows * cols},
            {scale_name, DType::F8_E8M0, grid, grid[0] * grid[1]}};
  }
  if (cols % 32 != 0) {
    bad_input("tensor {}: expected columns in multiples of 32 for FP4, found {}", tensor.name, cols);
  }
  return {{tensor.name, DType::F4_E2M1, {rows, cols / 2}, rows * cols / 2},
          {scale_name, DType::F8_E8M0, {rows, cols / 32}, rows * cols / 32}};
}

}  // namespace fathom
