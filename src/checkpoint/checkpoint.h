#pragma once
/// Checkpoint: an opened model on disk, mapped, under the official tensor names whatever naming the file
/// uses. Source: architecture.md section 9 (namings, skipping rules, GGUF), section 7 (scales).

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/tensor.h"

namespace fathom {

/// One tensor as it lies in a file.
struct TensorView {
  DType dtype = DType::F32;
  std::vector<int64_t> shape;  ///< row-major, slowest first (GGUF's reversed dimensions are turned round)
  const std::byte* data = nullptr;  ///< any alignment
  int64_t bytes = 0;                ///< of the values themselves
  int64_t row_bytes = 0;  ///< distance of rows (last dimension) in bytes: more than a row's own bytes for a
                          ///< slice of columns (GGUF's eh_proj), else rows follow each other
  std::string_view file;  ///< path of the file it lies in; lives as long as the Checkpoint
};

/// A DSpark drafter found beside the main model: recognised and reported, not used.
struct DsparkInfo {
  int64_t stages = 0, tensors = 0, bytes = 0;
};

class Checkpoint {
 public:
  /// Opens a Hugging Face folder (model.safetensors, or model.safetensors.index.json and its shards), a
  /// single .safetensors file (config.json beside it) or a .gguf file (of a split model any part: the others
  /// are looked for beside it). Maps, never copies. Throws Error naming file, field or tensor.
  static std::shared_ptr<const Checkpoint> open(const std::filesystem::path& path);
  virtual ~Checkpoint() = default;

  virtual const std::filesystem::path& path() const = 0;
  /// Text of config.json; for GGUF, one made from the metadata in the official field set.
  virtual const std::string& config_json() const = 0;
  /// Text of tokenizer.json (for GGUF, made from its metadata); empty if there is none.
  virtual std::string tokenizer_json() const = 0;
  /// "official", "transformers", "hybrid" or "gguf".
  virtual std::string_view naming() const = 0;

  /// All tensors of the main model and its MTP block (scales included) under their official names, in name
  /// order. Fused expert tensors appear as their experts (layers.L.ffn.experts.e.w1.weight). Copies that the
  /// official converter skips are left out. There is an MTP block if and only if has("mtp.0.e_proj.weight").
  virtual const std::vector<std::string>& names() const = 0;
  /// Official names that are known but belong to no block fathom runs: those of a DSpark drafter, or of an
  /// MTP block without its head (GGUF). tensor() reaches them, has() does not.
  virtual const std::vector<std::string>& unused_names() const = 0;
  /// Names in the file that belong to nothing known (neither model, skipped copies nor drafter).
  virtual const std::vector<std::string>& unknown_names() const = 0;
  virtual std::optional<DsparkInfo> dspark() const = 0;
  /// One line each, for the user to see once: a drafter that is present and not used, an MTP block without
  /// its head, an index whose total size is wrong.
  virtual const std::vector<std::string>& notes() const = 0;

  virtual bool has(std::string_view official_name) const = 0;
  /// The stored tensor (a slice of a fused one where need be). Throws Error(not_found).
  virtual TensorView tensor(std::string_view official_name) const = 0;

  /// The matrix `official_name` (".weight" included) with its scales; shape [rows, cols] and dtype are
  /// checked. dtypes: F32, F16, BF16, F8_E4M3 (block_128), F4_E2M1 (row_32), ggml types. For 3-D stored
  /// tensors the leading dimensions are folded into rows.
  WeightView matrix(std::string_view official_name, int64_t rows, int64_t cols) const;
  /// A small tensor as floats, copied; its element count must be `count` and its dtype F32, F16 or BF16.
  std::vector<float> floats(std::string_view official_name, int64_t count) const;
  /// The same of shape [rows, cols], dimensions of 1 aside.
  std::vector<float> floats(std::string_view official_name, int64_t rows, int64_t cols) const;
  /// An integer table (tid2eid) as int32, from I64 or I32; every value must lie in [0, limit).
  std::vector<int32_t> ints(std::string_view official_name, int64_t count, int64_t limit) const;
  /// The same of shape [rows, cols], dimensions of 1 aside.
  std::vector<int32_t> ints(std::string_view official_name, int64_t rows, int64_t cols, int64_t limit) const;
  /// Reads every scale of every weight, unused ones and those inside ggml's blocks included, and throws
  /// Error(bad_input) naming file, tensor and position of the first that is NaN or infinite. Reads as much as
  /// all scales take: for inspect and verify.
  void validate_scales() const;
};

/// Largest scale grid that Checkpoint::matrix() checks by itself: every FP8 grid of the published models is
/// smaller.
inline constexpr int64_t kCheckedScaleBytes = 64 * 1024;
/// Most bytes of ggml blocks that it does: their scales lie among the values.
inline constexpr int64_t kCheckedBlockBytes = 1024 * 1024;

}  // namespace fathom
