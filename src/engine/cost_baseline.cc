#include "engine/cost_baseline.h"

namespace fathom {
namespace {

constexpr int64_t kHidden = 7168, kVocab = 129280, kLayers = 61, kDenseLayers = 3, kDenseInter = 18432;
constexpr int64_t kHeads = 128, kQueryRank = 1536, kKvRank = 512, kRope = 64, kNope = 128, kValue = 128;
constexpr int64_t kExperts = 256, kChosen = 8, kInter = 2048;
constexpr int64_t kIndexHeads = 64, kIndexDim = 128, kIndexTopK = 2048;
constexpr int64_t kEntryBytes = 656, kIndexBytes = 132;

// Adds `copies` equal matrices, of which a token meets `met`.
class Counter {
 public:
  explicit Counter(CostModel& model) : model_(model) {}

  void fp8(const char* part, int64_t rows, int64_t cols, int64_t copies, int64_t met) {
    const int64_t scales = 4 * ((rows + 127) / 128) * ((cols + 127) / 128);
    count(part, rows * cols, copies, met);
    model_.bytes_by_dtype[DType::F8_E4M3] += copies * rows * cols;
    model_.bytes_by_dtype[DType::F32] += copies * scales;
    model_.active_bytes += met * (rows * cols + scales);
  }
  void wide(DType dtype, const char* part, int64_t values, int64_t copies, int64_t met) {
    const int64_t bytes = values * block_bytes(dtype);
    count(part, values, copies, met);
    model_.bytes_by_dtype[dtype] += copies * bytes;
    model_.active_bytes += met * bytes;
  }

 private:
  void count(const char* part, int64_t values, int64_t copies, int64_t met) {
    for (PartCount& each : model_.parts) {
      if (each.part != part) continue;
      each.total += copies * values;
      each.active += met * values;
      return;
    }
    model_.parts.push_back({part, copies * values, met * values});
  }

  CostModel& model_;
};

}  // namespace

CostModel v32_cost() {
  CostModel model;
  model.name = "v3.2";
  model.index_weight = 1;  // FP8
  Counter add(model);
  constexpr auto kBf16 = DType::BF16;
  add.wide(kBf16, "embedding", kVocab * kHidden, 1, 0);
  add.wide(kBf16, "head", kVocab * kHidden, 1, 1);
  add.wide(kBf16, "norm", kHidden, 2 * kLayers + 1, 2 * kLayers + 1);
  add.fp8("attention", kQueryRank, kHidden, kLayers, kLayers);
  add.wide(kBf16, "norm", kQueryRank + kKvRank, kLayers, kLayers);
  add.fp8("attention", kHeads * (kNope + kRope), kQueryRank, kLayers, kLayers);
  add.fp8("attention", kKvRank + kRope, kHidden, kLayers, kLayers);
  add.fp8("attention", kHeads * (kNope + kValue), kKvRank, kLayers, kLayers);
  add.fp8("attention", kHidden, kHeads * kValue, kLayers, kLayers);
  add.fp8("indexer", kIndexHeads * kIndexDim, kQueryRank, kLayers, kLayers);
  add.fp8("indexer", kIndexDim, kHidden, kLayers, kLayers);
  add.wide(kBf16, "indexer", kIndexHeads * kHidden, kLayers, kLayers);
  add.wide(kBf16, "indexer", 2 * kIndexDim, kLayers, kLayers);  // layer norm of the keys: weight and bias
  add.fp8("dense_mlp", kDenseInter, kHidden, 2 * kDenseLayers, 2 * kDenseLayers);
  add.fp8("dense_mlp", kHidden, kDenseInter, kDenseLayers, kDenseLayers);
  constexpr int64_t kMoe = kLayers - kDenseLayers;
  add.wide(kBf16, "router", kExperts * kHidden, kMoe, kMoe);
  add.wide(DType::F32, "router", kExperts, kMoe, kMoe);
  add.fp8("experts", kInter, kHidden, 2 * kMoe * kExperts, 2 * kMoe * kChosen);
  add.fp8("experts", kHidden, kInter, kMoe * kExperts, kMoe * kChosen);
  add.fp8("shared_expert", kInter, kHidden, 2 * kMoe, 2 * kMoe);
  add.fp8("shared_expert", kHidden, kInter, kMoe, kMoe);

  AttentionCost a;  // absorbed MLA: every token is an entry, key 576 and value 512 wide
  a.count = kLayers;
  a.kind = "mla";
  a.ratio = 1;
  a.top_k = kIndexTopK;
  a.flops_per_entry = 2.0 * static_cast<double>(kHeads * (kKvRank + kRope + kKvRank));
  a.index_flops = 2.0 * static_cast<double>(kIndexHeads * kIndexDim);
  a.entry_bytes = kEntryBytes;
  a.index_bytes = kIndexBytes;
  model.attention.push_back(a);
  return model;
}

CostModel v3_training_cost() {
  CostModel model = v32_cost();
  model.name = "v3";
  std::erase_if(model.parts, [](const PartCount& part) { return part.part == "indexer"; });
  AttentionCost& a = model.attention.front();
  a.top_k = 0;
  a.index_flops = 0;
  a.index_bytes = 0;
  a.flops_per_entry = 2.0 * static_cast<double>(kHeads * (kNope + kRope + kValue));
  // One MTP block: a layer of experts, the projection of [h, e] to its input, and the head once more.
  for (const PartCount& part : model.parts) {
    constexpr int64_t kMoe = kLayers - kDenseLayers;
    if (part.part == "attention") model.draft_active += part.active / kLayers;
    if (part.part == "experts" || part.part == "shared_expert" || part.part == "router") {
      model.draft_active += part.active / kMoe;
    }
  }
  model.draft_active += 2 * kHidden * kHidden + kVocab * kHidden;
  return model;
}

}  // namespace fathom
