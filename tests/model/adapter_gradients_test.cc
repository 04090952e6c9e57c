// Gradients of adapters: the loss's slope in double, and nothing else of the model has any.
#include "model/training/adapter_gradients.h"

#include <doctest/doctest.h>

#include <cmath>

#include "checkpoint/adapter.h"
#include "tests/support/finite_differences.h"
#include "tests/support/small_model.h"

namespace fathom {
namespace {

constexpr int64_t kRank = 2;

struct Pair {
  std::vector<double> base, a, b, d_a, d_b;
  std::vector<double>* values;  // the model's
  int64_t rows, cols;
};

// A small model whose wanted matrices are base + scale B A.
struct Adapted {
  test::SmallModel<double> small{
      test::small_config_with({{"\"swiglu_limit\": 1.5", "\"swiglu_limit\": 100"}})};
  double scale = 0.75;
  std::map<std::string, Pair> pairs;
  std::map<std::string, AdaptedMatrix<double>> matrices;
  ModelParams<Mat<double>> frozen;

  Adapted() {
    AdapterShape shape;
    shape.rank = kRank;
    std::map<std::string, std::pair<int64_t, int64_t>> sizes;
    ModelParams<char> walked;
    for_each_param(
        small.config, 1,
        [&](const std::string& name, ParamClass kind, int64_t rows, int64_t cols, char&) {
          if (kind == ParamClass::matrix && shape.wants(name)) sizes[name] = {rows, cols};
        },
        walked);
    for_each_param(small.config, 1, [](const auto&, ParamClass, int64_t, int64_t, Mat<double>&) {}, frozen);
    uint64_t key = 100;
    for (auto& p : small.params) {
      if (!sizes.contains(p.name)) continue;
      const auto [rows, cols] = sizes[p.name];
      Pair& pair = pairs[p.name];
      pair = {p.values, {}, {}, {}, {}, &p.values, rows, cols};
      ++key;
      for (int64_t i = 0; i < kRank * cols; ++i)
        pair.a.push_back(0.3 * philox_normal(key, static_cast<uint64_t>(i)));
      for (int64_t i = 0; i < rows * kRank; ++i)
        pair.b.push_back(0.3 * philox_normal(key, static_cast<uint64_t>(i), 1));
      pair.d_a.resize(pair.a.size());
      pair.d_b.resize(pair.b.size());
      matrices[p.name] = {
          Mat<const double>(pair.a.data(), kRank, cols), Mat<const double>(pair.b.data(), rows, kRank),
          Mat<double>(pair.d_a.data(), kRank, cols), Mat<double>(pair.d_b.data(), rows, kRank)};
      merge(pair);
    }
  }
  void merge(Pair& p) const {
    for (int64_t i = 0; i < p.rows; ++i) {
      for (int64_t j = 0; j < p.cols; ++j) {
        double sum = 0;
        for (int64_t k = 0; k < kRank; ++k) {
          sum += p.b[static_cast<size_t>(i * kRank + k)] * p.a[static_cast<size_t>(k * p.cols + j)];
        }
        const auto at = static_cast<size_t>(i * p.cols + j);
        (*p.values)[at] = p.base[at] + scale * sum;
      }
    }
  }
};

}  // namespace

TEST_CASE("an adapter's gradient is the loss's slope") {
  for (const int64_t group : {int64_t{1000}, int64_t{8}}) {  // whole documents, and chunks
    CAPTURE(group);
    Adapted adapted;
    auto runtime = test::make_runtime<double>();
    const TrainingBatch batch = test::small_batch({19, 1, 14}, adapted.small.config.vocab_size);
    LossOptions options;
    options.mtp_weight = 0.3;
    options.group_tokens = group;
    AdapterGradients<double> blocks(adapted.small.config, adapted.scale, adapted.matrices);
    LossExtras<double> extras;
    extras.blocks = &blocks;
    const auto ctx = runtime.context(adapted.small.config);
    const LossReport report =
        loss_and_gradients<double>(ctx, *adapted.small.model, batch, options, adapted.frozen, extras);
    const auto loss = [&] { return evaluate_loss<double>(ctx, *adapted.small.model, batch, options).loss; };
    CHECK(report.loss == doctest::Approx(loss()).epsilon(1e-12));
    double total = 0;
    uint64_t key = 0;
    for (auto& [name, pair] : adapted.pairs) {
      CAPTURE(name);
      for (const bool first : {true, false}) {
        std::vector<double>& x = first ? pair.a : pair.b;
        const std::vector<double>&g = first ? pair.d_a : pair.d_b, at = x;
        ++key;
        double slope = 0, size = 0, offset = 0;
        for (size_t i = 0; i < g.size(); ++i) {
          slope += g[i] * philox_normal(key, i);
          size += g[i] * g[i];
        }
        const auto moved = [&] {
          for (size_t i = 0; i < at.size(); ++i) x[i] = at[i] + offset * philox_normal(key, i);
          adapted.merge(pair);
          return loss();
        };
        const double exact = test::central_difference(moved, &offset, 1e-5);
        x = at;
        adapted.merge(pair);
        CHECK(std::abs(exact - slope) <= 1e-5 * std::sqrt(size) + 1e-9);
        // Attention does not wait for the indexer's opinion: the LM loss has no slope there.
        if (name.find(".indexer.") != std::string::npos) CHECK(size == 0);
        total += size;
      }
    }
    CHECK(total > 0.01);
    CHECK(adapted.pairs.size() > 50);
  }
}

TEST_CASE("names of adapters' targets are PEFT's: whole, or the end of a module's path") {
  AdapterShape shape;
  shape.rank = 4;
  CHECK(shape.wants("layers.3.attn.wq_a.weight"));
  CHECK(shape.wants("mtp.0.ffn.experts.2.w1.weight"));
  CHECK(!shape.wants("mtp.0.e_proj.weight"));
  CHECK(!shape.wants("embed.weight"));
  CHECK(!shape.wants("layers.0.hc_attn_fn"));
  shape.targets = {"wkv", "layers.1.attn.wq_a"};
  CHECK(shape.wants("layers.0.attn.wkv.weight"));
  CHECK(shape.wants("layers.2.attn.compressor.wkv.weight"));
  CHECK(shape.wants("layers.1.attn.wq_a.weight"));
  CHECK(!shape.wants("layers.11.attn.wq_a.weight"));
  CHECK(!shape.wants("layers.0.attn.wq_a.weight"));
}

}  // namespace fathom
