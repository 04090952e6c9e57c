// The backward pass of single blocks against finite differences in double: router with balance loss, mixture
// of experts, head with cross-entropy, embedding, MTP's input, mHC.

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <deque>
#include <span>
#include <utility>

#include "model/block.h"
#include "model/embedding.h"
#include "model/head.h"
#include "model/mtp.h"
#include "model/training/loss.h"
#include "tests/support/finite_differences.h"
#include "tests/support/small_model.h"

namespace fathom {
namespace {

using Vector = std::vector<double>;

Vector made_up(int64_t count, uint64_t key) {
  Vector v;
  for (int64_t i = 0; i < count; ++i) v.push_back(philox_normal(key, static_cast<uint64_t>(i)));
  return v;
}
Mat<double> mat(Vector& v, int64_t rows) { return {v.data(), rows, static_cast<int64_t>(v.size()) / rows}; }
double dot(const Vector& a, Mat<const double> b) {
  double sum = 0;
  for (size_t i = 0; i < a.size(); ++i) sum += a[i] * b.data[i];
  return sum;
}

class Blocks {
 public:
  explicit Blocks(const std::string& json = test::kSmallConfig)
      : small(json), runtime(test::make_runtime<double>()), ctx(runtime.context(small.config)) {
    ctx.training = &pass;
    small.grads.zero();
  }
  // Every parameter whose name starts with one of `prefixes`.
  template <class F>
  void check_params(const std::vector<std::string>& prefixes, const F& f) {
    int64_t found = 0;
    for (auto& p : small.params) {
      const bool wanted = std::any_of(prefixes.begin(), prefixes.end(),
                                      [&](const std::string& prefix) { return p.name.starts_with(prefix); });
      if (!wanted || p.name.ends_with("gate.bias")) continue;
      ++found;
      const Vector& g = small.grads[p.name];
      const bool touched = std::any_of(g.begin(), g.end(), [](double v) { return v != 0; });
      CHECK_MESSAGE(touched, p.name);
      test::check_gradient(p.name, f, p.values, g, 1e-6, std::max<int64_t>(1, p.values.size() / 24), 1e-4);
    }
    CHECK(found >= static_cast<int64_t>(prefixes.size()));
  }

