// Converted checkpoints hold the same model: bytes come back after a round trip, logits have the same bits
// where nothing is rounded, and where something is, it is what the encoders say.
#include "model/convert.h"

#include <doctest/doctest.h>

#include <cmath>
#include <cstring>
#include <set>

#include "base/error.h"
#include "formats/block_fp4.h"
#include "formats/block_fp8.h"
#include "formats/decode.h"
#include "formats/encode.h"
#include "model/inventory.h"
#include "model/model.h"
#include "model/runtime.h"
#include "tests/support/file_size_limit.h"
#include "tests/support/temp_folder.h"
#include "tests/support/tensor_file.h"

namespace fathom {
namespace {

namespace fs = std::filesystem;

fs::path trained() { return fs::path(FATHOM_SOURCE_DIR) / "models" / "v4-10m"; }

ThreadPool& pool() {
  static ThreadPool two(ThreadPoolOptions{2, false, true});
  return two;
}

ConvertReport write(const fs::path& from, const fs::path& out, Naming to,
                    std::optional<ConvertDtype> dtype = {}) {
  ConvertOptions options;
  options.to = to;
  options.dtype = dtype;
  return convert(*Checkpoint::open(from), out, pool(), options);
}

// Logits of the main model, then of the MTP block, at every position.
std::vector<float> logits_of(const fs::path& path, int64_t count, bool mtp = true) {
  const auto model = Model::open(path);
  const ModelConfig& config = model->config();
  std::vector<int32_t> tokens;
  for (int64_t i = 0; i < count; ++i) tokens.push_back(static_cast<int32_t>((i * i + 3) % config.vocab_size));
  RuntimeOptions options;
  options.pool = {1, false};
  options.target = Target::plain;  // one order of sums for all formats
  Runtime<float> runtime(options);
  const auto ctx = runtime.context(config);
  KvState state = model->new_state(runtime.numerics());
  Batch batch;
  batch.add(state, tokens, LogitRows::all);
  const auto result = model->forward(ctx, batch);
  std::vector<float> out(result.logits.data, result.logits.data + result.logits.rows * result.logits.cols);
  if (mtp && model->mtp_blocks() > 0) {
    Batch draft;
    draft.add(state, std::span<const int32_t>(tokens).subspan(1));
    const auto rows = model->forward_mtp<float>(ctx, 0, draft, result.streams.slice_rows(0, count - 1));
    out.insert(out.end(), rows.data, rows.data + rows.rows * rows.cols);
  }
  return out;
}

bool same_bits(const std::vector<float>& a, const std::vector<float>& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0;
}

std::vector<std::byte> bytes_of(const Checkpoint& checkpoint, const std::string& name) {
  const TensorView t = checkpoint.tensor(name);
  if (t.shape.empty() || t.row_bytes == 0) return {t.data, t.data + t.bytes};
  std::vector<std::byte> out;
  const int64_t width = row_bytes(t.dtype, t.shape.back());
  for (int64_t i = 0; i < t.bytes / width; ++i) {
    out.insert(out.end(), t.data + i * t.row_bytes, t.data + i * t.row_bytes + width);
  }
  return out;
}

// Every tensor of `b` is in `a`, with the same dtype and bytes. Returns how many were compared.
int64_t check_same_tensors(const fs::path& a, const fs::path& b) {
  const auto before = Checkpoint::open(a), after = Checkpoint::open(b);
  CHECK(after->unknown_names().empty());
  for (const std::string& name : after->names()) {
    CAPTURE(name);
    REQUIRE(before->has(name));
    if (name.ends_with(".tid2eid")) {  // may be I32 and is written as I64
      const TensorView t = before->tensor(name);
      const int64_t count = t.bytes / block_bytes(t.dtype);
      CHECK(before->ints(name, count, 1 << 20) == after->ints(name, count, 1 << 20));
      continue;
    }
    CHECK(before->tensor(name).dtype == after->tensor(name).dtype);
    CHECK(bytes_of(*before, name) == bytes_of(*after, name));
  }
  return std::ssize(after->names());
}

std::vector<float> decoded(const Checkpoint& checkpoint, const TensorInfo& tensor) {
  const WeightView w = checkpoint.matrix(tensor.name, tensor.shape[0], tensor.shape[1]);
  std::vector<float> out(static_cast<size_t>(tensor.values()));
  for (int64_t i = 0; i < w.rows; ++i) decode_row(w, i, out.data() + i * w.cols);
  return out;
}

}  // namespace

TEST_CASE("official to transformers to official gives the same bytes") {
  for (const char* golden : {"a_swa", "b_csa", "c_hca", "d_mix", "f_real_ratios", "h_mtp", "i_csa_m6"}) {
    CAPTURE(golden);
    const fs::path source = test::golden(std::string("fp32/") + golden);
    const test::TempFolder folder;
    write(source, folder / "hf", Naming::transformers);
    CHECK(Checkpoint::open(folder / "hf")->naming() == "transformers");
    write(folder / "hf", folder / "back", Naming::official);
    const auto original = Checkpoint::open(source);
    const auto main = std::count_if(original->names().begin(), original->names().end(),
                                    [](const std::string& n) { return !n.starts_with("mtp."); });
    CHECK(check_same_tensors(source, folder / "back") == main);
    CHECK(same_bits(logits_of(source, 20, false), logits_of(folder / "hf", 20, false)));
    // The config is the same but for the draft layers that transformers has no place for.
    ModelConfig config = ModelConfig::parse(original->config_json());
    config.num_nextn_predict_layers = 0;
    config.dspark_stages = 0;
    ModelConfig back = ModelConfig::parse(Checkpoint::open(folder / "back")->config_json());
    back.dspark_stages = 0;
    config.dtype = back.dtype;
    CHECK(back == config);
  }
}

TEST_CASE("the trained model in every container without rounding") {
  const test::TempFolder folder;
  const auto expected = logits_of(trained(), 100);
  write(trained(), folder / "hf", Naming::transformers);
  for (const char* file : {"tokenizer.json", "tokenizer_config.json", "generation_config.json"}) {
    CHECK(test::read_text(folder / "hf" / file) == test::read_text(trained() / file));
  }
  write(folder / "hf", folder / "back", Naming::official, ConvertDtype::bf16);
  CHECK(check_same_tensors(trained(), folder / "back") > 400);
  CHECK(same_bits(logits_of(trained(), 100, false), logits_of(folder / "hf", 100, false)));

  const ConvertReport report = write(trained(), folder / "m.gguf", Naming::gguf, ConvertDtype::bf16);
  CHECK(report.rounded == 0);
  CHECK(same_bits(expected, logits_of(folder / "m.gguf", 100)));
  const auto gguf = Checkpoint::open(folder / "m.gguf");
  CHECK(gguf->unknown_names().empty());
  CHECK(gguf->tokenizer_json() == test::read_text(trained() / "tokenizer.json"));
  CHECK(gguf->tensor("layers.2.attn.wq_a.weight").dtype == DType::BF16);
  CHECK(gguf->tensor("layers.2.ffn.gate.weight").dtype == DType::F32);  // llama.cpp's rule
  CHECK(gguf->has("mtp.0.hc_head_fn"));

  // And back to a folder: bf16 matrices are the bytes they were.
  write(folder / "m.gguf", folder / "again", Naming::official, ConvertDtype::bf16);
  CHECK(check_same_tensors(trained(), folder / "again") == std::ssize(Checkpoint::open(trained())->names()));
  CHECK(test::read_text(folder / "again/tokenizer.json") == test::read_text(trained() / "tokenizer.json"));
}

TEST_CASE("golden models survive GGUF in F32") {
  for (const char* golden : {"a_swa", "b_csa", "d_mix", "e_yarn", "g_pro", "h_mtp", "i_csa_m6"}) {
    CAPTURE(golden);
    const fs::path source = test::golden(std::string("fp32/") + golden);
    const test::TempFolder folder;
    write(source, folder / "m.gguf", Naming::gguf, ConvertDtype::f32);
    CHECK(same_bits(logits_of(source, 20), logits_of(folder / "m.gguf", 20)));
    write(folder / "m.gguf", folder / "back", Naming::official);
    CHECK(check_same_tensors(source, folder / "back") == std::ssize(Checkpoint::open(source)->names()));
  }
}

TEST_CASE("quantised releases: copies, FP4 to FP8 and FP4 to MXFP4 round nothing") {
  for (const char* golden : {"mixed", "ragged", "wide", "fp8base"}) {
    CAPTURE(golden);
    const fs::path source = test::golden(std::string("quantised/") + golden);
    const test::TempFolder folder;
    const auto expected = logits_of(source, 40);
    CHECK(write(source, folder / "same", Naming::official).rounded == 0);
    check_same_tensors(source, folder / "same");
    CHECK(same_bits(expected, logits_of(folder / "same", 40)));
    write(source, folder / "fp8", Naming::official, ConvertDtype::fp8);
    CHECK(same_bits(expected, logits_of(folder / "fp8", 40)));
    CHECK(write(source, folder / "m.gguf", Naming::gguf, ConvertDtype::f32).rounded == 0);
    CHECK(same_bits(expected, logits_of(folder / "m.gguf", 40)));
    if (golden == std::string("fp8base")) continue;
    // Only the experts of the release keep their bits as llama.cpp's types: Q8_0 rounds FP8.
    write(source, folder / "r.gguf", Naming::gguf);
    const auto before = Checkpoint::open(source), after = Checkpoint::open(folder / "r.gguf");
    for (const TensorInfo& tensor : inventory(ModelConfig::parse(before->config_json()))) {
      if (tensor.part != TensorPart::experts) continue;
      CAPTURE(tensor.name);
      CHECK(after->tensor(tensor.name).dtype == DType::MXFP4);
      CHECK(decoded(*before, tensor) == decoded(*after, tensor));
    }
    write(folder / "r.gguf", folder / "back", Naming::official, ConvertDtype::release);
    const auto back = Checkpoint::open(folder / "back");
    for (const std::string& name : back->names()) {
      if (name.find(".experts.") == std::string::npos) continue;
      CAPTURE(name);
      CHECK(bytes_of(*before, name) == bytes_of(*back, name));
    }
  }
}

TEST_CASE("MXFP4 of FP4 alone changes no logit") {
  // Everything else in F32, so that the experts are all that changes its form.
  const fs::path source = test::golden("quantised/mixed");
  const test::TempFolder folder;
  write(source, folder / "m.gguf", Naming::gguf, ConvertDtype::mxfp4);
  write(folder / "m.gguf", folder / "plain", Naming::official, ConvertDtype::f32);
  write(folder / "m.gguf", folder / "fp4", Naming::official, ConvertDtype::release);
  CHECK(same_bits(logits_of(folder / "m.gguf", 40), logits_of(folder / "plain", 40)));
}

TEST_CASE("release of the trained model is what the encoders say") {
  const test::TempFolder folder;
  const ConvertReport report = write(trained(), folder / "r", Naming::official, ConvertDtype::release);
  CHECK(report.rounded > 300);
  const auto before = Checkpoint::open(trained()), after = Checkpoint::open(folder / "r");
  const ModelConfig config = ModelConfig::parse(after->config_json());
  CHECK(config.quantised);
  CHECK(config.expert_dtype == "fp4");
  std::set<StorageClass> seen;
  for (const TensorInfo& tensor : inventory(config)) {
    if (tensor.storage != StorageClass::q8 && tensor.storage != StorageClass::q4) continue;
    CAPTURE(tensor.name);
    const std::vector<float> x = decoded(*before, tensor);
    const Mat<const float> w(x.data(), tensor.shape[0], tensor.shape[1]);
    const bool fp4 = tensor.storage == StorageClass::q4;
    const Fp4Matrix small = fp4 ? encode_fp4(w) : Fp4Matrix{};
    const Fp8Matrix large = fp4 ? Fp8Matrix{} : encode_fp8(w, ScaleFormat::ue8m0);
    const auto& values = fp4 ? small.packed : large.codes;
    const auto& scales = fp4 ? small.scales : large.scales;
    const auto stored = bytes_of(*after, tensor.name);
    const std::string scale = tensor.name.substr(0, tensor.name.rfind(".weight")) + ".scale";
    const auto stored_scales = bytes_of(*after, scale);
    REQUIRE(stored.size() == values.size());
    REQUIRE(stored_scales.size() == scales.size());
    CHECK(std::memcmp(stored.data(), values.data(), values.size()) == 0);
    CHECK(std::memcmp(stored_scales.data(), scales.data(), scales.size()) == 0);
    seen.insert(tensor.storage);
  }
  CHECK(seen.size() == 2);
  for (const float each : logits_of(folder / "r", 20)) REQUIRE(std::isfinite(each));
}

TEST_CASE("FP8 in transformers' naming: fused grids of scales") {
  const fs::path source = test::golden("quantised/wide");  // inter 256: two blocks each for gate and up
  const test::TempFolder folder;
  for (const auto dtype : {ConvertDtype::fp8, ConvertDtype::release}) {
    CAPTURE(name(dtype));
    const std::string out(name(dtype));
    write(source, folder / out, Naming::transformers, dtype);
    CHECK(test::TensorFile::open(folder / out / "model.safetensors")
              .has("model.layers.0.mlp.experts.gate_up_proj_scale_inv"));
    CHECK(same_bits(logits_of(source, 40), logits_of(folder / out, 40)));
  }
}

TEST_CASE("ggml blocks that do not divide a row fall back to F16") {
  const fs::path source = test::golden("fp32/a_swa");
  const ModelConfig config = ModelConfig::parse(test::read_text(source / "config.json"));
  REQUIRE(config.moe_intermediate_size % 32 != 0);
  const test::TempFolder folder;
  const ConvertReport report = write(source, folder / "m.gguf", Naming::gguf, ConvertDtype::q8_0);
  REQUIRE_FALSE(report.notes.empty());
  CHECK(report.notes.front().find("matrices are F16, their columns being no multiple of 32") !=
        std::string::npos);
  const auto gguf = Checkpoint::open(folder / "m.gguf");
  CHECK(gguf->tensor("layers.0.ffn.experts.0.w2.weight").dtype == DType::F16);
  // The rows that the blocks do divide are what ggml's encoder makes of them.
  const auto before = Checkpoint::open(source);
  int64_t compared = 0;
  for (const TensorInfo& tensor : inventory(config)) {
    if (gguf->tensor(tensor.name).dtype != DType::Q8_0) continue;
    CAPTURE(tensor.name);
    const std::vector<float> x = decoded(*before, tensor);
    const int64_t cols = tensor.shape[1], width = row_bytes(DType::Q8_0, cols);
    std::vector<std::byte> rows(static_cast<size_t>(tensor.shape[0] * width));
    for (int64_t i = 0; i < tensor.shape[0]; ++i) {
      encode_row(DType::Q8_0, x.data() + i * cols, cols, rows.data() + i * width);
    }
    CHECK(bytes_of(*gguf, tensor.name) == rows);
    ++compared;
  }
  CHECK(compared > 20);
}

TEST_CASE("every change of dtype is told, rounded or not") {
  const test::TempFolder folder;
  const auto told = [](const ConvertReport& report, const std::string& text) {
    return std::any_of(report.notes.begin(), report.notes.end(),
                       [&](const std::string& note) { return note.find(text) != std::string::npos; });
  };
  const ConvertReport release = write(trained(), folder / "release", Naming::official, ConvertDtype::release);
  CHECK(told(release, "matrices of BF16 are rounded to F8_E4M3: the first is layers.0.attn.wq_a.weight"));
  CHECK(told(release, "matrices of BF16 are rounded to F4_E2M1"));
  const ConvertReport gguf =
      write(folder / "release", folder / "m.gguf", Naming::gguf, ConvertDtype::release);
  CHECK(told(gguf, "matrices of F8_E4M3 are rounded to Q8_0"));
  CHECK(told(gguf, "matrices of F4_E2M1 become MXFP4"));
  const ConvertReport back = write(folder / "m.gguf", folder / "back", Naming::official);
  CHECK(told(back, "matrices of Q8_0 are rounded to"));
  CHECK(told(back, "matrices of MXFP4 become"));
  CHECK(write(trained(), folder / "same", Naming::transformers).notes.size() == 1);  // about MTP
}

TEST_CASE("what a target cannot hold is refused and leaves nothing behind") {
  const fs::path fp4 = test::golden("quantised/mixed"), small = test::golden("fp32/a_swa");
  const test::TempFolder folder;
  const auto refuses = [&](const fs::path& from, const std::string& out, Naming to, ConvertDtype dtype,
                           const std::string& message) {
    CAPTURE(out);
    try {
      write(from, folder / out, to, dtype);
      FAIL("expected an error");
    } catch (const Error& error) {
      CHECK(error.message().find(message) != std::string::npos);
      CHECK(error.message() == message);
    }
    CHECK_FALSE(fs::exists(folder / out));
  };
  refuses(fp4, "a.gguf", Naming::gguf, ConvertDtype::fp8,
          "--dtype: expected f32, f16, bf16, q8_0, mxfp4 or release for gguf, found fp8");
  refuses(fp4, "a", Naming::official, ConvertDtype::q8_0,
          "--dtype: expected f32, f16, bf16, fp8 or release for official, found q8_0");
  refuses(small, "b", Naming::official, ConvertDtype::release,
          "tensor layers.0.ffn.experts.0.w2.weight: expected columns in multiples of 32 for FP4, found 20");
  refuses(small, "c", Naming::transformers, ConvertDtype::fp8,
          "tensor model.layers.0.mlp.experts.gate_up_proj: expected rows of gate and up in multiples of 128 "
          "for FP8, found 20 (convert to official naming, or to bf16)");
  CHECK_THROWS_AS(write(small, folder / "model.bin", Naming::gguf), Error);
  CHECK(folder.names().empty());

  write(small, folder / "there", Naming::official);
  CHECK_THROWS_AS(write(small, folder / "there", Naming::official), Error);
  CHECK(check_same_tensors(small, folder / "there") > 0);
}

TEST_CASE("stopped half-way, nothing is left") {
  const test::TempFolder folder;
  for (const bool gguf : {false, true}) {
    ConvertOptions options;
    options.to = gguf ? Naming::gguf : Naming::official;
    options.progress = [](int64_t done, int64_t total) { return done < total / 2; };
    CHECK_THROWS_AS(convert(*Checkpoint::open(test::golden("fp32/d_mix")), folder / (gguf ? "m.gguf" : "m"),
                            pool(), options),
                    Interrupted);
  }
  CHECK(folder.names().empty());
}

TEST_CASE("a full disk leaves nothing behind") {
  const test::TempFolder folder;
  for (const char* out : {"m", "m.gguf"}) {
    CAPTURE(out);
    const Naming to = out == std::string("m") ? Naming::official : Naming::gguf;
    const test::FileSizeLimit full(100'000);
    CHECK_THROWS_AS(write(test::golden("fp32/d_mix"), folder / out, to), Error);
  }
  CHECK(folder.names().empty());
}

TEST_CASE("shards, and a config of layers that other readers must be told about") {
  const test::TempFolder folder;
  ConvertOptions options;
  options.max_shard_bytes = 1 << 20;
  const ConvertReport report = convert(*Checkpoint::open(trained()), folder / "s", pool(), options);
  CHECK(fs::exists(folder / "s/model.safetensors.index.json"));
  CHECK(report.files.size() > 20);
  for (const fs::path& file : report.files) CHECK(fs::exists(file));
  check_same_tensors(trained(), folder / "s");
  const auto config = test::read_json(folder / "s/config.json");
  CHECK(config.at("layer_types").at(3) == "heavily_compressed_attention");
  CHECK(config.at("compress_rates").at("heavily_compressed_attention") == 16);
}

}  // namespace fathom
