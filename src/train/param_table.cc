#include "train/param_table.h"

#include <algorithm>
#include <string_view>

#include "base/error.h"

namespace fathom {
namespace {

constexpr int64_t kAlign = 16;

constexpr std::string_view kPartA = ".lora_A.weight", kPartB = ".lora_B.weight";

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
    this->add(std::move(p));
  };
  for_each_param(config_, mtp_blocks_, add, shape);
}

ParamTable::ParamTable(const ModelConfig& config, int64_t mtp_blocks, const AdapterShape& shape,
                       const ParamTableOptions& options)
    : config_(config), adapter_(shape), mtp_blocks_(mtp_blocks) {
  const ParamTable whole(config, mtp_blocks);
  for (const std::string& target : shape.targets) {
    AdapterShape alone = shape;
    alone.targets = {target};
    if (std::ranges::none_of(whole.params(), [&](const auto& p) { return alone.wants(p.name); })) {
      bad_input("lora.targets: expected names of matrices such as wq_a, found \"{}\"", printable(target));
    }
  }
  for (const TrainedParam& of : whole.params()) {
    if (of.kind != ParamClass::matrix || !shape.wants(of.name)) continue;
    for (const bool first : {true, false}) {
      TrainedParam p = of;
      p.name = of.name.substr(0, of.name.size() - std::string_view(".weight").size());
      p.name += first ? kPartA : kPartB;
      p.rows = first ? shape.rank : of.rows;
      p.cols = first ? of.cols : shape.rank;
      p.optimizer = options.adamw_only ? OptimizerKind::adamw : OptimizerKind::muon;
      p.parts = {{0, p.rows}};
      add(std::move(p));
    }
  }
}

void ParamTable::add(TrainedParam p) {
  int64_t& end = p.kind == ParamClass::table ? table_size_ : size_;
  p.offset = end;
  end += (p.values() + kAlign - 1) / kAlign * kAlign;
  params_.push_back(std::move(p));
}

std::string ParamTable::adapter_matrix_name(size_t i) const {
  const std::string& name = params_[i].name;
  return name.substr(0, name.size() - kPartA.size()) + ".weight";
}

std::vector<AdapterMatrix> ParamTable::adapter_matrices(const float* flat) const {
  std::vector<AdapterMatrix> matrices;
  for (size_t i = 0; adapter_.rank > 0 && i + 1 < params_.size(); i += 2) {
    const TrainedParam &a = params_[i], &b = params_[i + 1];
    matrices.push_back({adapter_matrix_name(i), b.rows, a.cols, flat + a.offset, flat + b.offset});
  }
  return matrices;
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
        if (adapter_.rank > 0) return;
        const TrainedParam& p = params_[next++];
        if (p.optimizer != OptimizerKind::none && wanted(p)) view = {flat + p.offset, rows, cols};
      },
      views);
  return views;
}

}  // namespace fathom
