#pragma once
/// The parameters of the model, declared once. P is a WeightView, a gradient, an optimizer state or a
/// description; for_each_param() walks them under their official names. Source: architecture.md section 9.

#include <fmt/core.h>

#include <string>
#include <vector>

#include "model/config.h"

namespace fathom {

/// One expert (or the shared one). Section 6.
template <class P>
struct ExpertParams {
  P w1;  ///< gate [inter, D]
  P w3;  ///< up   [inter, D]
  P w2;  ///< down [D, inter]
};

/// Mixing weights of one hyper-connection, or of the head's collapse. Section 2.
template <class P>
struct HcParams {
  P fn;     ///< [(2+n)n, n*D]; head: [n, n*D]
  P base;   ///< [(2+n)n]; head: [n]
  P scale;  ///< [3]; head: [1]
};

/// Compressor of a CSA or HCA layer, or of the indexer. Section 4.
template <class P>
struct CompressorParams {
  P wkv;    ///< [c*d, D]
  P wgate;  ///< [c*d, D]
  P ape;    ///< [m, c*d]
  P norm;   ///< [d]
};

/// Lightning indexer of a CSA layer. Section 5.
template <class P>
struct IndexerParams {
  P wq_b;          ///< [hI*dI, q]
  P weights_proj;  ///< [hI, D]
  CompressorParams<P> compressor;
};

/// Section 3.
template <class P>
struct AttentionParams {
  P sink;                          ///< [H]
  P wq_a;                          ///< [q, D]
  P q_norm;                        ///< [q]
  P wq_b;                          ///< [H*d, q]
  P wkv;                           ///< [d, D]
  P kv_norm;                       ///< [d]
  P wo_a;                          ///< [G*o, H*d/G]
  P wo_b;                          ///< [D, G*o]
  CompressorParams<P> compressor;  ///< CSA, HCA
  IndexerParams<P> indexer;        ///< CSA
};

/// Section 6.
template <class P>
struct MoeParams {
  P gate;     ///< [E, D]
  P bias;     ///< [E], learned layers
  P tid2eid;  ///< [V, k] int32, hash layers
  std::vector<ExpertParams<P>> experts;
  ExpertParams<P> shared;
};

template <class P>
struct BlockParams {
  HcParams<P> hc_attn;
  P attn_norm;  ///< [D]
  AttentionParams<P> attn;
  HcParams<P> hc_ffn;
  P ffn_norm;  ///< [D]
  MoeParams<P> ffn;
};

/// Collapse of the streams and the norm before the output head.
template <class P>
struct HeadParams {
  HcParams<P> hc;
  P norm;  ///< [D]
};

/// Multi-token prediction block. Section 8.
template <class P>
struct MtpParams {
  P e_proj;  ///< [D, D]
  P h_proj;  ///< [D, D]
  P enorm;   ///< [D]
  P hnorm;   ///< [D]
  BlockParams<P> block;
  HeadParams<P> head;
};

template <class P>
struct ModelParams {
  P embed;  ///< [V, D]
  std::vector<BlockParams<P>> layers;
  HeadParams<P> head;
  P lm_head;  ///< [V, D]
  std::vector<MtpParams<P>> mtp;
};

/// What the model needs to know of a parameter to load it.
enum class ParamClass : uint8_t {
  matrix,  ///< stays as it lies in the file, read through a kernel
  vector,  ///< small, copied to fp32 at load (norms, sinks, mHC, ape, bias)
  table,   ///< tid2eid
};

/// A visitor is called as f(name, class, rows, cols, p...) for every parameter the config says is there; the
/// p are the same field of each structure. Vectors have rows 1 (ape and fn: their matrix shape).
template <class F, class... B>
void for_each_block_param(const ModelConfig& c, int64_t layer, const std::string& prefix, F&& f, B&... b) {
  const LayerConfig kind = c.layer(layer);
  const int64_t D = c.hidden_size, d = c.head_dim, n = c.hc_mult, H = c.num_attention_heads;
  const int64_t inter = c.moe_intermediate_size;
  using enum ParamClass;
  const auto hc = [&](const std::string& name, auto&... p) {
    f(prefix + name + "_fn", vector, (2 + n) * n, n * D, p.fn...);
    f(prefix + name + "_base", vector, int64_t{1}, (2 + n) * n, p.base...);
    f(prefix + name + "_scale", vector, int64_t{1}, int64_t{3}, p.scale...);
  };
  const auto compressor = [&](const std::string& name, int64_t dim, auto&... p) {
    const int64_t width = kind.overlap() * dim;
    f(name + "wkv.weight", matrix, width, D, p.wkv...);
    f(name + "wgate.weight", matrix, width, D, p.wgate...);
    f(name + "ape", vector, kind.ratio, width, p.ape...);
    f(name + "norm.weight", vector, int64_t{1}, dim, p.norm...);
  };
  const auto expert = [&](const std::string& name, auto&... p) {
    f(name + "w1.weight", matrix, inter, D, p.w1...);
    f(name + "w2.weight", matrix, D, inter, p.w2...);
    f(name + "w3.weight", matrix, inter, D, p.w3...);
  };

  hc("hc_attn", b.hc_attn...);
  f(prefix + "attn_norm.weight", vector, int64_t{1}, D, b.attn_norm...);
  const std::string attn = prefix + "attn.";
  f(attn + "attn_sink", vector, int64_t{1}, H, b.attn.sink...);
  f(attn + "wq_a.weight", matrix, c.q_lora_rank, D, b.attn.wq_a...);
  f(attn + "q_norm.weight", vector, int64_t{1}, c.q_lora_rank, b.attn.q_norm...);
  f(attn + "wq_b.weight", matrix, H * d, c.q_lora_rank, b.attn.wq_b...);
  f(attn + "wkv.weight", matrix, d, D, b.attn.wkv...);
  f(attn + "kv_norm.weight", vector, int64_t{1}, d, b.attn.kv_norm...);
  f(attn + "wo_a.weight", matrix, c.o_groups * c.o_lora_rank, H * d / c.o_groups, b.attn.wo_a...);
  f(attn + "wo_b.weight", matrix, D, c.o_groups * c.o_lora_rank, b.attn.wo_b...);
  if (kind.kind != LayerKind::swa) compressor(attn + "compressor.", d, b.attn.compressor...);
  if (kind.kind == LayerKind::csa) {
    f(attn + "indexer.wq_b.weight", matrix, c.index_n_heads * c.index_head_dim, c.q_lora_rank,
      b.attn.indexer.wq_b...);
    f(attn + "indexer.weights_proj.weight", matrix, c.index_n_heads, D, b.attn.indexer.weights_proj...);
    compressor(attn + "indexer.compressor.", c.index_head_dim, b.attn.indexer.compressor...);
  }

  hc("hc_ffn", b.hc_ffn...);
  f(prefix + "ffn_norm.weight", vector, int64_t{1}, D, b.ffn_norm...);
  const std::string ffn = prefix + "ffn.";
  f(ffn + "gate.weight", matrix, c.n_routed_experts, D, b.ffn.gate...);
  if (kind.hash) {
    f(ffn + "gate.tid2eid", table, c.vocab_size, c.num_experts_per_tok, b.ffn.tid2eid...);
  } else {
    f(ffn + "gate.bias", vector, int64_t{1}, c.n_routed_experts, b.ffn.bias...);
  }
  (b.ffn.experts.resize(static_cast<size_t>(c.n_routed_experts)), ...);
  for (size_t e = 0; e < static_cast<size_t>(c.n_routed_experts); ++e) {
    expert(fmt::format("{}experts.{}.", ffn, e), b.ffn.experts[e]...);
  }
  expert(ffn + "shared_experts.", b.ffn.shared...);
}

template <class F, class... H>
void for_each_head_param(const ModelConfig& c, const std::string& prefix, F&& f, H&... h) {
  const int64_t n = c.hc_mult;
  using enum ParamClass;
  f(prefix + "hc_head_fn", vector, n, n * c.hidden_size, h.hc.fn...);
  f(prefix + "hc_head_base", vector, int64_t{1}, n, h.hc.base...);
  f(prefix + "hc_head_scale", vector, int64_t{1}, int64_t{1}, h.hc.scale...);
  f(prefix + "norm.weight", vector, int64_t{1}, c.hidden_size, h.norm...);
}

/// Walks one or several ModelParams side by side; sizes their vectors by the config. `mtp_blocks` is how many
/// MTP blocks there are.
template <class F, class... M>
void for_each_param(const ModelConfig& c, int64_t mtp_blocks, F&& f, M&... m) {
  using enum ParamClass;
  const int64_t D = c.hidden_size;
  f(std::string("embed.weight"), matrix, c.vocab_size, D, m.embed...);
  (m.layers.resize(static_cast<size_t>(c.num_hidden_layers)), ...);
  for (int64_t i = 0; i < c.num_hidden_layers; ++i) {
    for_each_block_param(c, i, fmt::format("layers.{}.", i), f, m.layers[static_cast<size_t>(i)]...);
  }
  for_each_head_param(c, "", f, m.head...);
  f(std::string("head.weight"), matrix, c.vocab_size, D, m.lm_head...);
  (m.mtp.resize(static_cast<size_t>(mtp_blocks)), ...);
  for (int64_t i = 0; i < mtp_blocks; ++i) {
    const std::string prefix = fmt::format("mtp.{}.", i);
    const auto visit = [&](auto&... p) {
      f(prefix + "e_proj.weight", matrix, D, D, p.e_proj...);
      f(prefix + "h_proj.weight", matrix, D, D, p.h_proj...);
      f(prefix + "enorm.weight", vector, int64_t{1}, D, p.enorm...);
      f(prefix + "hnorm.weight", vector, int64_t{1}, D, p.hnorm...);
      for_each_block_param(c, c.num_hidden_layers + i, prefix, f, p.block...);
      for_each_head_param(c, prefix, f, p.head...);
    };
    visit(m.mtp[static_cast<size_t>(i)]...);
  }
}

}  // namespace fathom
