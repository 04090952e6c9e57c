#include "checkpoint/tensor_names.h"

#include <fmt/format.h>

#include <array>
#include <charconv>
#include <unordered_map>

namespace fathom {
namespace {

/// One line of the table of architecture.md section 9. Layer names are without layers.L., model.layers.L.,
/// blk.L. An empty transformers or GGUF name: that naming has none. An empty hybrid name: model. + the
/// official one.
struct Row {
  std::string_view official, transformers, gguf, hybrid = {};
  NameForm transformers_form = NameForm::whole, gguf_form = NameForm::whole;
};

constexpr std::array kGlobalRows{
    Row{"embed.weight", "model.embed_tokens.weight", "token_embd.weight", "model.embed_tokens.weight"},
    Row{"head.weight", "lm_head.weight", "output.weight", "head.weight"},
    Row{"norm.weight", "model.norm.weight", "output_norm.weight"},
    Row{"hc_head_fn", "model.hc_head.hc_fn", "output_hc_fn.weight", "model.hc_head.hc_fn"},
    Row{"hc_head_base", "model.hc_head.hc_base", "output_hc_base.weight", "model.hc_head.hc_base"},
    Row{"hc_head_scale", "model.hc_head.hc_scale", "output_hc_scale.weight", "model.hc_head.hc_scale"},
};

constexpr std::array kLayerRows{
    Row{"attn_norm.weight", "input_layernorm.weight", "attn_norm.weight"},
    Row{"ffn_norm.weight", "post_attention_layernorm.weight", "ffn_norm.weight"},
    Row{"hc_attn_fn", "attn_hc.fn", "hc_attn_fn.weight"},
    Row{"hc_attn_base", "attn_hc.base", "hc_attn_base.weight"},
    Row{"hc_attn_scale", "attn_hc.scale", "hc_attn_scale.weight"},
    Row{"hc_ffn_fn", "ffn_hc.fn", "hc_ffn_fn.weight"},
    Row{"hc_ffn_base", "ffn_hc.base", "hc_ffn_base.weight"},
    Row{"hc_ffn_scale", "ffn_hc.scale", "hc_ffn_scale.weight"},
    Row{"attn.attn_sink", "self_attn.sinks", "attn_sinks.weight"},
    Row{"attn.wq_a.weight", "self_attn.q_a_proj.weight", "attn_q_a.weight"},
    Row{"attn.q_norm.weight", "self_attn.q_a_norm.weight", "attn_q_a_norm.weight"},
    Row{"attn.wq_b.weight", "self_attn.q_b_proj.weight", "attn_q_b.weight"},
    Row{"attn.wkv.weight", "self_attn.kv_proj.weight", "attn_kv.weight"},
    Row{"attn.kv_norm.weight", "self_attn.kv_norm.weight", "attn_kv_a_norm.weight", "attn.norm.weight"},
    Row{"attn.wo_a.weight", "self_attn.o_a_proj.weight", "attn_output_a.weight"},
    Row{"attn.wo_b.weight", "self_attn.o_b_proj.weight", "attn_output_b.weight"},
    Row{"attn.compressor.wkv.weight", "self_attn.compressor.kv_proj.weight", "attn_compressor_kv.weight"},
    Row{"attn.compressor.wgate.weight", "self_attn.compressor.gate_proj.weight",
        "attn_compressor_gate.weight"},
    Row{"attn.compressor.ape", "self_attn.compressor.position_bias", "attn_compressor_ape.weight"},
    Row{"attn.compressor.norm.weight", "self_attn.compressor.kv_norm.weight", "attn_compressor_norm.weight"},
    Row{"attn.indexer.wq_b.weight", "self_attn.compressor.indexer.q_b_proj.weight",
        "indexer.attn_q_b.weight"},
    Row{"attn.indexer.weights_proj.weight", "self_attn.compressor.indexer.scorer.weights_proj.weight",
        "indexer.proj.weight"},
    Row{"attn.indexer.compressor.wkv.weight", "self_attn.compressor.indexer.kv_proj.weight",
        "indexer_compressor_kv.weight"},
    Row{"attn.indexer.compressor.wgate.weight", "self_attn.compressor.indexer.gate_proj.weight",
        "indexer_compressor_gate.weight"},
    Row{"attn.indexer.compressor.ape", "self_attn.compressor.indexer.position_bias",
        "indexer_compressor_ape.weight"},
    Row{"attn.indexer.compressor.norm.weight", "self_attn.compressor.indexer.kv_norm.weight",
        "indexer_compressor_norm.weight"},
    Row{"ffn.gate.weight", "mlp.gate.weight", "ffn_gate_inp.weight"},
    Row{"ffn.gate.bias", "mlp.gate.e_score_correction_bias", "exp_probs_b.bias"},
    Row{"ffn.gate.tid2eid", "mlp.gate.tid2eid", "ffn_gate_tid2eid.weight"},
    Row{"ffn.experts.#.w1.weight",
        "mlp.experts.gate_up_proj",
        "ffn_gate_exps.weight",
        {},
        NameForm::experts_gate_up,
        NameForm::experts_stack},
    Row{"ffn.experts.#.w3.weight",
        "mlp.experts.gate_up_proj",
        "ffn_up_exps.weight",
        {},
        NameForm::experts_gate_up,
        NameForm::experts_stack},
    Row{"ffn.experts.#.w2.weight",
        "mlp.experts.down_proj",
        "ffn_down_exps.weight",
        {},
        NameForm::experts_stack,
        NameForm::experts_stack},
    Row{"ffn.shared_experts.w1.weight", "mlp.shared_experts.gate_proj.weight", "ffn_gate_shexp.weight"},
    Row{"ffn.shared_experts.w3.weight", "mlp.shared_experts.up_proj.weight", "ffn_up_shexp.weight"},
    Row{"ffn.shared_experts.w2.weight", "mlp.shared_experts.down_proj.weight", "ffn_down_shexp.weight"},
};

constexpr std::array kDraftRows{
    Row{"e_proj.weight", {}, "nextn.eh_proj.weight", {}, NameForm::whole, NameForm::columns_e_h},
    Row{"h_proj.weight", {}, "nextn.eh_proj.weight", {}, NameForm::whole, NameForm::columns_e_h},
    Row{"enorm.weight", {}, "nextn.enorm.weight"},
    Row{"hnorm.weight", {}, "nextn.hnorm.weight"},
    Row{"norm.weight", {}, "nextn.shared_head_norm.weight"},
    // Not in llama.cpp's combined file; some forks write them.
    Row{"hc_head_fn", {}, "nextn.hc_head_fn.weight"},
    Row{"hc_head_base", {}, "nextn.hc_head_base.weight"},
    Row{"hc_head_scale", {}, "nextn.hc_head_scale.weight"},
};

constexpr std::array<std::string_view, 5> kDsparkLeaves{
    "main_proj.weight", "main_norm.weight", "markov_head.markov_w1.weight", "markov_head.markov_w2.weight",
    "confidence_head.proj.weight"};

constexpr std::string_view kModel = "model.";

bool consume(std::string_view& text, std::string_view prefix) {
  if (!text.starts_with(prefix)) return false;
  text.remove_prefix(prefix.size());
  return true;
}

std::string replace_first(std::string_view text, std::string_view from, std::string_view to) {
  std::string out(text);
  const size_t at = out.find(from);
  if (at != std::string::npos) out.replace(at, from.size(), to);
  return out;
}

/// Takes "12." off the front. At most 6 digits and no leading zeros, so that a number has one spelling.
std::optional<int64_t> consume_index(std::string_view& text) {
  const size_t dot = text.find('.');
  if (dot == std::string_view::npos || dot == 0 || dot > 6 || (dot > 1 && text[0] == '0'))
    return std::nullopt;
  int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + dot, value);
  if (error != std::errc() || end != text.data() + dot || value < 0) return std::nullopt;
  text.remove_prefix(dot + 1);
  return value;
}

struct Match {
  std::string_view official;
  NameForm form = NameForm::whole;
  Naming naming = Naming::official;
};
using Matches = std::unordered_map<std::string_view, Match>;

std::string_view without_model(std::string_view text) {
  consume(text, kModel);
  return text;
}

/// Official names go in first and stay: a leaf that several namings share counts as the least specific.
template <size_t N>
void add_rows(Matches& out, const std::array<Row, N>& rows) {
  for (const Row& row : rows) out.try_emplace(row.official, Match{row.official});
  for (const Row& row : rows) {
    if (!row.hybrid.empty())
      out.try_emplace(without_model(row.hybrid), Match{row.official, NameForm::whole, Naming::hybrid});
  }
  for (const Row& row : rows) {
    if (row.transformers.empty()) continue;
    out.try_emplace(without_model(row.transformers),
                    Match{row.official, row.transformers_form, Naming::transformers});
  }
}

template <size_t N>
void add_gguf_rows(Matches& out, const std::array<Row, N>& rows) {
  for (const Row& row : rows) out.try_emplace(row.gguf, Match{row.official, row.gguf_form, Naming::gguf});
}

enum class Scope { global, layer, draft };

const Matches& stored_matches(Scope scope) {
  static const auto make = [](auto... rows) {
    Matches out;
    (add_rows(out, rows), ...);
    return out;
  };
  static const Matches global = make(kGlobalRows);
  static const Matches layer = make(kLayerRows);
  static const Matches draft = [] {
    Matches out = make(kLayerRows, kDraftRows);
    for (const std::string_view leaf : kDsparkLeaves) out.try_emplace(leaf, Match{leaf});
    return out;
  }();
  return scope == Scope::global ? global : scope == Scope::layer ? layer : draft;
}

const Matches& gguf_matches(Scope scope) {
  static const auto make = [](auto... rows) {
    Matches out;
    (add_gguf_rows(out, rows), ...);
    return out;
  };
  static const Matches global = make(kGlobalRows);
  static const Matches layer = make(kLayerRows);
  static const Matches draft = [] {
    Matches out = make(kLayerRows, kDraftRows);
    for (const std::string_view leaf : {"hc_head_fn", "hc_head_base", "hc_head_scale"}) {
      for (const Row& row : kDraftRows) {
        if (row.official == leaf) {
          out.try_emplace(row.gguf.substr(0, row.gguf.size() - std::string_view(".weight").size()),
                          Match{leaf});
        }
      }
    }
    return out;
  }();
  return scope == Scope::global ? global : scope == Scope::layer ? layer : draft;
}

/// A leaf whose expert number has been replaced by '#', and that number as it was written.
struct Generic {
  std::string leaf;
  std::string expert;  // empty: none
};

Generic without_expert(std::string_view leaf) {
  for (const std::string_view head : {"ffn.experts.", "mlp.experts."}) {
    std::string_view rest = leaf;
    if (!consume(rest, head)) continue;
    const std::string_view digits = rest;
    if (!consume_index(rest)) break;
    const std::string number(digits.substr(0, digits.size() - rest.size() - 1));
    return {std::string(head) + "#." + std::string(rest), number};
  }
  return {std::string(leaf), {}};
}

std::string to_scale(std::string_view official_weight) {
  return replace_first(official_weight, ".weight", ".scale");
}

/// Looks a leaf up, also as the scale of a weight.
std::optional<std::pair<Match, std::string>> look_up(const Matches& matches, std::string_view leaf) {
  if (const auto found = matches.find(leaf); found != matches.end()) {
    return std::pair(found->second, std::string(found->second.official));
  }
  struct Suffix {
    std::string_view scale, weight;
  };
  constexpr std::array kSuffixes{Suffix{".weight_scale_inv", ".weight"}, Suffix{".scale", ".weight"},
                                 Suffix{"_proj_scale_inv", "_proj"}};
  for (const auto& [scale, weight] : kSuffixes) {
    if (!leaf.ends_with(scale)) continue;
    std::string stem(leaf.substr(0, leaf.size() - scale.size()));
    const auto found = matches.find(stem.append(weight));
    // Norms are vectors: nothing named X_norm.scale is a block scale.
    if (found == matches.end() || !found->second.official.ends_with(".weight") ||
        found->second.official.find("norm") != std::string_view::npos) {
      continue;
    }
    return std::pair(found->second, to_scale(found->second.official));
  }
  return std::nullopt;
}

std::string with_aliases(std::string leaf) {
  if (leaf.starts_with("self_attn.")) leaf.replace(0, 9, "attn");
  if (leaf.starts_with("mlp.")) leaf.replace(0, 3, "ffn");
  return replace_first(leaf, "e_score_correction_bias", "bias");
}

StoredName parse_leaf(const Matches& matches, std::string_view leaf, const std::string& official_prefix,
                      bool model_prefix) {
  const Generic generic = without_expert(leaf);
  auto found = look_up(matches, generic.leaf);
  if (!found) found = look_up(matches, with_aliases(generic.leaf));
  if (!found) return {};
  auto& [match, official] = *found;
  const bool numbered = official.find('#') != std::string::npos;
  // A name with '#' in the file itself, or a numbered fused tensor, is nothing we know.
  if (numbered != (!generic.expert.empty() || match.form != NameForm::whole)) return {};
  if (!generic.expert.empty()) official = replace_first(official, "#", generic.expert);
  const Naming naming = match.naming == Naming::official && model_prefix ? Naming::hybrid : match.naming;
  return {match.form, official_prefix + official, naming};
}

}  // namespace

