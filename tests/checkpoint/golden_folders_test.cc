// Every golden folder opens, under each naming, and shows exactly the tensors, bytes and shapes that the
// tests' own reader of safetensors finds in its files.
#include <doctest/doctest.h>

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <map>

#include "base/error.h"
#include "checkpoint/checkpoint.h"
#include "tests/support/tensor_file.h"

namespace fathom {
namespace {

using test::TensorFile;

std::vector<TensorFile> files_of(const std::filesystem::path& folder) {
  std::vector<TensorFile> files;
  for (const auto& item : std::filesystem::directory_iterator(folder)) {
    const std::string name = item.path().filename().string();
    if (name.starts_with("model") && name.ends_with(".safetensors") &&
        name.find("bf16") == std::string::npos) {
      files.push_back(TensorFile::open(item.path()));
    }
  }
  return files;
}

std::vector<uint8_t> bytes_of(const TensorView& view) {
  std::vector<uint8_t> out(static_cast<size_t>(view.bytes));
  if (!out.empty()) std::memcpy(out.data(), view.data, out.size());
  return out;
}

TEST_CASE("official folders: every tensor under its own name, bytes in place") {
  for (const char* name : {"fp32/a_swa", "fp32/b_csa", "fp32/c_hca", "fp32/d_mix", "fp32/e_yarn",
                           "fp32/f_real_ratios", "fp32/g_pro", "fp32/h_mtp", "fp32/i_csa_m6",
                           "quantised/mixed", "quantised/ragged", "quantised/wide", "quantised/fp8base"}) {
    CAPTURE(name);
    const auto folder = test::golden(name);
    const auto checkpoint = Checkpoint::open(folder);
    CHECK(checkpoint->naming() == "official");
    CHECK(checkpoint->path() == folder);
    CHECK(checkpoint->config_json() == test::read_text(folder / "config.json"));
    CHECK(checkpoint->tokenizer_json().empty());
    CHECK(checkpoint->unknown_names().empty());
    CHECK(checkpoint->unused_names().empty());
    CHECK(checkpoint->notes().empty());
    CHECK(!checkpoint->dspark());
    CHECK(std::is_sorted(checkpoint->names().begin(), checkpoint->names().end()));
    size_t stored = 0, copies = 0;
    for (const TensorFile& file : files_of(folder)) {
      for (const std::string& tensor : file.names()) {
        CAPTURE(tensor);
        ++stored;
        if (tensor == "mtp.0.emb.tok_emb.weight" || tensor == "mtp.0.head.weight") {
          ++copies;
          CHECK(!checkpoint->has(tensor));
          continue;
        }
        REQUIRE(checkpoint->has(tensor));
        const TensorView view = checkpoint->tensor(tensor);
        CHECK(fathom::name(view.dtype) == file.dtype(tensor));
        CHECK(view.shape == file.shape(tensor));
        CHECK(bytes_of(view) == file.bytes(tensor));
      }
    }
    CHECK(checkpoint->names().size() == stored - copies);
    CHECK(copies == (std::string(name) == "quantised/fp8base" ? 2 : 0));
    CHECK(checkpoint->has("mtp.0.e_proj.weight") == (files_of(folder)[0].has("mtp.0.enorm.weight")));
    checkpoint->validate_scales();
  }
}

TEST_CASE("transformers and hybrid folders hold the official values under official names") {
  struct Case {
    const char *folder, *official, *naming;
  };
  for (const auto& [folder, official, naming] :
       {Case{"fp32/h_mtp/hf", "fp32/h_mtp", "transformers"},
        Case{"fp32/i_csa_m6/hf", "fp32/i_csa_m6", "transformers"},
        Case{"fp32/i_csa_m6/hf_default", "fp32/i_csa_m6", "hybrid"}}) {
    CAPTURE(folder);
    const auto checkpoint = Checkpoint::open(test::golden(folder));
    const auto expected = Checkpoint::open(test::golden(official));
    CHECK(checkpoint->naming() == naming);
    CHECK(checkpoint->unknown_names().empty());
    std::vector<std::string> main;
    for (const std::string& tensor : expected->names()) {
      if (!tensor.starts_with("mtp.")) main.push_back(tensor);  // transformers drops the MTP block
    }
    CHECK(checkpoint->names() == main);
    for (const std::string& tensor : main) {
      CAPTURE(tensor);
      const TensorView have = checkpoint->tensor(tensor), want = expected->tensor(tensor);
      CHECK(have.shape == want.shape);
      if (tensor.ends_with("tid2eid")) {
        const int64_t count = want.shape[0] * want.shape[1];
        CHECK(checkpoint->ints(tensor, count, 1000) == expected->ints(tensor, count, 1000));
      } else {
        CHECK(bytes_of(have) == bytes_of(want));
      }
    }
  }
}

TEST_CASE("matrices carry their scales") {
  const auto mixed = Checkpoint::open(test::golden("quantised/mixed"));
  const TensorFile file = TensorFile::open(test::golden("quantised/mixed/model.safetensors"));
  const WeightView fp4 = mixed->matrix("layers.1.ffn.experts.2.w1.weight", 128, 128);
  CHECK(fp4.dtype == DType::F4_E2M1);
  CHECK(fp4.scale_layout == ScaleLayout::row_32);
  CHECK(fp4.scale_dtype == DType::F8_E8M0);
  CHECK(fp4.row_bytes == 64);
  CHECK(fp4.scale_row_bytes == 4);
  const auto weights = file.bytes("layers.1.ffn.experts.2.w1.weight");
  const auto scales = file.bytes("layers.1.ffn.experts.2.w1.scale");
  CHECK(std::memcmp(fp4.data, weights.data(), weights.size()) == 0);
  CHECK(std::memcmp(fp4.scales, scales.data(), scales.size()) == 0);

  const auto ragged = Checkpoint::open(test::golden("quantised/ragged"));
  const WeightView fp8 = ragged->matrix("layers.1.attn.indexer.wq_b.weight", 192, 128);
  CHECK(fp8.dtype == DType::F8_E4M3);
  CHECK(fp8.scale_layout == ScaleLayout::block_128);
  CHECK(fp8.scale_row_bytes == 1);

  const auto base = Checkpoint::open(test::golden("quantised/fp8base"));
  const WeightView f32 = base->matrix("layers.0.attn.wq_b.weight", 256, 128);
  CHECK(f32.scale_dtype == DType::F32);
  CHECK(f32.scale_row_bytes == 4);
  CHECK(base->matrix("embed.weight", 256, 128).dtype == DType::BF16);
}

TEST_CASE("what is asked for must be what is stored") {
  const auto mixed = Checkpoint::open(test::golden("quantised/mixed"));
  const auto message = [](auto&& f) -> std::string {
    try {
      f();
    } catch (const Error& e) {
      return e.message();
    }
    return "no error";
  };
  const auto says = [](const std::string& text, std::initializer_list<const char*> parts) {
    for (const char* part : parts) {
      CAPTURE(text);
      CAPTURE(part);
      CHECK(text.find(part) != std::string::npos);
    }
  };
  says(message([&] { mixed->tensor("layers.9.attn.wq_a.weight"); }),
       {"mixed", "layers.9.attn.wq_a.weight", "nothing"});
  says(message([&] { mixed->matrix("layers.1.attn.wq_a.weight", 128, 256); }),
       {"model.safetensors", "layers.1.attn.wq_a.weight", "shape", "[128, 256]", "[128, 128]"});
  says(message([&] { mixed->matrix("layers.1.ffn.experts.0.w1.weight", 128, 64); }),
       {"shape", "[128, 32]", "[128, 64]"});
  says(message([&] { mixed->matrix("layers.0.ffn.gate.tid2eid", 192, 2); }), {"tid2eid", "dtype", "I64"});
  says(message([&] { mixed->floats("norm.weight", 127); }), {"norm.weight", "127 values", "[128]"});
  says(message([&] { mixed->floats("layers.0.ffn.gate.tid2eid", 384); }), {"dtype", "F32", "I64"});
  says(message([&] { mixed->ints("norm.weight", 128, 10); }), {"dtype", "I64 or I32", "BF16"});
  says(message([&] { mixed->ints("layers.0.ffn.gate.tid2eid", 384, 2); }), {"tid2eid", "value", "0 to 1"});
  // As many values, transposed.
  says(message([&] { mixed->ints("layers.0.ffn.gate.tid2eid", 2, 192, 4); }),
       {"tid2eid", "shape", "[2, 192]", "[192, 2]"});
  says(message([&] { mixed->floats("norm.weight", 2, 64); }), {"norm.weight", "shape", "[2, 64]", "[128]"});
  CHECK(mixed->ints("layers.0.ffn.gate.tid2eid", 192, 2, 4).size() == 384);
  CHECK(mixed->floats("norm.weight", 1, 128).size() == 128);
  CHECK(mixed->floats("norm.weight", 128).size() == 128);
  CHECK(mixed->ints("layers.0.ffn.gate.tid2eid", 384, 4).size() == 384);
}

}  // namespace
}  // namespace fathom
