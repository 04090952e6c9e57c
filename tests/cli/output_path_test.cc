// Output that cannot be written is refused before the work, and the asking leaves nothing behind.
#include "cli/output_path.h"

#include <doctest/doctest.h>
#include <sys/stat.h>

#include <algorithm>
#include <filesystem>

#include "base/error.h"
#include "tests/cli/program.h"
#include "tests/support/temp_folder.h"

namespace fathom::cli {
namespace {

namespace fs = std::filesystem;
using test::run_fathom;

int64_t entries(const fs::path& folder) {
  return std::distance(fs::directory_iterator(folder), fs::directory_iterator());
}

}  // namespace

TEST_CASE("files and folders that can and that cannot be written") {
  const test::TempFolder folder;
  const std::string file = folder.write("file", "old").string();
  for (const std::string& good : {std::string(), file, (folder / "new").string(), std::string("/dev/null")})
    CHECK_NOTHROW(check_output_file(good));
  for (const std::string& bad : {folder.path().string(), file + "/x", (folder / "no/x").string()})
    CHECK_THROWS_AS(check_output_file(bad), Error);
  for (const std::string& good : {std::string(), folder.path().string(), (folder / "a/b/c").string()})
    CHECK_NOTHROW(check_output_folder(good));
  for (const std::string& bad : {file, file + "/x", std::string("/proc/none/x")})
    CHECK_THROWS_AS(check_output_folder(bad), Error);
  CHECK(entries(folder.path()) == 1);
  CHECK(fs::file_size(file) == 3);
}

TEST_CASE("commands ask before they work") {
  const test::TempFolder folder;
  const std::string nowhere = (folder / "no/such/x").string();
  const std::string file = folder.write("file", "[1,2]").string();
  // What comes after the question in each is missing too: the path to write is what is named.
  for (const std::vector<std::string>& args : std::vector<std::vector<std::string>>{
           {"eval", "-m", "no/model", "--svg", nowhere},
           {"eval", "-m", "no/model", "--answers", nowhere},
           {"inspect", "routing", "-m", "no/model", "--file", "no/file", "--svg", nowhere},
           {"bench", "decode", "-m", "no/model", "--svg", nowhere},
           {"plan", "no/model", "--svg", nowhere},
           {"logits", "-m", "no/model", "--ids", "no/file", "--out", nowhere},
           {"tokenizer", "train", "no/file", "--out", nowhere + ".json"},
           {"tokenizer", "train", "no/file", "--out", file + "/x"},
           {"data", "no/file", "--out", file + "/x"}}) {
    CAPTURE(args);
    const auto r = run_fathom(args);
    CHECK(r.status == 1);
    CHECK_MESSAGE(r.err.find("fathom: " + folder.path().string()) == 0, r.err);
  }
  // The card's folder is read before anything is written.
  const auto card = run_fathom({"convert", "tests/golden/fp32/a_swa", "--to", "official", "--out",
                                (folder / "out").string(), "--card", (folder / "no-run").string()});
  CHECK(card.status == 1);
  CHECK(card.err.find("no-run") != std::string::npos);
  CHECK(!fs::exists(folder / "out"));
  CHECK(entries(folder.path()) == 1);
}

}  // namespace fathom::cli