std::string_view name(Naming naming) {
  switch (naming) {
    case Naming::official:
      return "official";
    case Naming::hybrid:
      return "hybrid";
    case Naming::transformers:
      return "transformers";
    case Naming::gguf:
      return "gguf";
  }
  return "official";
}

StoredName parse_stored_name(std::string_view stored) {
  std::string_view rest = stored;
  const bool model_prefix = consume(rest, kModel);
  if (consume(rest, "layers.")) {
    const auto index = consume_index(rest);
    if (!index) return {};
    return parse_leaf(stored_matches(Scope::layer), rest, fmt::format("layers.{}.", *index), model_prefix);
  }
  if (consume(rest, "mtp.")) {
    if (rest.find("emb") != std::string_view::npos || rest.ends_with("head.weight"))
      return {NameForm::copy, {}, {}};
    const auto index = consume_index(rest);
    if (!index) return {};
    return parse_leaf(stored_matches(Scope::draft), rest, fmt::format("mtp.{}.", *index), model_prefix);
  }
  return parse_leaf(stored_matches(Scope::global), rest, {}, model_prefix);
}

StoredName parse_gguf_name(std::string_view stored, int64_t num_hidden_layers) {
  std::string_view rest = stored;
  Scope scope = Scope::global;
  std::string prefix;
  if (consume(rest, "blk.")) {
    const auto index = consume_index(rest);
    if (!index) return {};
    scope = *index < num_hidden_layers ? Scope::layer : Scope::draft;
    prefix = scope == Scope::layer ? fmt::format("layers.{}.", *index)
                                   : fmt::format("mtp.{}.", *index - num_hidden_layers);
  }
  const auto found = gguf_matches(scope).find(rest);
  if (found == gguf_matches(scope).end()) return {};
  return {found->second.form, prefix + std::string(found->second.official), Naming::gguf};
}

