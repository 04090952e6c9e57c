// An inspection as text and as JSON.
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "engine/inspect.h"

namespace fathom {
namespace {

using Json = nlohmann::ordered_json;

std::string layers_text(const ModelConfig& c) {
  // Runs of equal layers: "2 swa, 3 csa 4, ..." would be long for alternating ones, so count by kind.
  std::map<std::string, int64_t> counts;
  int64_t hash = 0;
  for (const LayerConfig& layer : c.layers) {
    ++counts[layer.ratio == 0 ? std::string(name(layer.kind))
                              : fmt::format("{} {}", name(layer.kind), layer.ratio)];
    hash += layer.hash;
  }
  std::string out = fmt::format("{} layers:", c.num_hidden_layers);
  for (const auto& [kind, count] : counts) out += fmt::format(" {} x {},", count, kind);
  return out + fmt::format(" {} with hash routing", hash);
}

std::string config_text(const ModelConfig& c) {
  std::string out = layers_text(c) + "\n";
  out += fmt::format("hidden {}, {} streams, vocabulary {}, context {}, window {}\n", c.hidden_size,
                     c.hc_mult, c.vocab_size, c.max_position_embeddings, c.sliding_window);
  out += fmt::format("{} heads of {} ({} rotary), query rank {}, output {} x {}\n", c.num_attention_heads,
                     c.head_dim, c.qk_rope_head_dim, c.q_lora_rank, c.o_groups, c.o_lora_rank);
  if (c.index_topk > 0)
    out += fmt::format("indexer {} heads of {}, top {}\n", c.index_n_heads, c.index_head_dim, c.index_topk);
  out += fmt::format("{} experts of {}, {} for each token and 1 shared\n", c.n_routed_experts,
                     c.moe_intermediate_size, c.num_experts_per_tok);
  if (c.quantised) {
    out += fmt::format("quantised: FP8 128x128, scales {}, experts {}\n",
                       c.scale_format == ScaleFormat::ue8m0 ? "UE8M0" : "F32",
                       c.expert_dtype.empty() ? "fp8" : c.expert_dtype);
  }
  return out;
}

std::string counts_text(const std::map<std::string, TensorCount>& counts) {
  std::string out;
  for (const auto& [what, count] : counts) {
    out += fmt::format("  {:<20} {:>8} tensors {:>18} bytes\n", what, count.tensors, count.bytes);
  }
  return out;
}

std::string list_text(std::string_view what, const std::vector<std::string>& names) {
  constexpr size_t kMostShown = 20;
  if (names.empty()) return {};
  std::string out = fmt::format("{} {}:\n", names.size(), what);
  for (size_t i = 0; i < std::min(names.size(), kMostShown); ++i) out += "  " + printable(names[i]) + "\n";
  if (names.size() > kMostShown) out += fmt::format("  and {} more\n", names.size() - kMostShown);
  return out;
}

std::string scales_text(const Inspection& i) {
  if (i.scale_tensors == 0) return "scales: none\n";
  const std::string what = fmt::format("scales: {} tensors, {} bytes", i.scale_tensors, i.scale_bytes);
  switch (i.scales) {
    case ScaleCheck::good:
      return what + ", all finite\n";
    case ScaleCheck::broken:
      return what + ", broken: " + i.scale_error + "\n";
    case ScaleCheck::skipped:
      break;
  }
  return what + ", not checked (--check reads them all)\n";
}

std::string shape_text(const std::vector<int64_t>& shape) {
  std::string out = "[";
  for (size_t i = 0; i < shape.size(); ++i) out += (i == 0 ? "" : ", ") + std::to_string(shape[i]);
  return out + "]";
}

Json counts_json(const std::map<std::string, TensorCount>& counts) {
  Json out = Json::object();
  for (const auto& [what, count] : counts) out[what] = {{"tensors", count.tensors}, {"bytes", count.bytes}};
  return out;
}

}  // namespace

std::string inspection_text(const Inspection& i, bool tensors) {
  std::string out = fmt::format("{} ({} names)\n", printable(i.path, 400), i.naming) + config_text(i.config);
  const bool billions = i.parameters >= 1'000'000'000;
  out +=
      fmt::format("{} tensors, {} bytes, {:.2f} {} parameters in the main model, {} MTP block{}\n",
                  i.total.tensors, i.total.bytes, static_cast<double>(i.parameters) / (billions ? 1e9 : 1e6),
                  billions ? "B" : "M", i.mtp_blocks, i.mtp_blocks == 1 ? "" : "s");
  out += "by dtype\n" + counts_text(i.dtypes) + "by part\n" + counts_text(i.parts);
  if (i.dspark) {
    out += fmt::format("DSpark drafter: {} stages, {} tensors, {} bytes, not used\n", i.dspark->stages,
                       i.dspark->tensors, i.dspark->bytes);
  }
  out += scales_text(i);
  out += list_text("tensors are missing", i.missing) + list_text("names are unknown", i.unknown);
  for (const std::string& note : i.notes) out += "note: " + note + "\n";
  if (!tensors) return out;
  for (const InspectedTensor& t : i.tensors) {
    out += fmt::format("{:<52} {:<8} {:<20} {:>14}{}\n", t.name, name(t.dtype), shape_text(t.shape), t.bytes,
                       t.used ? "" : " not used");
  }
  return out;
}

std::string inspection_json(const Inspection& i) {
  Json out;
  out["path"] = i.path;
  out["naming"] = i.naming;
  out["config"] = Json::parse(i.config.to_json());
  out["tensors"] = i.total.tensors;
  out["bytes"] = i.total.bytes;
  out["parameters"] = i.parameters;
  out["mtp_blocks"] = i.mtp_blocks;
  out["by_dtype"] = counts_json(i.dtypes);
  out["by_part"] = counts_json(i.parts);
  if (i.dspark) {
    out["dspark"] = {
        {"stages", i.dspark->stages}, {"tensors", i.dspark->tensors}, {"bytes", i.dspark->bytes}};
  } else {
    out["dspark"] = nullptr;
  }
  out["scales"] = {{"tensors", i.scale_tensors},
                   {"bytes", i.scale_bytes},
                   {"state", i.scales == ScaleCheck::good     ? "good"
                             : i.scales == ScaleCheck::broken ? "broken"
                                                              : "skipped"}};
  if (!i.scale_error.empty()) out["scales"]["error"] = i.scale_error;
  out["missing"] = i.missing;
  out["unknown"] = i.unknown;
  out["notes"] = i.notes;
  Json& list = out["list"] = Json::array();
  for (const InspectedTensor& t : i.tensors) {
    list.push_back({{"name", t.name},
                    {"dtype", name(t.dtype)},
                    {"shape", t.shape},
                    {"bytes", t.bytes},
                    {"used", t.used}});
  }
  return out.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace fathom
