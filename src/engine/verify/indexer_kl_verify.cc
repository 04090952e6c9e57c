// indexer_kl.safetensors of golden/fp32: the loss of a CSA layer's indexer over dense and over sparse
// candidates, what it is made of, and its gradients. Bounds: the README's for loss and gradients; the values
// in between are held as closely as the loss.
#include <algorithm>

#include "base/error.h"
#include "engine/verify/checks.h"
#include "engine/verify/expected_file.h"
#include "engine/verify/runner.h"
#include "model/attention/attention.h"

namespace fathom::verify {
namespace {

constexpr double kLoss = 5e-6, kValues = 1e-5, kGradients = 2e-4;

// One way of choosing candidates, in Real arithmetic.
template <class Real>
class KlCase : public IndexerObserver<Real> {
 public:
  KlCase(Checks& checks, const ExpectedFile& expected, const Model& model, Runtime<Real>& runtime, bool dense)
      : checks_(checks),
        e_(expected),
        model_(model),
        runtime_(runtime),
        mode_(dense ? "dense." : "sparse."),
        layer_(e_.scalar("layer")) {
    const ModelConfig& c = config();
    if (layer_ < 0 || layer_ >= c.num_hidden_layers || c.layer(layer_).kind != LayerKind::csa) {
      bad_input("{}: expected the index of a CSA layer, found {}", e_.where("layer"), layer_);
    }
    const auto& shape = e_.shape("x");
    if (shape.size() != 2 || shape[1] != c.hidden_size || shape[0] < c.layer(layer_).ratio) {
      bad_input("{}: expected [tokens, {}] with a complete window", e_.where("x"), c.hidden_size);
    }
    tokens_ = shape[0];
    entries_ = tokens_ / c.layer(layer_).ratio;
    pass_.dense_csa = dense;
    pass_.indexer_weight = 1;
    for (auto* each : {&scores_, &mass_, &target_}) each->assign(static_cast<size_t>(tokens_ * entries_), 0);
    for (auto* each : {&kl_, &captured_}) each->assign(static_cast<size_t>(tokens_), 0);
  }

  void run() {
    Context<Real> ctx = runtime_.context(config());
    ctx.training = &pass_;
    const ArenaScope scope(ctx.arena());
    const std::vector<double> values = e_.doubles("x");
    const Mat<Real> x = ctx.scratch(tokens_, config().hidden_size), y = ctx.scratch(tokens_, x.cols);
    for (size_t i = 0; i < values.size(); ++i) x.data[i] = static_cast<Real>(values[i]);
    KvState state = model_.new_state(runtime_.numerics(), sizeof(Real));
    Batch batch;
    batch.add(state, std::vector<int32_t>(static_cast<size_t>(tokens_)));
    const BatchAngles<Real> angles = first_angles(ctx);
    const AttentionParams<WeightView>& w = model_.weights().params().layers[static_cast<size_t>(layer_)].attn;
    AttentionSaved<Real> saved;
    attention_forward<Real>(ctx, config(), w, layer_, {layer_, false}, model_.rope(), angles, batch, x, y,
                            &saved);

    BlockParams<Mat<Real>> gradients;
    for_each_indexer_tensor(gradients, [&](const std::string&, int64_t rows, int64_t cols, Mat<Real>& g) {
      g = ctx.scratch(rows, cols);
      std::fill_n(g.data, rows * cols, Real(0));
    });
    const LayerConfig layer = config().layer(layer_);
    const IndexerLoss loss = indexer_backward<Real>(
        ctx, config(), w, layer, model_.rope().compress, angles.cos(layer.kind), angles.sin(layer.kind),
        BatchRows(batch, config(), layer, 0), x, saved, gradients.attn.indexer, nullptr, this);
    check_values(loss);
    if (!pass_.dense_csa) check_selected(saved);
    for_each_indexer_tensor(gradients, [&](const std::string& name, int64_t, int64_t, Mat<Real>& g) {
      const std::vector<float> found(g.data, g.data + g.rows * g.cols);
      const std::string expected = mode_ + "grad." + name;
      checks_.worst("indexer gradients", gradient_error(e_.floats(expected), found, e_.where(expected)),
                    kGradients);
    });
  }

  void query(int64_t row, const IndexerLoss& loss, std::span<const int32_t> entries, const Real* scores,
             const Real* mass) override {
    double sum = 0;
    for (size_t i = 0; i < entries.size(); ++i) sum += static_cast<double>(mass[i]);
    for (size_t i = 0; i < entries.size(); ++i) {
      const auto at = static_cast<size_t>(row * entries_ + entries[i]);
      scores_[at] = static_cast<float>(scores[i]);
      mass_[at] = static_cast<float>(mass[i]);
      target_[at] = static_cast<float>(static_cast<double>(mass[i]) / sum);
    }
    kl_[static_cast<size_t>(row)] = static_cast<float>(loss.kl);
    captured_[static_cast<size_t>(row)] = static_cast<float>(loss.captured);
  }

