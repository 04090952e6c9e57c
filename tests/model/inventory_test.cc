// The inventories of the published checkpoints against the totals that their index files state
// (architecture.md section 9, "Check totals").
#include "model/inventory.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <sstream>

#include "base/error.h"
#include "model/params.h"

namespace fathom {
namespace {

struct Totals {
  int64_t tensors = 0, bytes = 0;
  std::map<DType, int64_t> by_dtype;
};

Totals totals(std::string_view preset, const InventoryOptions& options = {}) {
  Totals sum;
  for (const TensorInfo& tensor : inventory(ModelConfig::preset(preset), options)) {
    for (const StoredTensor& each : stored(tensor, WeightFormat::release)) {
      ++sum.tensors;
      sum.bytes += each.bytes;
      ++sum.by_dtype[each.dtype];
    }
  }
  return sum;
}

std::vector<TensorInfo> of_golden(const std::string& folder) {
  std::ifstream in(std::string(FATHOM_SOURCE_DIR) + "/tests/golden/" + folder + "/config.json");
  std::stringstream text;
  text << in.rdbuf();
  return inventory(ModelConfig::parse(text.str()));
}

const TensorInfo& find(const std::vector<TensorInfo>& list, std::string_view name) {
  const auto it = std::find_if(list.begin(), list.end(), [&](const TensorInfo& t) { return t.name == name; });
  REQUIRE_MESSAGE(it != list.end(), name);
  return *it;
}

}  // namespace

TEST_CASE("tensor counts and payload bytes of the published checkpoints") {
  struct Case {
    const char* preset;
    int64_t tensors, bytes;
  };
  for (const Case& c :
       {Case{"v4-flash", 69187, 159609485896}, Case{"v4-pro", 145116, 864704792696},
        Case{"v4-flash-0731", 72317, 166878536440}, Case{"v4-pro-0813", 149782, 892727580904}}) {
    CAPTURE(c.preset);
    const Totals sum = totals(c.preset);
    CHECK(sum.tensors == c.tensors);
    CHECK(sum.bytes == c.bytes);
  }
  CHECK(totals("v4-flash-base", {.mtp_copies = true}).tensors == 69189);
}

TEST_CASE("tensors of Flash by dtype") {
  const std::map<DType, int64_t> expected = {{DType::BF16, 433},    {DType::F32, 417},
                                             {DType::F8_E4M3, 375}, {DType::F8_E8M0, 34167},
                                             {DType::I64, 3},       {DType::F4_E2M1, 33792}};
  CHECK(totals("v4-flash").by_dtype == expected);
}

TEST_CASE("the main model alone") {
  const Totals flash = totals("v4-flash", {.draft_layers = false});
  CHECK(flash.tensors == 67612);
  CHECK(flash.bytes == 156015698140);
  const Totals pro = totals("v4-pro", {.draft_layers = false});
  CHECK(pro.tensors == 142773);
  CHECK(pro.bytes == 850748205004);
  // The drafter takes the MTP block's place: the rest of the final checkpoint is the same.
  CHECK(totals("v4-flash-0731", {.draft_layers = false}).bytes == flash.bytes);
}

TEST_CASE("names are unique and shapes follow the config") {
  for (const std::string_view preset : preset_names()) {
    std::set<std::string> names;
    const auto list = inventory(ModelConfig::preset(preset));
    for (const TensorInfo& tensor : list) names.insert(tensor.name);
    CHECK(names.size() == list.size());
  }
  const auto list = inventory(ModelConfig::preset("v4-pro"));
  using Shape = std::vector<int64_t>;
  CHECK(find(list, "layers.2.attn.compressor.wkv.weight").shape == Shape{1024, 7168});
  CHECK(find(list, "layers.2.attn.compressor.ape").shape == Shape{4, 1024});
  CHECK(find(list, "layers.1.attn.compressor.ape").shape == Shape{128, 512});
  CHECK(find(list, "layers.2.attn.indexer.wq_b.weight").shape == Shape{8192, 1536});
  CHECK(find(list, "layers.0.ffn.gate.tid2eid").shape == Shape{129280, 6});
  CHECK(find(list, "layers.60.attn.wo_a.weight").shape == Shape{16384, 4096});
  CHECK(find(list, "mtp.0.hc_attn_fn").shape == Shape{24, 28672});
  CHECK(find(list, "mtp.0.e_proj.weight").layer == 61);
  const auto final = inventory(ModelConfig::preset("v4-pro-0813"));
  CHECK(find(final, "mtp.0.main_proj.weight").shape == Shape{7168, 21504});
  CHECK(find(final, "mtp.2.markov_head.markov_w2.weight").shape == Shape{129280, 512});
  CHECK(find(final, "mtp.2.confidence_head.proj.weight").shape == Shape{1, 7680});
}

TEST_CASE("the model takes exactly the inventory's tensors, in its shapes") {
  for (const char* preset : {"v4-flash", "v4-pro"}) {
    CAPTURE(preset);
    const ModelConfig config = ModelConfig::preset(preset);
    std::map<std::string, std::vector<int64_t>> taken, listed;
    ModelParams<int> params;
    for_each_param(
        config, config.num_nextn_predict_layers,
        [&](const std::string& name, ParamClass, int64_t rows, int64_t cols, int&) {
          taken[name] = {rows, cols};
        },
        params);
    for (const TensorInfo& tensor : inventory(config)) {
      listed[tensor.name] =
          tensor.shape.size() == 2 ? tensor.shape : std::vector<int64_t>{1, tensor.shape[0]};
    }
    CHECK(taken == listed);
  }
}

TEST_CASE("storage in each format") {
  const auto list = of_golden("quantised/ragged");
  using Shape = std::vector<int64_t>;
  // 192 rows: the last scale block is short.
  const auto wkv = stored(find(list, "layers.0.attn.wkv.weight"), WeightFormat::release);
  REQUIRE(wkv.size() == 2);
  CHECK(wkv[0].dtype == DType::F8_E4M3);
  CHECK(wkv[1].name == "layers.0.attn.wkv.scale");
  CHECK(wkv[1].shape == Shape{2, 1});
  const TensorInfo& expert = find(list, "layers.2.ffn.experts.4.w2.weight");
  const auto fp4 = stored(expert, WeightFormat::release);
  CHECK(fp4[0].shape == Shape{128, 64});
  CHECK(fp4[1].shape == Shape{128, 4});
  CHECK(stored(expert, WeightFormat::fp8)[0].dtype == DType::F8_E4M3);
  CHECK(stored(expert, WeightFormat::bf16)[0].bytes == 2 * 128 * 128);
  CHECK(stored(expert, WeightFormat::f32).size() == 1);
  CHECK(stored(find(list, "layers.0.hc_attn_fn"), WeightFormat::bf16)[0].dtype == DType::F32);
  CHECK(stored(find(list, "layers.0.ffn.gate.tid2eid"), WeightFormat::f16)[0].dtype == DType::I64);
  TensorInfo odd = expert;
  odd.shape = {128, 72};
  CHECK_THROWS_WITH_AS(
      stored(odd, WeightFormat::release),
      "tensor layers.2.ffn.experts.4.w2.weight: expected columns in multiples of 32 for FP4, found "
      "72",
      Error);
}

}  // namespace fathom
