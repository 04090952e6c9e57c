#pragma once
/// Writes a folder of .safetensors files that transformers and the official loader read.
/// Source: github.com/huggingface/safetensors; transformers' sharded checkpoints
/// (model.safetensors.index.json).

#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "checkpoint/tensor_sink.h"

namespace fathom {

struct SafetensorsOptions {
  int64_t max_shard_bytes = int64_t{5} << 30;  ///< tensor bytes of a file; a larger tensor gets its own
  bool sparse = false;                         ///< unwritten tensors stay holes; no disk space is reserved
  bool replace = false;        ///< a checkpoint that is there goes once the new one is complete
  std::string stem = "model";  ///< of the file names
  std::map<std::string, std::string> metadata = {{"format", "pt"}};  ///< transformers wants this format
};

/// One file: model.safetensors. More: model-00001-of-0000N.safetensors and, last, the index, without which a
/// reader does not see them. Shards take tensors in declared order; inside one they lie by falling element
/// size (then in declared order), so that each is aligned to its elements. F4_E2M1 [..., c] is stored as I8
/// [..., c / 2].
class SafetensorsWriter : public TensorSink {
 public:
  /// Makes the folder if need be (it goes again if nothing comes of it), and reserves the space. Throws
  /// Error(bad_input) if it holds a checkpoint already (mixing two would be read as one) and is not to
  /// replace it, if a declaration has a bad name, a second tensor of its name or a bad shape;
  /// Error(unsupported) for ggml types; Error(io), also if another writer has the folder.
  SafetensorsWriter(std::filesystem::path folder, const std::vector<TensorDeclaration>& tensors,
                    const SafetensorsOptions& options = {});
  ~SafetensorsWriter() override;

  void append(std::string_view name, const void* data, int64_t bytes) override;
  void finish() override;

  /// Names of the files, in order, without the index.
  const std::vector<std::string>& files() const;
  /// Bytes of all tensors: the index's total_size.
  int64_t total_bytes() const;

 private:
  void write_index();

  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace fathom
