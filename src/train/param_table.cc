#include "train/param_table.h"

#include <string_view>

namespace fathom {
namespace {

constexpr int64_t kAlign = 16;

bool contains(std::string_view text, std::string_view part) { return text.find(part) != text.npos; }

OptimizerKind optimizer_of(const TrainedParam& p, bool adamw_only) {
  const std::string_view name = p.name;
  if (p.kind == ParamClass::table || name.ends_with("gate.bias")) return OptimizerKind::none;
  const bool table = name == "embed.weight" || name == "head.weight" || name.ends_with(".ape");
  return adamw_only || table || p.rows == 1 ? OptimizerKind::adamw : OptimizerKind::muon;
}

// Logically independent matrices that are stored as one tensor.
std::vector<RowRange> parts_of(const TrainedParam& p, const ModelConfig& c,
                               const ParamTableOptions& options) {
  const std::string_view name = p.name;
  const auto equal = [&](int64_t count) {
    std::vector<RowRange> parts;
    for (int64_t i = 0; i < count; ++i) parts.push_back({i * (p.rows / count), (i + 1) * (p.rows / count)});
    return parts;
  };
  if (p.optimizer != OptimizerKind::muon) return equal(1);
  const int64_t n = c.hc_mult;
  if (options.per_head && name.ends_with("attn.wq_b.weight")) return equal(c.num_attention_heads);
  if (options.per_head && name.ends_with("indexer.wq_b.weight")) return equal(c.index_n_heads);
  if (!options.split) return equal(1);
  if (name.ends_with("hc_attn_fn") || name.ends_with("hc_ffn_fn")) {
    return {{0, n}, {n, 2 * n}, {2 * n, p.rows}};
  }
  if (name.ends_with("attn.wo_a.weight")) return equal(c.o_groups);
  if (contains(name, "compressor.w") && c.layer(p.layer).kind == LayerKind::csa) return equal(2);
  return equal(1);
}

}  // namespace

ParamTable::ParamTable(const ModelConfig& config, int64_t mtp_blocks, const ParamTableOptions& options)
    : config_(config), mtp_blocks_(mtp_blocks) {
  ModelParams<char> shape;
  const auto add = [&](const std::string& name, ParamClass kind, int64_t rows, int64_t cols, char&) {
    TrainedParam p;
    p.name = name;
    p.kind = kind;
    p.rows = rows;
    p.cols = cols;
    if (name.starts_with("layers.")) p.layer = std::stoll(name.substr(7));
    if (name.starts_with("mtp.")) p.layer = config.num_hidden_layers + std::stoll(name.substr(4));
    p.indexer = contains(name, ".indexer.");
    p.optimizer = optimizer_of(p, options.adamw_only);
    p.parts = parts_of(p, config_, options);
    int64_t& end = kind == ParamClass::table ? table_size_ : size_;
    p.offset = end;
    end += (p.values() + kAlign - 1) / kAlign * kAlign;
    params_.push_back(std::move(p));
  };
  for_each_param(config_, mtp_blocks_, add, shape);
}

const TrainedParam* ParamTable::find(const std::string& name) const {
  for (const TrainedParam& p : params_) {
    if (p.name == name) return &p;
  }
  return nullptr;
}

ModelParams<Mat<float>> ParamTable::gradient_views(
    float* flat, const std::function<bool(const TrainedParam&)>& wanted) const {
  ModelParams<Mat<float>> views;
  size_t next = 0;
  for_each_param(
      config_, mtp_blocks_,
      [&](const std::string&, ParamClass, int64_t rows, int64_t cols, Mat<float>& view) {
        const TrainedParam& p = params_[next++];
        if (p.optimizer != OptimizerKind::none && wanted(p)) view = {flat + p.offset, rows, cols};
      },
      views);
  return views;
}

}  // namespace fathom
