// Tensors of a checkpoint may lie at any byte offset (design: hard point 5): golden cases copied with every
// tensor shifted off its alignment give the same bits.
#include <fstream>

#include "tests/engine/model_runs.h"
#include "tests/support/model_file_builder.h"
#include "tests/support/temp_folder.h"

namespace fathom {
namespace {

namespace fs = std::filesystem;

// A copy of a checkpoint whose data begin `shift` bytes past a multiple of 4. Tensors with a number of bytes
// that is a multiple of 4 come first, so that those behind them keep the shift.
void write_shifted(const fs::path& from, const fs::path& folder, uint64_t shift) {
  const auto file = test::TensorFile::open(from / "model.safetensors");
  std::vector<test::FileTensor> tensors;
  for (const std::string& name : file.names()) {
    const auto bytes = file.bytes(name);
    tensors.push_back({name, file.dtype(name), file.shape(name), std::string(bytes.begin(), bytes.end())});
  }
  std::stable_partition(tensors.begin(), tensors.end(), [](const auto& t) { return t.data.size() % 4 == 0; });
  std::string bytes;
  for (size_t padding = 0; padding < 4; ++padding) {
    bytes = test::safetensors_bytes(tensors, padding);
    uint64_t header = 0;
    std::memcpy(&header, bytes.data(), 8);
    if ((8 + header) % 4 == shift) break;
  }
  std::ofstream(folder / "model.safetensors", std::ios::binary) << bytes;
  fs::copy_file(from / "config.json", folder / "config.json", fs::copy_options::overwrite_existing);

  const auto shifted = test::TensorFile::open(folder / "model.safetensors");
  int64_t moved = 0;
  for (const std::string& name : shifted.names()) moved += shifted.offset(name) % 4 == shift;
  REQUIRE(moved > static_cast<int64_t>(shifted.names().size()) * 3 / 4);
}

TEST_CASE("tensors at odd byte offsets") {
  for (const std::string name_of_case :
       {"fp32/h_mtp", "fp32/b_csa", "quantised/mixed", "quantised/fp8base"}) {
    CAPTURE(name_of_case);
    const fs::path from = test::golden(name_of_case);
    const auto expected = test::TensorFile::open(from / "expected.safetensors");
    const auto tokens = expected.i32(expected.has("input_ids") ? "input_ids" : "s3.input_ids");
    const auto model = Model::open(from);
    for (const uint64_t shift : {1u, 2u, 3u}) {
      CAPTURE(shift);
      const test::TempFolder folder;
      write_shifted(from, folder.path(), shift);
      const auto shifted = Model::open(folder.path());
      for (const Target target : available_targets()) {
        CAPTURE(name(target));
        for (const Numerics& numerics : test::all_numerics()) {
          CAPTURE(name(numerics.mode));
          RuntimeOptions options = test::runtime_options(numerics);
          options.target = target;
          Runtime<float> runtime(options);
          CHECK(test::same_bits(test::feed_all(runtime, *model, tokens, 16),
                                test::feed_all(runtime, *shifted, tokens, 16)));
        }
      }
    }
  }
}

}  // namespace
}  // namespace fathom
