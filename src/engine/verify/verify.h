#pragma once
/// Holds folders to golden vectors, in the layouts of tests/golden; a model without vectors to its own
/// invariants. One file per layout, chosen by the files that a folder has, so a new folder needs no code.

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "kernels/target.h"

namespace fathom {

/// One quantity: its worst error beside the bound that its README allows.
struct VerifyItem {
  std::string quantity;
  double error = 0;    ///< a largest difference, or a count or share of differing values
  double bound = 0;    ///< inclusive
  std::string detail;  ///< "of 3,584 rows", or empty
  /// NaN has not passed.
  bool passed() const { return error <= bound; }
};

struct VerifyReport {
  std::filesystem::path folder;
  std::string layout;  ///< "fp32", "quantised", "trained", "formats", "tokenizer", "encoding", "invariants"
  std::vector<VerifyItem> items;
  /// Files, and tensors of files that were read ("expected.safetensors: streams.0"), that nothing compared.
  std::vector<std::string> not_checked;
  /// Something was checked, and all of it is within its bound.
  bool passed() const;
};

struct VerifyOptions {
  std::optional<Target> target;  ///< the best this CPU offers, if absent
  int threads = 0;               ///< 0 = one per CPU
  bool pin = true;
  /// Runs what exact numerics compute in double precision: the plain model as its own oracle.
  bool double_model = false;
  /// Also what takes minutes: all problems of the trained layout.
  bool full = false;
  /// The model of a folder of vectors that has none. Default: the folder itself, or the one that its file
  /// `model_folder` names, relative to it.
  std::filesystem::path model;
  std::function<void(const std::string& what, int64_t done, int64_t of)> progress;
};

/// Folders below `path` that verify_folder() takes: itself, or, if it has neither vectors nor a model, those
/// of its folders (at any depth) that have. Empty if there is none. Throws Error(not_found).
std::vector<std::filesystem::path> verify_folders(const std::filesystem::path& path);

/// Files below the folder `path` that are in none of `folders`, relative to it, in name order: nothing checks
/// them.
std::vector<std::string> files_outside(const std::filesystem::path& path,
                                       const std::vector<std::filesystem::path>& folders);

/// Checks one folder (or model file). Throws Error(bad_input, not_found) if it has neither vectors nor a
/// model, or if something in it cannot be read.
VerifyReport verify_folder(const std::filesystem::path& folder, const VerifyOptions& options = {});

}  // namespace fathom
