#pragma once
/// What the layouts of verify share: gathering of quantities, and measures of distance.

#include <cstdint>
#include <filesystem>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "engine/verify/verify.h"

namespace fathom {
class Model;
}

namespace fathom::verify {

/// Whether there is a regular file; a link that leads nowhere, or round in a circle, is none.
bool is_file(const std::filesystem::path& path) noexcept;

/// Gathers the quantities of one folder in the order of their first mention.
class Checks {
 public:
  Checks(VerifyReport& report, const VerifyOptions& options) : report_(report), options_(options) {}

  const VerifyOptions& options() const { return options_; }
  const std::filesystem::path& folder() const { return report_.folder; }

  /// The largest of all errors named so.
  void worst(const std::string& quantity, double error, double bound);
  /// Differing among compared: summed over the calls. At most `allowed_share` of them may differ.
  void differing(const std::string& quantity, int64_t count, int64_t of, double allowed_share = 0);
  /// A file (relative to the folder) that was compared with.
  void used(const std::string& file) { used_.insert(file); }
  /// The files that a model opened from this path (the folder, one below it, or a file) consists of.
  void used_model(const std::filesystem::path& path);
  /// The folder or file of the model: options().model, the one that the file `model_folder` names, the
  /// folder.
  std::filesystem::path model_path();
  void not_checked(const std::string& what) { report_.not_checked.push_back(what); }
  void unread_tensors(const std::string& file, const std::vector<std::string>& names);
  void progress(const std::string& what, int64_t done, int64_t of) const {
    if (options_.progress) options_.progress(what, done, of);
  }
  /// Adds the files below the folder that nothing named used().
  void list_unused_files();

 private:
  struct Count {
    int64_t differing = 0, of = 0;
  };
  VerifyItem& item(const std::string& quantity);

  VerifyReport& report_;
  const VerifyOptions& options_;
  std::set<std::string> used_;
  std::vector<std::pair<std::string, Count>> counts_;
};

/// max |a - b|; NaN anywhere gives NaN, different sizes are an error naming `what`.
double max_abs_diff(std::span<const float> a, std::span<const float> b, const std::string& what);
/// max |a - b| of a gradient, less the 1e-7 that its README allows anywhere, over the largest magnitude
/// expected; 0 / 0 is 0.
double gradient_error(std::span<const float> expected, std::span<const float> found, const std::string& what);
/// Number of rows of `width` values that are not equal. Different sizes are an error naming `what`.
int64_t rows_differing(std::span<const int32_t> a, std::span<const int32_t> b, int64_t width,
                       const std::string& what);
/// Index of the largest value, the lowest of equal ones.
int32_t argmax(std::span<const float> row);
double log_sum_exp(std::span<const float> row);

/// How far logits [T, V] are from expected ones, token by token.
struct LogitDistance {
  double median_max_abs = 0;  ///< median over tokens of the largest difference
  double max_abs = 0;
  double kl_mean = 0, kl_max = 0;  ///< KL(expected || found) of the two distributions, nats
  int64_t top1_differing = 0, tokens = 0;
};
LogitDistance logit_distance(std::span<const float> expected, std::span<const float> found, int64_t vocab,
                             const std::string& what);
double median(std::vector<double> values);

// The layouts: whether a folder is one, and its checks.
bool is_fp32(const std::filesystem::path& folder);
void check_fp32(Checks& checks);
/// gradients.safetensors of an fp32 folder.
void check_gradients(Checks& checks, const Model& model);
/// indexer_kl.safetensors of an fp32 folder.
void check_indexer_kl(Checks& checks, const Model& model);
bool is_quantised(const std::filesystem::path& folder);
void check_quantised(Checks& checks);
/// steps.safetensors of a quantised folder.
void check_steps(Checks& checks, const Model& model);
bool is_trained(const std::filesystem::path& folder);
void check_trained(Checks& checks);
bool is_formats(const std::filesystem::path& folder);
void check_formats(Checks& checks);
bool is_tokenizer(const std::filesystem::path& folder);
void check_tokenizer(Checks& checks);
bool is_encoding(const std::filesystem::path& folder);
void check_encoding(Checks& checks);
bool is_model(const std::filesystem::path& path);
void check_invariants(Checks& checks);

}  // namespace fathom::verify
