// What inspect says of a checkpoint, and of the choices a model makes over a text.
#include "engine/inspect.h"

#include <doctest/doctest.h>

#include <cmath>
#include <fstream>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "engine/inspect_text.h"
#include "engine/recorder.h"
#include "model/convert.h"
#include "model/synthetic.h"
#include "model/training/loss.h"
#include "tests/support/gradients.h"
#include "tests/support/temp_folder.h"
#include "tests/support/tensor_file.h"

namespace fathom {
namespace {

namespace fs = std::filesystem;

// The golden folder with one byte of a tensor changed.
void spoil(const fs::path& from, const fs::path& to, const std::string& tensor, char byte) {
  fs::create_directory(to);
  for (const auto& entry : fs::directory_iterator(from)) {
    if (entry.is_regular_file()) fs::copy_file(entry.path(), to / entry.path().filename());
  }
  const uint64_t offset = test::TensorFile::open(from / "model.safetensors").offset(tensor);
  fs::permissions(to / "model.safetensors", fs::perms::owner_write, fs::perm_options::add);
  std::fstream file(to / "model.safetensors", std::ios::in | std::ios::out | std::ios::binary);
  file.seekp(static_cast<std::streamoff>(offset) + 3);
  file.put(byte);
}

std::vector<int32_t> some_ids(const ModelConfig& config, int64_t count) {
  std::vector<int32_t> ids;
  for (int64_t i = 0; i < count; ++i)
    ids.push_back(static_cast<int32_t>((i * i * 5 + 2) % config.vocab_size));
  return ids;
}

}  // namespace

TEST_CASE("a quantised release: counts, parts, scales") {
  const auto checkpoint = Checkpoint::open(test::golden("quantised/mixed"));
  const Inspection found = inspect(*checkpoint);
  const auto file = test::TensorFile::open(test::golden("quantised/mixed") / "model.safetensors");
  int64_t bytes = 0;
  for (const std::string& name : file.names()) bytes += std::ssize(file.bytes(name));
  CHECK(found.total.tensors == std::ssize(file.names()));
  CHECK(found.total.bytes == bytes);
  CHECK(found.dtypes.at("F4_E2M1 (I8)").tensors == 4 * 3 * 4);  // experts of three layers and MTP
  CHECK(found.missing.empty());
  CHECK(found.unknown.empty());
  CHECK(found.mtp_blocks == 1);
  CHECK(found.scales == ScaleCheck::good);
  CHECK(found.scale_tensors == found.dtypes.at("F8_E8M0").tensors);
  int64_t parts = 0;
  for (const auto& [name, count] : found.parts) parts += count.tensors;
  CHECK(parts == found.total.tensors);
  CHECK(found.parts.count("outside the config") == 0);

  const std::string text = inspection_text(found, true);
  CHECK(text.find("quantised: FP8 128x128, scales UE8M0, experts fp4") != std::string::npos);
  CHECK(text.find("layers.0.attn.wq_a.scale") != std::string::npos);
  const auto json = nlohmann::json::parse(inspection_json(found));
  CHECK(json.at("bytes") == bytes);
  CHECK(json.at("list").size() == file.names().size());
  CHECK(json.at("dspark").is_null());
  CHECK(json.at("scales").at("state") == "good");
}

TEST_CASE("a NaN scale is named; the limit leaves scales unread") {
  const test::TempFolder folder;
  spoil(test::golden("quantised/mixed"), folder / "m", "layers.1.ffn.experts.2.w1.scale", '\xff');
  const auto checkpoint = Checkpoint::open(folder / "m");
  const Inspection found = inspect(*checkpoint);
  CHECK(found.scales == ScaleCheck::broken);
  CHECK(found.scale_error.find("layers.1.ffn.experts.2.w1.scale: scale 3: expected a finite number") !=
        std::string::npos);
  CHECK(inspect(*checkpoint, {.most_scale_bytes = 10}).scales == ScaleCheck::skipped);
  CHECK(inspect(*checkpoint, {.most_scale_bytes = -1}).scales == ScaleCheck::broken);
}

TEST_CASE("scales inside GGUF's blocks are counted and checked") {
  const test::TempFolder folder;
  ThreadPool pool(1);
  ConvertOptions convert_options;
  convert_options.to = Naming::gguf;
  convert_options.dtype = ConvertDtype::release;
  convert(*Checkpoint::open(test::golden("quantised/mixed")), folder / "m.gguf", pool, convert_options);
  const auto checkpoint = Checkpoint::open(folder / "m.gguf");
  const Inspection found = inspect(*checkpoint);
  CHECK(found.scales == ScaleCheck::good);
  const TensorCount q8 = found.dtypes.at("Q8_0"), mxfp4 = found.dtypes.at("MXFP4");
  CHECK(found.scale_tensors == q8.tensors + mxfp4.tensors);
  CHECK(found.scale_bytes == q8.bytes / 34 * 2 + mxfp4.bytes / 17);
  CHECK(inspect(*checkpoint, {.most_scale_bytes = found.scale_bytes}).scales == ScaleCheck::skipped);
}

TEST_CASE("the published Flash-0731 with its drafter") {
  const test::TempFolder folder;
  ThreadPool pool(1);
  SyntheticOptions options;
  options.format = WeightFormat::release;
  options.sparse = true;
  write_synthetic(folder / "m", ModelConfig::preset("v4-flash-0731"), pool, options);
  const Inspection found = inspect(*Checkpoint::open(folder / "m"));
  CHECK(found.total.tensors == 72317);
  CHECK(found.total.bytes == 166878536440);
  REQUIRE(found.dspark.has_value());
  const auto drafter = found.dspark.value_or(DsparkInfo{});
  CHECK(drafter.stages == 3);
  CHECK(drafter.tensors == found.parts.at("draft layers").tensors);
  CHECK(found.mtp_blocks == 0);
  CHECK(found.parameters == doctest::Approx(284.33e9).epsilon(1e-4));
  CHECK(found.scales == ScaleCheck::skipped);  // 8 GB of them
  CHECK(inspection_text(found, false).find("DSpark drafter: 3 stages") != std::string::npos);
}

TEST_CASE("experts and entries are those of the recorded run") {
  const auto model = Model::open(test::golden("fp32/d_mix"));
  const ModelConfig& config = model->config();
  RuntimeOptions options;
  options.pool = {1, false};
  Runtime<float> runtime(options);
  const auto ids = some_ids(config, 300);  // more than one chunk
  const TextChoices found = inspect_choices(runtime, *model, ids);
  RecordOptions record;
  record.trace = true;
  const SequenceRecord expected = record_sequence(runtime, *model, ids, record);
  CHECK(found.tokens == 300);
  for (int64_t layer = 0; layer < config.num_hidden_layers; ++layer) {
    CAPTURE(layer);
    const RoutingSummary& routing = found.routing[static_cast<size_t>(layer)];
    const LayerRecord& run = expected.layers.at(layer);
    std::vector<int64_t> counts(static_cast<size_t>(config.n_routed_experts), 0);
    for (const int32_t id : run.router_ids) ++counts[static_cast<size_t>(id)];
    CHECK(routing.tokens == counts);
    CHECK(routing.hash == config.layer(layer).hash);
    CHECK(routing.entropy_bits > 0);
    CHECK(routing.entropy_bits <= std::log2(static_cast<double>(config.n_routed_experts)) + 1e-9);
    double weights = 0;
    for (size_t e = 0; e < counts.size(); ++e) weights += routing.weight[e] * static_cast<double>(counts[e]);
    CHECK(weights == doctest::Approx(300 * config.routed_scaling_factor).epsilon(1e-4));

    const AttentionSummary& attention = found.attention[static_cast<size_t>(layer)];
    if (attention.config.ratio > 0) CHECK(attention.entries == 300 / attention.config.ratio);
    if (attention.config.kind != LayerKind::csa) continue;
    const auto width = static_cast<size_t>(run.indexer_width);
    std::vector<int32_t> last(run.indexer.end() - static_cast<std::ptrdiff_t>(width), run.indexer.end());
    std::erase(last, -1);
    CHECK(attention.last == last);
    // A token chooses once more entries are visible than index_topk.
    const int64_t first = (config.index_topk + 1) * attention.config.ratio - 1;
    CHECK(attention.selecting == 300 - first);
    CHECK(attention.selected_share > 0);
    CHECK(attention.selected_share < 1);
    CHECK(attention.distinct <= attention.entries);
  }
  CHECK(nlohmann::json::parse(routing_json(found)).at("layers").size() == found.routing.size());
  CHECK(nlohmann::json::parse(attention_json(found)).at("layers").size() == found.attention.size());
  CHECK(routing_text(found).find("hash") != std::string::npos);
  CHECK(attention_text(found).find("csa") != std::string::npos);
}

TEST_CASE("what an indexer's choice holds is what training measures, range by range") {
  const auto model = Model::open(test::golden("fp32/d_mix"));
  const ModelConfig& config = model->config();
  RuntimeOptions runtime_options;
  runtime_options.pool = {2, false};
  Runtime<float> runtime(runtime_options);
  const auto ids = some_ids(config, 200);
  ChoiceOptions options;
  options.capture = true;
  const TextChoices found = inspect_choices(runtime, *model, ids, options);

  const test::Gradients<float> gradients(config, model->mtp_blocks());
  const Context<float> ctx = runtime.context(config);
  LossOptions loss;
  loss.indexer_weight = 1;
  const LossReport report =
      loss_and_gradients<float>(ctx, *model, {{ids, ids, {}, {}}}, loss, gradients.params);
  int64_t layers = 0;
  for (size_t i = 0; i < found.attention.size(); ++i) {
    const AttentionSummary& layer = found.attention[i];
    const IndexerLoss& expected = report.indexer[i];
    CHECK(layer.capture.empty() == (expected.queries == 0));
    if (layer.capture.empty()) continue;
    ++layers;
    // Training counts queries that see no more than they may choose as wholly captured.
    double sum = static_cast<double>(expected.queries - layer.selecting);
    int64_t queries = 0;
    for (const CaptureRange& range : layer.capture) {
      sum += range.captured * static_cast<double>(range.queries);
      queries += range.queries;
      CHECK(range.captured > 0);
      CHECK(range.captured < 1);
      CHECK(range.even < 1);
    }
    CHECK(queries == layer.selecting);
    CHECK(sum == doctest::Approx(expected.captured).epsilon(1e-6));
  }
  CHECK(layers > 0);
  CHECK(capture_picture(found).find("</svg>") != std::string::npos);
  CHECK(attention_text(found).find("by chance") != std::string::npos);
}

TEST_CASE("rows start anew, and each expert's tokens are counted by kind") {
  const fs::path folder = fs::path(FATHOM_SOURCE_DIR) / "models/v4-10m";
  const auto model = Model::open(folder);
  const auto tokenizer = Tokenizer::open(folder);
  RuntimeOptions runtime_options;
  runtime_options.pool = {2, false};
  Runtime<float> runtime(runtime_options);
  const auto ids = tokenizer->encode("The 3 little pigs, who lived in 12 houses.\n\nThe end.\n", true);
  ChoiceOptions options;
  options.tokenizer = tokenizer.get();
  options.row = std::ssize(ids) / 2 + 1;
  const TextChoices halves = inspect_choices(runtime, *model, ids, options);
  CHECK(halves.tokens == std::ssize(ids));
  const int64_t rows = (std::ssize(ids) + options.row - 2) / (options.row - 1);
  const auto kinds = token_kinds(*tokenizer);
  for (const RoutingSummary& layer : halves.routing) {
    std::array<int64_t, kTokenKinds> counts{};
    for (const auto& expert : layer.kinds) {
      for (size_t k = 0; k < counts.size(); ++k) counts[k] += expert[k];
    }
    std::array<int64_t, kTokenKinds> expected{};
    for (const int32_t id : ids) {
      expected[static_cast<size_t>(kinds[static_cast<size_t>(id)])] += model->config().num_experts_per_tok;
    }
    expected[static_cast<size_t>(TokenKind::special)] += rows * model->config().num_experts_per_tok;  // BOS
    CHECK(counts == expected);
    CHECK(layer.typical.size() == layer.tokens.size());
  }
  CHECK(routing_text(halves).find("special") != std::string::npos);
  CHECK(nlohmann::json::parse(routing_json(halves))["layers"][0]["kinds"][0].contains("number"));
  CHECK(routing_pictures(halves).find("which expert takes a kind of token") != std::string::npos);
  options.row = 1;
  CHECK_THROWS_WITH_AS(inspect_choices(runtime, *model, ids, options),
                       "row: expected at least 2 tokens, found 1", Error);
}

}  // namespace fathom
