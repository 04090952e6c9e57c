#include "engine/cost.h"

#include <algorithm>

namespace fathom {
namespace {

// A row or entry as deployed: d - r values in FP8 with a scale byte per 64 (padded to 8 bytes), r in bf16.
int64_t entry_bytes(const ModelConfig& c) {
  const int64_t quantised = c.head_dim - c.qk_rope_head_dim;
  const int64_t scales = (quantised + 63) / 64;
  return quantised + 2 * c.qk_rope_head_dim + (scales + 7) / 8 * 8;
}

// An indexer key: FP4 with a scale byte per 32.
int64_t index_bytes(const ModelConfig& c) {
  return (c.index_head_dim + 1) / 2 + (c.index_head_dim + 31) / 32;
}

AttentionCost attention_of(const ModelConfig& c, const LayerConfig& layer) {
  AttentionCost a;
  a.count = 1;
  a.kind = name(layer.kind);
  a.window = c.sliding_window;
  a.ratio = layer.ratio;
  a.flops_per_entry =
      2.0 * 2.0 * static_cast<double>(c.num_attention_heads) * static_cast<double>(c.head_dim);
  a.entry_bytes = entry_bytes(c);
  if (layer.kind == LayerKind::csa) {
    a.top_k = c.index_topk;
    a.index_flops = 2.0 * static_cast<double>(c.index_n_heads) * static_cast<double>(c.index_head_dim);
    a.index_bytes = index_bytes(c);
  }
  return a;
}

int64_t sum_of(const std::map<DType, int64_t>& bytes) {
  int64_t sum = 0;
  for (const auto& each : bytes) sum += each.second;
  return sum;
}

}  // namespace

int64_t AttentionCost::entries_read(int64_t context) const {
  const int64_t kept = entries_kept(context);
  return window_rows(context) + (top_k > 0 ? std::min(kept, top_k) : kept);
}

int64_t CostModel::total_parameters() const {
  int64_t sum = 0;
  for (const PartCount& part : parts) sum += part.total;
  return sum;
}

int64_t CostModel::active_parameters() const {
  int64_t sum = 0;
  for (const PartCount& part : parts) sum += part.active;
  return sum;
}

int64_t CostModel::bytes() const { return sum_of(bytes_by_dtype); }
int64_t CostModel::draft_bytes() const { return sum_of(draft_bytes_by_dtype); }

TokenFlops CostModel::flops(int64_t context) const {
  TokenFlops f;
  f.index_weight = index_weight;
  f.linear = 2.0 * static_cast<double>(active_parameters());
  for (const AttentionCost& a : attention) {
    const auto layers = static_cast<double>(a.count);
    f.attention += layers * a.flops_per_entry * static_cast<double>(a.entries_read(context));
    f.indexer += layers * a.index_flops * static_cast<double>(a.entries_kept(context));
  }
  return f;
}

int64_t CostModel::kv_bytes(int64_t context) const {
  int64_t sum = 0;
  for (const AttentionCost& a : attention) {
    const int64_t kept = a.entries_kept(context);
    sum += a.count * ((a.window_rows(context) + kept) * a.entry_bytes + kept * a.index_bytes);
  }
  return sum;
}

int64_t CostModel::kv_bytes_read(int64_t context) const {
  int64_t sum = 0;
  for (const AttentionCost& a : attention) {
    sum += a.count * (a.entries_read(context) * a.entry_bytes + a.entries_kept(context) * a.index_bytes);
  }
  return sum;
}

CostModel cost_of(const ModelConfig& config, std::string name, WeightFormat format) {
  return cost_of(config, std::move(name), [&](const TensorInfo& tensor) { return stored(tensor, format); });
}

CostModel cost_of(const ModelConfig& config, std::string name,
                  const std::function<std::vector<StoredTensor>(const TensorInfo&)>& storage_of) {
  CostModel model;
  model.name = std::move(name);
  model.index_weight = 0.5;  // FP4
  const auto part_of = [&](TensorPart part) -> PartCount& {
    const std::string_view wanted = fathom::name(part);
    for (PartCount& each : model.parts) {
      if (each.part == wanted) return each;
    }
    return model.parts.emplace_back(PartCount{std::string(wanted), 0, 0});
  };
  for (const TensorInfo& tensor : inventory(config)) {
    int64_t bytes = 0;
    for (const StoredTensor& each : storage_of(tensor)) {
      (tensor.draft ? model.draft_bytes_by_dtype : model.bytes_by_dtype)[each.dtype] += each.bytes;
      bytes += each.bytes;
    }
    const bool one_block = config.dspark_block_size == 0;  // a DSpark drafter is no part of training
    if (tensor.draft && one_block && tensor.part != TensorPart::hash_table &&
        tensor.expert < config.num_experts_per_tok) {
      model.draft_active += tensor.values();
    }
    if (tensor.draft) continue;
    // A token meets k of the E routed experts: all are of one size, so the first k stand for the chosen ones.
    const bool active = tensor.part != TensorPart::embedding && tensor.part != TensorPart::hash_table &&
                        tensor.expert < config.num_experts_per_tok;
    if (active) model.active_bytes += bytes;
    if (tensor.part == TensorPart::hash_table) continue;
    PartCount& part = part_of(tensor.part);
    part.total += tensor.values();
    if (active) part.active += tensor.values();
  }
  if (model.draft_active > 0) model.draft_active += config.vocab_size * config.hidden_size;
  for (const LayerConfig& layer : config.layers) {
    const AttentionCost a = attention_of(config, layer);
    const auto same =
        std::find_if(model.attention.begin(), model.attention.end(),
                     [&](const AttentionCost& b) { return a.kind == b.kind && a.ratio == b.ratio; });
    if (same == model.attention.end()) {
      model.attention.push_back(a);
    } else {
      ++same->count;
    }
  }
  return model;
}

TokenTime token_time(const CostModel& model, int64_t context, const MachineSpeed& machine) {
  TokenTime time;
  const auto bytes =
      static_cast<double>(model.active_bytes) + static_cast<double>(model.kv_bytes_read(context));
  if (machine.bandwidth > 0) time.memory_seconds = bytes / machine.bandwidth;
  if (machine.peak > 0) time.compute_seconds = model.flops(context).plain() / machine.peak;
  return time;
}

double cost_per_million(double seconds_per_token, double price_per_hour) {
  return seconds_per_token * 1e6 / 3600 * price_per_hour;
}

}  // namespace fathom