 private:
  const ModelConfig& config() const { return model_.config(); }

  // f(name, rows, cols, tensor) for the six tensors of the layer's indexer.
  template <class F>
  void for_each_indexer_tensor(BlockParams<Mat<Real>>& block, const F& f) const {
    for_each_block_param(
        config(), layer_, fmt::format("layers.{}.", layer_),
        [&](const std::string& name, ParamClass, int64_t rows, int64_t cols, Mat<Real>& g) {
          if (name.find(".indexer.") != std::string::npos) f(name, rows, cols, g);
        },
        block);
  }

  BatchAngles<Real> first_angles(const Context<Real>& ctx) const {
    const RopeTables& rope = model_.rope();
    const int64_t pairs = rope.main.pairs();
    const BatchAngles<Real> a{ctx.scratch(tokens_, pairs), ctx.scratch(tokens_, pairs),
                              ctx.scratch(tokens_, pairs), ctx.scratch(tokens_, pairs)};
    for (int64_t t = 0; t < tokens_; ++t) {
      rope.main.angles(t, a.main_cos.row(t), a.main_sin.row(t));
      rope.compress.angles(t, a.compress_cos.row(t), a.compress_sin.row(t));
    }
    return a;
  }

  void compare(const char* quantity, const std::string& name, const std::vector<float>& found, double bound) {
    checks_.worst(quantity, max_abs_diff(e_.floats(name), found, e_.where(name)), bound);
  }

  void check_values(const IndexerLoss& loss) {
    const auto queries = static_cast<double>(loss.queries);
    const auto mean = [&](double sum) { return std::vector<float>{static_cast<float>(sum / queries)}; };
    compare("indexer loss", mode_ + "loss", mean(loss.kl), kLoss);
    compare("indexer loss", mode_ + "kl_uniform", mean(loss.kl_uniform), kLoss);
    compare("indexer loss of a query", mode_ + "kl_rows", kl_, kValues);
    compare("indexer captured", "captured_mean", mean(loss.captured), kLoss);
    compare("indexer captured", "captured_rows", captured_, kValues);
    compare("indexer target", mode_ + "target", target_, kValues);
    compare("indexer target", mode_ + "attn_compressed", mass_, kValues);
    if (pass_.dense_csa) compare("indexer scores", "index_scores", scores_, kValues);
  }

  void check_selected(const AttentionSaved<Real>& saved) {
    std::vector<int32_t> visible(static_cast<size_t>(tokens_ * entries_)), selected(visible.size());
    for (int64_t t = 0; t < tokens_; ++t) {
      const auto row = static_cast<size_t>(t * entries_);
      for (int64_t i = 0; i < (t + 1) / config().layer(layer_).ratio; ++i) {
        visible[row + static_cast<size_t>(i)] = 1;
      }
      for (int64_t k = 0; k < saved.chosen_width; ++k) {
        const int32_t i = saved.chosen[t * saved.chosen_width + k];
        if (i >= 0) selected[row + static_cast<size_t>(i)] = 1;
      }
    }
    for (const auto& [name, found] : {std::pair("visible", &visible), std::pair("selected", &selected)}) {
      checks_.differing(std::string("indexer ") + name,
                        rows_differing(e_.ints(name), *found, entries_, e_.where(name)), tokens_);
    }
  }

  Checks& checks_;
  const ExpectedFile& e_;
  const Model& model_;
  Runtime<Real>& runtime_;
  std::string mode_;
  int64_t layer_, tokens_ = 0, entries_ = 0;
  TrainingPass pass_;
  std::vector<float> scores_, mass_, target_, kl_, captured_;
};

template <class Real>
void run_cases(Checks& checks, const ExpectedFile& expected, const Model& model, const Numerics& numerics) {
  Runtime<Real> runtime(runtime_options(checks.options(), numerics));
  for (const bool dense : {true, false}) KlCase<Real>(checks, expected, model, runtime, dense).run();
}

}  // namespace

void check_indexer_kl(Checks& checks, const Model& model) {
  const ExpectedFile expected(checks.folder() / "indexer_kl.safetensors");
  checks.used("indexer_kl.safetensors");
  if (checks.options().double_model) {
    run_cases<double>(checks, expected, model, Numerics::exact_double());
  } else {
    run_cases<float>(checks, expected, model, Numerics::exact());
  }
  checks.unread_tensors("indexer_kl.safetensors", expected.unread());
}

}  // namespace fathom::verify
