#include "train/optimizer.h"

#include <algorithm>
#include <cmath>
#include <memory>

#include "train/muon.h"

namespace fathom {
namespace {

constexpr int64_t kBlock = 1 << 16;  // values of an AdamW piece or of a partial sum

double square_sum(const float* g, int64_t count) {
  double lanes[8] = {};
  int64_t i = 0;
  for (; i + 8 <= count; i += 8) {
    for (int64_t k = 0; k < 8; ++k) lanes[k] += static_cast<double>(g[i + k]) * static_cast<double>(g[i + k]);
  }
  for (; i < count; ++i) lanes[i % 8] += static_cast<double>(g[i]) * static_cast<double>(g[i]);
  return ((lanes[0] + lanes[1]) + (lanes[2] + lanes[3])) + ((lanes[4] + lanes[5]) + (lanes[6] + lanes[7]));
}

// A piece of work: a whole Muon part, or a block of an AdamW tensor.
struct Piece {
  size_t param, part;
  int64_t first, count;  // values, from the tensor's beginning
  double cost;
};

}  // namespace

Optimizer::Optimizer(const ParamTable& table, const OptimizerOptions& options)
    : table_(table),
      options_(options),
      first_(static_cast<size_t>(table.size())),
      second_(static_cast<size_t>(table.size())),
      counts_(table.params().size()) {
  for (const TrainedParam& p : table.params()) live_.emplace_back(p.parts.size(), false);
}

GradientReport Optimizer::measure(ThreadPool& pool, const float* gradients,
                                  const std::function<bool(const TrainedParam&)>& trained) {
  std::vector<Piece> pieces;
  for (size_t i = 0; i < table_.params().size(); ++i) {
    const TrainedParam& p = table_.params()[i];
    if (p.optimizer == OptimizerKind::none || !trained(p)) continue;
    for (size_t k = 0; k < p.parts.size(); ++k) {
      const int64_t end = p.parts[k].last * p.cols;
      for (int64_t at = p.parts[k].first * p.cols; at < end; at += kBlock) {
        pieces.push_back({i, k, at, std::min(kBlock, end - at), 0});
      }
    }
  }
  std::vector<double> sums(pieces.size());
  pool.parallel_for(static_cast<int64_t>(pieces.size()), 1, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const Piece& piece = pieces[static_cast<size_t>(i)];
      sums[static_cast<size_t>(i)] =
          square_sum(gradients + table_.params()[piece.param].offset + piece.first, piece.count);
    }
  });

  GradientReport report;
  std::vector<std::vector<double>> parts;
  for (const auto& live : live_) parts.emplace_back(live.size());
  for (size_t i = 0; i < pieces.size(); ++i) parts[pieces[i].param][pieces[i].part] += sums[i];
  std::string expert;  // the one whose matrices are being counted
  int silent = 0;
  double total = 0;
  for (size_t i = 0; i < parts.size(); ++i) {
    const TrainedParam& p = table_.params()[i];
    const bool counts = p.optimizer != OptimizerKind::none && trained(p);
    double sum = 0;
    for (size_t k = 0; k < parts[i].size(); ++k) {
      sum += parts[i][k];
      // Squares of tiny gradients vanish in float, not in double: 0 means that all are 0.
      live_[i][k] = counts && parts[i][k] != 0;
      if (!counts || live_[i][k]) continue;
      const RowRange& rows = p.parts[k];
      report.skipped.push_back(
          parts[i].size() == 1 ? p.name : fmt::format("{}[{}:{}]", p.name, rows.first, rows.last));
    }
    if (counts && p.name.find(".experts.") != p.name.npos) {
      const std::string owner = p.name.substr(0, p.name.find(".w", p.name.find(".experts.")));
      silent = owner == expert ? silent + (sum == 0) : (sum == 0);
      expert = owner;
      if (silent == 3) ++report.skipped_experts;
    }
    report.tensor_norms.push_back(std::sqrt(sum));
    total += sum;
  }
  report.norm = std::sqrt(total);
  report.finite = std::isfinite(total);
  return report;
}

void Optimizer::step(ThreadPool& pool, const Kernels<float>& kernels, const float* gradients,
                     const StepRates& rates, float* masters) {
  std::vector<Piece> pieces;
  for (size_t i = 0; i < table_.params().size(); ++i) {
    const TrainedParam& p = table_.params()[i];
    bool stepped = false;
    for (size_t k = 0; k < p.parts.size(); ++k) {
      if (!live_[i][k]) continue;
      stepped = true;
      const int64_t begin = p.parts[k].first * p.cols, count = p.parts[k].rows() * p.cols;
      if (p.optimizer == OptimizerKind::muon) {
        const double side = static_cast<double>(std::min(p.parts[k].rows(), p.cols));
        pieces.push_back({i, k, begin, count, static_cast<double>(count) * (1 + side)});
      } else {
        for (int64_t at = 0; at < count; at += kBlock) {
          const int64_t n = std::min(kBlock, count - at);
          pieces.push_back({i, k, begin + at, n, static_cast<double>(n)});
        }
      }
    }
    if (stepped) ++counts_[i];
  }
  // Large pieces first, so that no thread is left with one at the end.
  std::stable_sort(pieces.begin(), pieces.end(),
                   [](const Piece& a, const Piece& b) { return a.cost > b.cost; });
  pool.parallel_for(static_cast<int64_t>(pieces.size()), 1, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const Piece& piece = pieces[static_cast<size_t>(i)];
      const TrainedParam& p = table_.params()[piece.param];
      const int64_t at = p.offset + piece.first;
      float* first = first_.data() + at;
      if (p.optimizer == OptimizerKind::muon) {
        const int64_t rows = p.parts[piece.part].rows();
        const auto scratch =
            std::make_unique_for_overwrite<float[]>(static_cast<size_t>(muon_scratch(rows, p.cols)));
        const MuonStep step{static_cast<float>(rates.muon), static_cast<float>(options_.decay),
                            static_cast<float>(options_.momentum), static_cast<float>(options_.muon_rms)};
        muon_step(kernels, step, rows, p.cols, gradients + at, first, masters + at, scratch.get());
        continue;
      }
      const auto t = static_cast<double>(counts_[piece.param]);
      AdamwStep<float> step;
      step.rate = static_cast<float>(p.kind == ParamClass::matrix ? rates.adamw : rates.vector);
      step.decay = static_cast<float>(options_.decay);
      step.beta1 = static_cast<float>(options_.beta1);
      step.beta2 = static_cast<float>(options_.beta2);
      step.eps = static_cast<float>(options_.eps);
      step.correction1 = static_cast<float>(1 - std::pow(options_.beta1, t));
      step.correction2 = static_cast<float>(1 - std::pow(options_.beta2, t));
      kernels.adamw(masters + at, gradients + at, first, second_.data() + at, piece.count, step);
    }
  });
}

void hold_equal_streams(const ParamTable& table, float* gradients) {
  const int64_t n = table.config().hc_mult;
  for (const char* name : {"layers.0.hc_attn_fn", "layers.0.hc_attn_base", "layers.0.hc_attn_scale"}) {
    const TrainedParam* p = table.find(name);
    if (p == nullptr) continue;
    float* g = gradients + p->offset;
    if (p->values() == 3) {
      g[0] = g[2] = 0;
      continue;
    }
    const int64_t row = p->rows > 1 ? p->cols : 1;
    std::fill(g, g + n * row, 0.0f);
    std::fill(g + 2 * n * row, g + p->values(), 0.0f);
  }
}

}  // namespace fathom
