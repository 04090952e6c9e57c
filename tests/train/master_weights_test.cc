// Compute copies hold what their formats say, and a checkpoint that cannot be trained is refused by name.
#include "train/master_weights.h"

#include <doctest/doctest.h>

#include <cmath>
#include <cstring>

#include "base/error.h"
#include "formats/decode.h"
#include "formats/half.h"
#include "tests/support/tensor_file.h"

namespace fathom {
namespace {

// A geometry that the release formats can hold.
ModelConfig release_config() {
  ModelConfig c = ModelConfig::parse(Checkpoint::open(test::golden("fp32") / "d_mix")->config_json());
  c.hidden_size = 64;
  c.moe_intermediate_size = 64;
  return c;
}

std::vector<float> decoded(const WeightView& w) {
  std::vector<float> out(static_cast<size_t>(w.rows * w.cols));
  for (int64_t i = 0; i < w.rows; ++i) decode_row(w, i, out.data() + i * w.cols);
  return out;
}

}  // namespace

TEST_CASE("a new model is a function of its seed") {
  const ParamTable table(release_config(), 0);
  InitialWeights options;
  options.seed = 7;
  const auto a = initial_weights(table, options), b = initial_weights(table, options);
  CHECK(a.values == b.values);
  CHECK(a.tables == b.tables);
  options.seed = 8;
  CHECK(initial_weights(table, options).values != a.values);
  const TrainedParam& norm = *table.find("layers.1.attn_norm.weight");
  CHECK(a.values[static_cast<size_t>(norm.offset)] == 1);
  const TrainedParam& ids = *table.find("layers.0.ffn.gate.tid2eid");
  for (int64_t t = 0; t < ids.rows; ++t) {
    const int32_t* row = a.tables.data() + ids.offset + t * ids.cols;
    CHECK(row[0] != row[1]);
  }
}

TEST_CASE("compute copies of every precision") {
  const ModelConfig config = release_config();
  const ParamTable table(config, 0);
  MasterWeights masters = initial_weights(table, {});
  ThreadPool pool(2);
  for (const Precision precision : {Precision::fp32, Precision::bf16, Precision::fp8, Precision::fp4}) {
    CAPTURE(name(precision));
    CHECK(precision_from_name(name(precision)) == precision);
    ComputeWeights copies(table, masters, precision);
    copies.refresh(pool);
    const auto& layer = copies.params().layers[1];
    const auto master = [&](const char* tensor) {
      const TrainedParam& p = *table.find(tensor);
      return std::vector<float>(masters.values.begin() + p.offset,
                                masters.values.begin() + p.offset + p.values());
    };
    const auto close = [](const std::vector<float>& a, const std::vector<float>& b, double relative) {
      double worst = 0, top = 0;
      for (size_t i = 0; i < a.size(); ++i) {
        worst = std::max(worst, std::abs(static_cast<double>(a[i]) - static_cast<double>(b[i])));
        top = std::max(top, std::abs(static_cast<double>(b[i])));
      }
      return worst <= relative * top;
    };
    const auto gate = master("layers.1.ffn.gate.weight"), w1 = master("layers.1.ffn.experts.3.w1.weight");
    const auto wq = master("layers.1.attn.wq_a.weight");
    if (precision == Precision::fp32) {
      CHECK(decoded(layer.ffn.gate) == gate);
      CHECK(copies.bytes() == 0);
      continue;
    }
    auto rounded = gate;
    for (float& x : rounded) x = round_bf16(x);
    CHECK(decoded(layer.ffn.gate) == rounded);
    CHECK(layer.attn_norm.dtype == DType::F32);
    CHECK(layer.ffn.experts[3].w1.dtype == (precision == Precision::bf16  ? DType::BF16
                                            : precision == Precision::fp8 ? DType::F8_E4M3
                                                                          : DType::F4_E2M1));
    CHECK(close(decoded(layer.ffn.experts[3].w1), w1, precision == Precision::fp4 ? 0.2 : 0.07));
    CHECK(!close(decoded(layer.ffn.experts[3].w1), w1, 1e-4));
    CHECK(close(decoded(layer.attn.wq_a), wq, 0.07));

    // A refresh follows the masters.
    const TrainedParam& p = *table.find("layers.1.ffn.experts.3.w1.weight");
    masters.values[static_cast<size_t>(p.offset)] = 3;
    CHECK(decoded(layer.ffn.experts[3].w1)[0] != 3);
    copies.refresh(pool);
    CHECK(decoded(layer.ffn.experts[3].w1)[0] == 3);
    masters.values[static_cast<size_t>(p.offset)] = w1[0];
  }
}

TEST_CASE("what cannot be trained is refused by name") {
  ModelConfig config = release_config();
  config.moe_intermediate_size = 40;  // w2's columns: no multiple of 32
  const ParamTable table(config, 0);
  MasterWeights masters = initial_weights(table, {});
  const auto message = [&](const auto& f) -> std::string {
    try {
      f();
    } catch (const Error& e) {
      return e.message();
    }
    return "";
  };
  CHECK(message([&] { ComputeWeights(table, masters, Precision::fp4); }).find("experts.0.w2.weight: FP4") !=
        std::string::npos);
  CHECK(message([&] { precision_from_name("fp16"); }).find("expected fp32, bf16") != std::string::npos);
  masters.values[static_cast<size_t>(table.find("layers.2.attn.wkv.weight")->offset)] = INFINITY;
  ComputeWeights copies(table, masters, Precision::fp8);
  ThreadPool pool(1);
  CHECK(message([&] { copies.refresh(pool); }).find("layers.2.attn.wkv.weight") != std::string::npos);
}

}  // namespace fathom
