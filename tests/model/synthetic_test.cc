// Random checkpoints: every tensor of the inventory is there, the same for any number of threads, and the
// model that opens them computes finite logits.
#include "model/synthetic.h"

#include <doctest/doctest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmath>
#include <set>

#include "base/error.h"
#include "base/file.h"
#include "checkpoint/checkpoint.h"
#include "model/batch.h"
#include "model/model.h"
#include "model/runtime.h"
#include "tests/support/file_size_limit.h"
#include "tests/support/tensor_file.h"

namespace fathom {
namespace {

namespace fs = std::filesystem;

// A folder that goes away with it.
class Folder {
 public:
  Folder() {
    static int number = 0;
    path_ = fs::temp_directory_path() / fmt::format("fathom_synthetic_{}_{}", getpid(), number++);
    fs::remove_all(path_);
  }
  ~Folder() { fs::remove_all(path_); }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  const fs::path& path() const { return path_; }

 private:
  fs::path path_;
};

ModelConfig golden_config(const std::string& folder) {
  return ModelConfig::parse(test::read_text(test::golden(folder) / "config.json"));
}

ModelConfig write(const Folder& folder, const ModelConfig& config, const SyntheticOptions& options,
                  int threads = 2) {
  ThreadPool pool(ThreadPoolOptions{threads, false, threads > 1});
  write_synthetic(folder.path(), config, pool, options);
  return ModelConfig::parse(test::read_text(folder.path() / "config.json"));
}

std::vector<float> logits_of(const fs::path& folder, const std::vector<int32_t>& tokens) {
  const auto model = Model::open(folder);
  RuntimeOptions options;
  options.pool = {1, false};
  Runtime<float> runtime(options);
  const auto ctx = runtime.context(model->config());
  KvState state = model->new_state(runtime.numerics());
  Batch batch;
  batch.add(state, tokens, LogitRows::all);
  const auto result = model->forward(ctx, batch);
  std::vector<float> out;
  for (int64_t i = 0; i < result.logits.rows; ++i) {
    out.insert(out.end(), result.logits.row(i), result.logits.row(i) + result.logits.cols);
  }
  return out;
}

std::vector<int32_t> some_tokens(const ModelConfig& config, int64_t count) {
  std::vector<int32_t> tokens;
  for (int64_t i = 0; i < count; ++i) tokens.push_back(static_cast<int32_t>((i * i + 3) % config.vocab_size));
  return tokens;
}

}  // namespace

TEST_CASE("every format opens and computes finite logits that differ from token to token") {
  for (const char* source : {"fp32/h_mtp", "quantised/mixed", "quantised/ragged", "fp32/c_hca"}) {
    for (const auto format : {WeightFormat::f32, WeightFormat::f16, WeightFormat::bf16, WeightFormat::fp8,
                              WeightFormat::release}) {
      CAPTURE(source);
      CAPTURE(static_cast<int>(format));
      const Folder folder;
      const ModelConfig config = write(folder, golden_config(source), {.format = format, .seed = 7});
      CHECK(config.quantised == (format == WeightFormat::fp8 || format == WeightFormat::release));
      const auto logits = logits_of(folder.path(), some_tokens(config, 40));
      double sum = 0, squares = 0;
      bool finite = true;
      for (const float each : logits) {
        finite = finite && std::isfinite(each);
        sum += each;
        squares += static_cast<double>(each) * each;
      }
      CHECK(finite);
      const double count = static_cast<double>(logits.size());
      const double deviation = std::sqrt(squares / count - sum * sum / count / count);
      CHECK(deviation > 0.3);
      CHECK(deviation < 3);
    }
  }
}

TEST_CASE("the file holds the inventory") {
  const Folder folder;
  const ModelConfig config = write(folder, golden_config("quantised/mixed"),
                                   {.format = WeightFormat::release, .max_shard_bytes = 100000});
  CHECK(fs::exists(folder.path() / "model.safetensors.index.json"));
  const auto checkpoint = Checkpoint::open(folder.path());
  std::set<std::string> expected;
  for (const TensorInfo& tensor : inventory(config)) {
    for (const StoredTensor& each : stored(tensor, WeightFormat::release)) expected.insert(each.name);
  }
  CHECK(std::set<std::string>(checkpoint->names().begin(), checkpoint->names().end()) == expected);
  CHECK(checkpoint->unknown_names().empty());
  CHECK(checkpoint->matrix("layers.1.ffn.experts.0.w1.weight", 128, 128).dtype == DType::F4_E2M1);
}

TEST_CASE("bytes depend on the seed and on nothing else") {
  const ModelConfig config = golden_config("quantised/mixed");
  const auto bytes = [&](uint64_t seed, int threads) {
    const Folder folder;
    write(folder, config, {.format = WeightFormat::release, .seed = seed}, threads);
    return test::read_text(folder.path() / "model.safetensors");
  };
  const std::string first = bytes(1, 1);
  CHECK(first == bytes(1, 3));
  CHECK(first != bytes(2, 1));
}

TEST_CASE("initial values") {
  const Folder folder;
  const ModelConfig config =
      write(folder, golden_config("fp32/g_pro"), {.format = WeightFormat::f32, .seed = 3});
  const auto checkpoint = Checkpoint::open(folder.path());
  const auto floats = [&](const char* name, int64_t count) { return checkpoint->floats(name, count); };
  CHECK(floats("layers.0.attn_norm.weight", config.hidden_size)[5] == 1);
  CHECK(floats("layers.1.hc_attn_scale", 3)[2] == 0.01f);
  const auto base = floats("layers.1.hc_ffn_base", 24);
  CHECK(1 / (1 + std::exp(-base[3])) == doctest::Approx(0.25));
  CHECK(base[4] == 0);                   // post: 2 sigmoid(0) = 1
  CHECK(base[8 + 5] > base[8 + 4] + 5);  // comb[1][1] against comb[1][0]
  CHECK(floats("hc_head_base", 4)[0] == base[0]);
  const auto wq = floats("layers.0.attn.wq_a.weight", config.q_lora_rank * config.hidden_size);
  double squares = 0;
  for (const float each : wq) squares += static_cast<double>(each) * each;
  CHECK(squares / static_cast<double>(wq.size()) ==
        doctest::Approx(1.0 / static_cast<double>(config.hidden_size)).epsilon(0.1));
  // Each token's experts are distinct, below E, and not the same for all tokens.
  const int64_t k = config.num_experts_per_tok;
  const auto table =
      checkpoint->ints("layers.0.ffn.gate.tid2eid", config.vocab_size * k, config.n_routed_experts);
  std::set<std::set<int32_t>> choices;
  for (int64_t token = 0; token < config.vocab_size; ++token) {
    const std::set<int32_t> row(table.begin() + token * k, table.begin() + (token + 1) * k);
    CHECK(std::ssize(row) == k);
    choices.insert(row);
  }
  CHECK(choices.size() > 100);
}

TEST_CASE("a sparse Flash takes little disk and opens") {
  const Folder folder;
  const ModelConfig config =
      write(folder, ModelConfig::preset("v4-flash"), {.format = WeightFormat::release, .sparse = true});
  int64_t apparent = 0, real = 0;
  for (const auto& entry : fs::directory_iterator(folder.path())) {
    struct stat info;
    REQUIRE(stat(entry.path().c_str(), &info) == 0);
    apparent += info.st_size;
    real += info.st_blocks * 512;
  }
  CHECK(apparent > 159609485896);
  CHECK(real < 500'000'000);
  const auto checkpoint = Checkpoint::open(folder.path());
  CHECK(std::ssize(checkpoint->names()) == 69187);
  CHECK(checkpoint->floats("layers.42.attn.kv_norm.weight", 512)[0] == 1);
}

TEST_CASE("what fails leaves no folder, not even an empty one above it") {
  const Folder folder;
  ThreadPool pool(ThreadPoolOptions{1, false});
  {
    const test::FileSizeLimit full(10'000);
    CHECK_THROWS_AS(write_synthetic(folder.path() / "a" / "b", golden_config("fp32/a_swa"), pool), Error);
  }
  CHECK_FALSE(fs::exists(folder.path()));
  fs::create_directories(folder.path() / "a");
  const test::FileSizeLimit full(10'000);
  CHECK_THROWS_AS(write_synthetic(folder.path() / "a" / "b", golden_config("fp32/a_swa"), pool), Error);
  CHECK(fs::is_empty(folder.path() / "a"));
}

TEST_CASE("a config.json that is there is not written over") {
  const Folder folder;
  fs::create_directories(folder.path());
  write_atomically(folder.path() / "config.json", "mine");
  ThreadPool pool(ThreadPoolOptions{1, false});
  CHECK_THROWS_AS(write_synthetic(folder.path(), golden_config("fp32/a_swa"), pool), Error);
  CHECK(test::read_text(folder.path() / "config.json") == "mine");
}

TEST_CASE("what does not fit is refused before anything is written") {
  const Folder folder;
  ModelConfig config = golden_config("quantised/mixed");
  config.moe_intermediate_size = 40;
  CHECK_THROWS_WITH_AS(
      write(folder, config, {.format = WeightFormat::release}),
      "tensor layers.0.ffn.experts.0.w2.weight: expected columns in multiples of 32 for FP4, found 40",
      Error);
  CHECK_FALSE(fs::exists(folder.path()));
}

}  // namespace fathom