  test::SmallModel<double> small;
  TrainingPass pass;
  Runtime<double> runtime;
  Context<double> ctx;
  const ModelConfig& config = small.config;
};

constexpr int64_t kRows = 13;
const std::vector<Span> kSpans = {{nullptr, 0, 9, LogitRows::none}, {nullptr, 9, 4, LogitRows::none}};

TEST_CASE("router: weights and balance loss") {
  Blocks b;
  for (const int64_t layer : {1, 3}) {  // by table, and learned
    CAPTURE(layer);
    const auto i = static_cast<size_t>(layer);
    const auto& w = b.small.model->weights().params().layers[i].ffn;
    Vector x = made_up(kRows * b.config.hidden_size, 1);
    const Vector d = made_up(kRows * 2, 2);
    std::vector<int32_t> tokens(kRows);
    for (size_t t = 0; t < tokens.size(); ++t) tokens[t] = static_cast<int32_t>(t * 5 % 37);
    b.pass.balance_weight = 0.7;
    const auto backward = [&](Mat<double> dx, Mat<double> d_gate) {
      RouterSaved<double> saved;
      const auto routes = route<double>(b.ctx, b.config, w, layer == 1, tokens.data(), mat(x, kRows), &saved);
      const double balance = route_backward<double>(b.ctx, b.config, w, mat(x, kRows), routes, saved,
                                                    d.data(), &kSpans, b.pass.balance_weight, dx, d_gate);
      double sum = b.pass.balance_weight * balance;
      for (size_t j = 0; j < d.size(); ++j) sum += d[j] * routes.weights[j];
      return sum;
    };
    Vector dx(x.size());
    backward(mat(dx, kRows), b.small.grads.params.layers[i].ffn.gate);
    const auto f = [&] {
      const ArenaScope scope(b.ctx.arena());
      Vector unused(x.size());
      return backward(mat(unused, kRows), {});
    };
    test::check_gradient("x", f, x, dx);
    b.check_params({"layers." + std::to_string(layer) + ".ffn.gate.weight"}, f);
  }
}

TEST_CASE("mixture of experts") {
  Blocks b;
  const auto& w = b.small.model->weights().params().layers[3].ffn;
  Vector x = made_up(kRows * b.config.hidden_size, 1), y(x.size()), dx(x.size());
  const Vector dy = made_up(kRows * b.config.hidden_size, 3);
  Vector dy_copy = dy;
  const std::vector<int32_t> tokens(kRows, 3);
  const auto forward = [&](MoeSaved<double>* saved) {
    moe_forward<double>(b.ctx, b.config, b.small.model->weights(), w, 3, tokens.data(), mat(x, kRows),
                        mat(y, kRows), saved);
    return dot(dy, mat(y, kRows));
  };
  MoeSaved<double> saved;
  const double with = forward(&saved);
  moe_backward<double>(b.ctx, b.config, b.small.model->weights(), w, nullptr, mat(x, kRows), saved,
                       mat(dy_copy, kRows), mat(dx, kRows), b.small.grads.params.layers[3].ffn);
  const auto f = [&] { return forward(nullptr); };
  CHECK(f() == with);  // saving changes nothing
  test::check_gradient("x", f, x, dx, 1e-6, 1, 1e-4);
  std::vector<std::string> used = {"layers.3.ffn.gate.weight", "layers.3.ffn.shared_experts."};
  for (int64_t e = 0; e < b.config.n_routed_experts; ++e) {
    if (saved.groups.first[e + 1] > saved.groups.first[e]) {
      used.push_back("layers.3.ffn.experts." + std::to_string(e) + ".");
    }
  }
  CHECK(used.size() >= 5);
  b.check_params(used, f);
}

TEST_CASE("head and cross-entropy in blocks of the vocabulary") {
  Blocks b;
  const auto& w = b.small.model->weights().params();
  const int64_t width = b.config.hc_mult * b.config.hidden_size;
  Vector streams = made_up(kRows * width, 4), d_streams(streams.size(), 5.0), losses(kRows);
  const Vector factors = made_up(kRows, 5);
  std::vector<int32_t> labels(kRows);
  for (size_t t = 0; t < labels.size(); ++t) labels[t] = static_cast<int32_t>(t * 7 % 37);
  const HeadLabels<double> rows{labels.data(), factors.data()};
  auto& grads = b.small.grads.params;
  const HeadGradients<double> gradients{mat(d_streams, kRows), grads.head, grads.lm_head};
  const auto f = [&] {
    const ArenaScope scope(b.ctx.arena());
    head_loss<double>(b.ctx, b.config, w.head, w.lm_head, mat(streams, kRows), rows, losses.data(), nullptr);
    double sum = 0;
    for (size_t t = 0; t < losses.size(); ++t) sum += factors[t] * losses[t];
    return sum;
  };
  const auto backward = [&](const HeadBlocks& blocks) {
    b.small.grads.zero();
    head_loss<double>(b.ctx, b.config, w.head, w.lm_head, mat(streams, kRows), rows, losses.data(),
                      &gradients, blocks);
    return std::pair{d_streams, b.small.grads.all()};
  };
  const auto twice = backward({8, 0});  // logits computed again on the way back
  CHECK(backward({8, 1 << 20}) == twice);
  test::check_gradient("streams", f, streams, d_streams, 1e-6, 3);
  b.check_params({"head.weight", "norm.weight", "hc_head_fn", "hc_head_base", "hc_head_scale"}, f);
  // The losses are those of the logits.
  f();
  const Mat<double> logits = head_forward<double>(b.ctx, b.config, w.head, w.lm_head, mat(streams, kRows));
  for (int64_t t = 0; t < kRows; ++t) {
    double sum = 0;
    for (int64_t j = 0; j < logits.cols; ++j) sum += std::exp(logits.row(t)[j]);
    const auto i = static_cast<size_t>(t);
    CHECK(losses[i] == doctest::Approx(std::log(sum) - logits.row(t)[labels[i]]));
  }
}

TEST_CASE("linear in bf16: both products near those in double") {
  Numerics numerics = Numerics::exact();
  numerics.bf16_matmul = true;
  auto runtime = test::make_runtime<float>(2, numerics);
  const ModelConfig config = ModelConfig::parse(test::kSmallConfig);
  const auto ctx = runtime.context(config);
  for (const auto& [rows, outputs, cols] : {std::array<int64_t, 3>{700, 33, 70}, {5, 300, 129}, {0, 4, 4}}) {
    std::vector<float> x, dy, dx(static_cast<size_t>(rows * cols), 2.0f);
    std::vector<float> dw(static_cast<size_t>(outputs * cols), 1.0f);
    for (const double v : made_up(rows * cols, 1)) x.push_back(static_cast<float>(v));
    for (const double v : made_up(rows * outputs, 2)) dy.push_back(static_cast<float>(v));
    std::vector<Bf16> w;
    for (const double v : made_up(outputs * cols, 3)) w.push_back(to_bf16(static_cast<float>(v)));
    WeightView view = weight_view(static_cast<const float*>(nullptr), outputs, cols);
    view.dtype = DType::BF16;
    view.row_bytes = cols * 2;
    view.data = reinterpret_cast<const std::byte*>(w.data());
    ctx.linear_backward({dy.data(), rows, outputs}, {x.data(), rows, cols}, view, {dx.data(), rows, cols},
                        {dw.data(), outputs, cols}, Sum::add);
    double dx_error = 0, dw_error = 0;
    for (int64_t t = 0; t < rows; ++t) {
      for (int64_t k = 0; k < cols; ++k) {
        double sum = 2;
        for (int64_t o = 0; o < outputs; ++o) {
          sum += static_cast<double>(dy[static_cast<size_t>(t * outputs + o)]) *
                 static_cast<double>(to_float(w[static_cast<size_t>(o * cols + k)]));
        }
        dx_error =
            std::max(dx_error, std::abs(static_cast<double>(dx[static_cast<size_t>(t * cols + k)]) - sum));
      }
    }
    for (int64_t o = 0; o < outputs; ++o) {
      for (int64_t k = 0; k < cols; ++k) {
        double sum = 1;
        for (int64_t t = 0; t < rows; ++t) {
          sum += static_cast<double>(dy[static_cast<size_t>(t * outputs + o)]) *
                 static_cast<double>(x[static_cast<size_t>(t * cols + k)]);
        }
        dw_error =
            std::max(dw_error, std::abs(static_cast<double>(dw[static_cast<size_t>(o * cols + k)]) - sum));
      }
    }
    // Roundings of 2^-9 of either factor, at random.
    CHECK(dx_error <= 0.02 * std::sqrt(static_cast<double>(outputs)));
    CHECK(dw_error <= 0.03 * std::sqrt(static_cast<double>(rows)));
  }
}

TEST_CASE("embedding") {
  Blocks b;
  const std::vector<int32_t> tokens = {3, 7, 3, 0};
  const int64_t width = 3 * b.config.hidden_size;
  Vector d = made_up(4 * width, 6), streams(d.size());
  const auto f = [&] {
    const ArenaScope scope(b.ctx.arena());
    copy_to_streams<double>(b.ctx, embed(b.ctx, b.small.model->weights().params().embed, tokens),
                            mat(streams, 4));
    return dot(d, mat(streams, 4));
  };
  embed_backward<double>(b.ctx, tokens, 3, mat(d, 4), b.small.grads.params.embed);
  b.check_params({"embed.weight"}, f);
}

TEST_CASE("input of the MTP block") {
  Blocks b;
  const auto& w = b.small.model->weights().params();
  const int64_t width = b.config.hc_mult * b.config.hidden_size;
  const std::vector<int32_t> tokens = {3, 7, 3, 0, 9};
  Vector streams = made_up(5 * width, 7), d = made_up(5 * width, 8), x(d.size()), d_streams(d.size());
  const auto forward = [&](MtpSaved<double>* saved) {
    mtp_input<double>(b.ctx, b.config, w.mtp[0], w.embed, tokens, mat(streams, 5), mat(x, 5), saved);
    return dot(d, mat(x, 5));
  };
  MtpSaved<double> saved;
  forward(&saved);
  auto& grads = b.small.grads.params;
  mtp_input_backward<double>(b.ctx, b.config, w.mtp[0], tokens, mat(streams, 5), saved, mat(d, 5),
                             mat(d_streams, 5), grads.embed, grads.mtp[0]);
  const auto f = [&] { return forward(nullptr); };
  test::check_gradient("streams", f, streams, d_streams, 1e-6, 2);
  b.check_params({"embed.weight", "mtp.0.e_proj", "mtp.0.h_proj", "mtp.0.enorm", "mtp.0.hnorm"}, f);
}

TEST_CASE("a whole block: mHC around attention and experts") {
  // Without clamps: steps along mHC's parameters would cross their edges.
  Blocks b(test::small_config_with({{"\"swiglu_limit\": 1.5", "\"swiglu_limit\": 100"}}));
  const auto& params = b.small.model->weights().params();
  const int64_t width = b.config.hc_mult * b.config.hidden_size;
  for (const int64_t layer : {0, 3, 4}) {  // SWA, CSA, HCA
    CAPTURE(layer);
    const auto i = static_cast<size_t>(layer);
    std::deque<KvState> states;
    Batch batch;
    const std::vector<int32_t> tokens = {1, 2, 3, 4, 5, 6, 7, 8, 9};
    for (const int64_t count : {9, 4}) {
      states.push_back(b.small.model->new_state(b.ctx.numerics(), 8));
      batch.add(states.back(), std::span(tokens).first(static_cast<size_t>(count)), LogitRows::none);
    }
    Vector streams = made_up(kRows * width, 9);
    const Vector d = made_up(kRows * width, 10);
    const auto& rope = b.small.model->rope();
    BatchAngles<double> angles{b.ctx.scratch(kRows, 2), b.ctx.scratch(kRows, 2), b.ctx.scratch(kRows, 2),
                               b.ctx.scratch(kRows, 2)};
    for (const Span& span : batch.spans) {
      for (int64_t t = 0; t < span.count; ++t) {
        const int64_t row = span.first_row + t;
        rope.main.angles(t, angles.main_cos.row(row), angles.main_sin.row(row));
        rope.compress.angles(t, angles.compress_cos.row(row), angles.compress_sin.row(row));
      }
    }
    const auto forward = [&](Vector& work, BlockSaved<double>* saved) {
      block_forward<double>(b.ctx, b.config, b.small.model->weights(), params.layers[i], layer,
                            {layer, false}, rope, angles, batch, batch.tokens.data(), mat(work, kRows),
                            saved);
    };
    BlockSaved<double> saved;
    Vector middle = streams, d_streams = d;
    forward(middle, &saved);
    block_backward<double>(b.ctx, b.config, b.small.model->weights(), params.layers[i], layer, rope, angles,
                           batch, mat(streams, kRows), mat(middle, kRows), saved, mat(d_streams, kRows),
                           b.small.grads.params.layers[i]);
    const auto f = [&] {
      Vector work = streams;
      forward(work, nullptr);
      return dot(d, mat(work, kRows));
    };
    test::check_gradient("streams", f, streams, d_streams, 1e-6, 5, 1e-4);
    const std::string name = "layers." + std::to_string(layer) + ".";
    b.check_params({name + "hc_attn_", name + "hc_ffn_", name + "attn_norm", name + "ffn_norm"}, f);
  }
}

}  // namespace
}  // namespace fathom