std::optional<std::string> stored_name(std::string_view official, Naming naming, int64_t num_hidden_layers) {
  if (naming == Naming::official) return std::string(official);
  std::string_view rest = official;
  Scope scope = Scope::global;
  int64_t layer = 0;
  for (const auto& [head, which] : {std::pair("layers.", Scope::layer), std::pair("mtp.", Scope::draft)}) {
    if (!consume(rest, head)) continue;
    const auto index = consume_index(rest);
    if (!index) return std::nullopt;
    layer = *index;
    scope = which;
    break;
  }
  if (scope == Scope::draft && naming != Naming::gguf) return std::nullopt;
  const Generic generic = without_expert(rest);
  const Row* row = nullptr;
  bool scale = false;
  const auto search = [&](const auto& rows) {
    for (const Row& r : rows) {
      if (r.official == generic.leaf) row = &r;
      if (row == nullptr && r.official.ends_with(".weight") && to_scale(r.official) == generic.leaf) {
        row = &r;
        scale = true;
      }
      if (row != nullptr) return;
    }
  };
  if (scope == Scope::global) search(kGlobalRows);
  if (scope != Scope::global) search(kLayerRows);
  if (scope == Scope::draft && row == nullptr) search(kDraftRows);
  if (row == nullptr) return std::nullopt;

  if (naming == Naming::gguf) {
    if (scale) return std::nullopt;
    const int64_t block = scope == Scope::draft ? num_hidden_layers + layer : layer;
    return scope == Scope::global ? std::string(row->gguf) : fmt::format("blk.{}.{}", block, row->gguf);
  }
  if (naming == Naming::hybrid) {
    if (scope == Scope::global)
      return std::string(row->hybrid.empty() ? "model." + std::string(official) : row->hybrid);
    return fmt::format("model.layers.{}.{}", layer, row->hybrid.empty() ? rest : row->hybrid);
  }
  std::string leaf(row->transformers);
  if (scale) leaf += "_scale_inv";  // X.weight_scale_inv, experts.gate_up_proj_scale_inv
  return scope == Scope::global ? leaf : fmt::format("model.layers.{}.{}", layer, leaf);
}

std::string expert_name(std::string_view pattern, int64_t expert) {
  return replace_first(pattern, "#", std::to_string(expert));
}

std::vector<std::string> official_leaves(bool draft) {
  std::vector<std::string> out;
  for (const Row& row : kLayerRows) {
    const bool swa = row.official.find("compressor") == std::string_view::npos &&
                     row.official.find("indexer") == std::string_view::npos &&
                     row.official.find("tid2eid") == std::string_view::npos;
    if (!draft || swa) out.emplace_back(row.official);
  }
  if (draft) {
    for (const Row& row : kDraftRows) out.emplace_back(row.official);
  }
  return out;
}

bool is_dspark_only(std::string_view official) {
  if (!consume(official, "mtp.") || !consume_index(official)) return false;
  for (const std::string_view part : {"main_proj.", "main_norm.", "markov_head.", "confidence_head."}) {
    if (official.starts_with(part)) return true;
  }
  return false;
}

}  // namespace fathom
