// What convert does where it writes to: folders that hold something, links.
#include <doctest/doctest.h>

#include <map>

#include "base/error.h"
#include "model/convert.h"
#include "tests/support/temp_folder.h"
#include "tests/support/tensor_file.h"

namespace fathom {
namespace {

namespace fs = std::filesystem;

ThreadPool& pool() {
  static ThreadPool two(ThreadPoolOptions{2, false, true});
  return two;
}

void write(const fs::path& from, const fs::path& out, Naming to) {
  ConvertOptions options;
  options.to = to;
  convert(*Checkpoint::open(from), out, pool(), options);
}

// Whether the models have the same tensors, byte for byte.
void check_same_tensors(const fs::path& a, const fs::path& b) {
  const auto one = Checkpoint::open(a), other = Checkpoint::open(b);
  REQUIRE(one->names() == other->names());
  for (const std::string& name : one->names()) {
    if (name.ends_with(".tid2eid")) continue;  // written as I64, whatever it was
    CAPTURE(name);
    const TensorView x = one->tensor(name), y = other->tensor(name);
    CHECK(x.shape == y.shape);
    CHECK(std::string_view(reinterpret_cast<const char*>(x.data), static_cast<size_t>(x.bytes)) ==
          std::string_view(reinterpret_cast<const char*>(y.data), static_cast<size_t>(y.bytes)));
  }
}

}  // namespace

TEST_CASE("a folder that is not empty: refused, or the old model makes way for the new one") {
  const test::TempFolder folder;
  const Naming official = Naming::official;
  ConvertOptions options;
  options.max_shard_bytes = 1 << 20;
  convert(*Checkpoint::open(test::golden("fp32/d_mix")), folder / "m", pool(), options);
  CHECK_THROWS_AS(write(test::golden("fp32/a_swa"), folder / "m", official), Error);
  check_same_tensors(test::golden("fp32/d_mix"), folder / "m");

  // A failure leaves the old model as it was.
  const auto contents = [&] {
    std::map<std::string, std::string> all;
    for (const auto& entry : fs::directory_iterator(folder / "m"))
      all[entry.path().filename()] = test::read_text(entry.path());
    return all;
  };
  const auto before = contents();
  options = {};
  options.force = true;
  options.progress = [](int64_t done, int64_t total) { return done < total; };
  CHECK_THROWS_AS(convert(*Checkpoint::open(test::golden("fp32/a_swa")), folder / "m", pool(), options),
                  Interrupted);
  CHECK(contents() == before);

  options.progress = {};
  convert(*Checkpoint::open(test::golden("fp32/a_swa")), folder / "m", pool(), options);
  check_same_tensors(test::golden("fp32/a_swa"), folder / "m");
  for (const auto& entry : fs::directory_iterator(folder / "m")) {
    const std::string name = entry.path().filename();
    CAPTURE(name);
    CHECK((name == "model.safetensors" || !name.starts_with("model")));
  }
  // In place: the source is the folder itself.
  options.max_shard_bytes = 1 << 16;
  convert(*Checkpoint::open(folder / "m"), folder / "m", pool(), options);
  CHECK_FALSE(fs::exists(folder / "m/model.safetensors"));
  check_same_tensors(test::golden("fp32/a_swa"), folder / "m");
}

TEST_CASE("two at once into one folder: the second is refused and nothing is mixed") {
  const test::TempFolder folder;
  bool refused = false;
  ConvertOptions options, other;
  options.force = other.force = true;
  options.progress = [&](int64_t, int64_t) {
    if (refused) return true;
    try {
      convert(*Checkpoint::open(test::golden("fp32/d_mix")), folder / "m", pool(), other);
    } catch (const Error& error) {
      CHECK(std::string(error.what()).find("nothing else writes") != std::string::npos);
      refused = true;
    }
    return true;
  };
  convert(*Checkpoint::open(test::golden("fp32/a_swa")), folder / "m", pool(), options);
  CHECK(refused);
  check_same_tensors(test::golden("fp32/a_swa"), folder / "m");
  convert(*Checkpoint::open(test::golden("fp32/d_mix")), folder / "m", pool(), other);
  check_same_tensors(test::golden("fp32/d_mix"), folder / "m");
}

TEST_CASE("a .gguf file that is there: refused, or replaced where a link names it, and the link stays") {
  const test::TempFolder folder;
  fs::create_directory(folder / "elsewhere");
  folder.write("elsewhere/m.gguf", "old");
  fs::create_symlink("elsewhere/m.gguf", folder / "m.gguf");
  CHECK_THROWS_AS(write(test::golden("fp32/a_swa"), folder / "m.gguf", Naming::gguf), Error);
  CHECK(test::read_text(folder / "elsewhere/m.gguf") == "old");
  ConvertOptions options;
  options.to = Naming::gguf;
  options.force = true;
  convert(*Checkpoint::open(test::golden("fp32/a_swa")), folder / "m.gguf", pool(), options);
  CHECK(fs::is_symlink(folder / "m.gguf"));
  CHECK(test::read_text(folder / "elsewhere/m.gguf").starts_with("GGUF"));
  CHECK(fs::is_regular_file(folder / "elsewhere/m.gguf"));
  for (const auto& entry : fs::directory_iterator(folder / "elsewhere"))
    CHECK(entry.path().filename() == "m.gguf");
}

}  // namespace fathom
