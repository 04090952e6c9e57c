#include "engine/verify/verify.h"

#include <algorithm>
#include <array>

#include "base/error.h"
#include "engine/verify/checks.h"

namespace fathom {
namespace {

namespace fs = std::filesystem;

struct Layout {
  const char* name;
  bool (*recognise)(const fs::path& folder);
  void (*check)(verify::Checks& checks);
};

// In this order: a folder with vectors and a model is held to the vectors.
constexpr std::array kLayouts = {
    Layout{"fp32", verify::is_fp32, verify::check_fp32},
    Layout{"quantised", verify::is_quantised, verify::check_quantised},
    Layout{"trained", verify::is_trained, verify::check_trained},
    Layout{"formats", verify::is_formats, verify::check_formats},
    Layout{"tokenizer", verify::is_tokenizer, verify::check_tokenizer},
    Layout{"encoding", verify::is_encoding, verify::check_encoding},
    Layout{"invariants", verify::is_model, verify::check_invariants},
};

const Layout* layout_of(const fs::path& path) {
  for (const Layout& layout : kLayouts) {
    if (layout.recognise(path)) return &layout;
  }
  return nullptr;
}

void find_folders(const fs::path& path, int depth, std::vector<fs::path>& out) {
  constexpr int kDepth = 8;
  if (layout_of(path)) {
    out.push_back(path);
    return;
  }
  if (depth == kDepth) return;
  std::vector<fs::path> below;
  for (const auto& entry : fs::directory_iterator(path)) {
    std::error_code none;  // what a loop of links leads to is no folder
    if (!entry.is_symlink(none) && entry.is_directory(none)) below.push_back(entry.path());
  }
  std::sort(below.begin(), below.end());
  for (const fs::path& folder : below) find_folders(folder, depth + 1, out);
}

}  // namespace

bool VerifyReport::passed() const {
  return !items.empty() && std::all_of(items.begin(), items.end(), [](const auto& i) { return i.passed(); });
}

std::vector<fs::path> verify_folders(const fs::path& path) try {
  if (!fs::exists(path)) {
    fail(ErrorCode::not_found, "{}: expected a folder or a model file, found nothing",
         printable(path.string(), 400));
  }
  if (!fs::is_directory(path)) return {path};
  std::vector<fs::path> out;
  find_folders(path, 0, out);
  return out;
} catch (const fs::filesystem_error& error) {
  fail(ErrorCode::io, "{}", printable(error.what(), 400));
}

std::vector<std::string> files_outside(const fs::path& path, const std::vector<fs::path>& folders) try {
  std::vector<std::string> out;
  if (std::find(folders.begin(), folders.end(), path) != folders.end()) return out;
  for (auto entry = fs::recursive_directory_iterator(path); entry != fs::recursive_directory_iterator();
       ++entry) {
    if (std::find(folders.begin(), folders.end(), entry->path()) != folders.end()) {
      entry.disable_recursion_pending();
    } else if (verify::is_file(entry->path())) {
      out.push_back(printable(entry->path().lexically_relative(path).generic_string()));
    }
  }
  std::sort(out.begin(), out.end());
  return out;
} catch (const fs::filesystem_error& error) {
  fail(ErrorCode::io, "{}", printable(error.what(), 400));
}

VerifyReport verify_folder(const fs::path& folder, const VerifyOptions& options) try {
  VerifyReport report;
  report.folder = folder;
  const Layout* layout = layout_of(folder);
  if (!layout) {
    bad_input("{}: expected golden vectors or a model, found neither", printable(folder.string(), 400));
  }
  report.layout = layout->name;
  verify::Checks checks(report, options);
  layout->check(checks);
  if (fs::is_directory(folder)) checks.list_unused_files();
  return report;
} catch (const fs::filesystem_error& error) {
  fail(ErrorCode::io, "{}", printable(error.what(), 400));
}

}  // namespace fathom
