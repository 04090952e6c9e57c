#pragma once
/// A checkpoint in another naming, dtype or container, streamed tensor by tensor.
/// Source: architecture.md sections 7 (formats) and 9 (namings, GGUF).

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/progress.h"
#include "base/thread_pool.h"
#include "checkpoint/checkpoint.h"
#include "checkpoint/tensor_names.h"
#include "model/config.h"

namespace fathom {

/// What the matrices become. Norms, mHC, sinks, ape and biases keep the type of their class (inventory.h) in
/// every one of them; GGUF has norms and the router as F32, as llama.cpp writes them.
enum class ConvertDtype : uint8_t {
  f32,      ///< everything F32
  f16,      ///< matrices F16
  bf16,     ///< matrices BF16
  fp8,      ///< the release's FP8 and FP4 matrices as FP8; safetensors only
  release,  ///< FP8 and FP4 as released; GGUF: Q8_0 for FP8, MXFP4 for FP4, as llama.cpp's converter does
  q8_0,     ///< GGUF: the release's FP8 and FP4 matrices as Q8_0, other matrices BF16
  mxfp4,    ///< GGUF: experts as MXFP4, the rest as q8_0
};
std::optional<ConvertDtype> convert_dtype_from_name(std::string_view name);  // "f32", ...
std::string_view name(ConvertDtype dtype);

struct ConvertOptions {
  Naming to = Naming::official;       ///< official, transformers (folders) or gguf (a file)
  std::optional<ConvertDtype> dtype;  ///< nothing: what the source has (release if quantised, else its dtype)
  bool draft_layers = true;  ///< keep the MTP block or the DSpark drafter where the target has a place
  int64_t max_shard_bytes = int64_t{5} << 30;
  bool force = false;      ///< write in the place of a .gguf file, or into a folder that is not empty
  Progress progress = {};  ///< bytes written; false stops: Interrupted is thrown and nothing is left behind
};

struct ConvertReport {
  std::vector<std::filesystem::path> files;
  int64_t tensors = 0, bytes = 0;
  int64_t rounded = 0;             ///< matrices of the source whose values the new dtype had to round
  std::vector<std::string> notes;  ///< for the user: what was left out, fell back or did not fit
};

/// Thrown when progress asked to stop.
struct Interrupted {};

/// Writes `source` to `out`: a folder (weights in shards, config.json, generation_config.json, the
/// tokenizer's files) or a .gguf file. Appears at once or not at all; a file must be new and a folder empty
/// unless forced. The notes say which matrices have another dtype than the source's. Memory in use is a few
/// million values. Throws Error(bad_input) naming the tensor or field that the target cannot hold,
/// Error(unsupported) for a dtype that the target does not have, Error(io).
ConvertReport convert(const Checkpoint& source, const std::filesystem::path& out, ThreadPool& pool,
                      const ConvertOptions& options);

}  // namespace fathom
