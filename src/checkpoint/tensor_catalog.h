#pragma once
/// What opening a checkpoint collects: mapped files, and their tensors sorted under official names. Shared by
/// the Hugging Face and the GGUF readers; internal to checkpoint/.

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/file.h"
#include "checkpoint/checkpoint.h"
#include "checkpoint/tensor_names.h"

namespace fathom {

class TensorCatalog {
 public:
  /// Adds a stored tensor, cutting fused ones into their experts or halves. Copies are dropped, unknown names
  /// noted. `stored` must stay valid until finish(). Throws Error if a fused tensor's shape cannot be cut.
  void add(const StoredName& meaning, std::string_view stored, TensorView view);

  /// Sorts, and refuses two stored tensors with one official name.
  void finish();

  struct Entry {
    std::string name;
    TensorView view;
    std::string_view stored;
  };
  std::vector<Entry> entries;
  std::vector<std::string> unknown;
  Naming naming = Naming::official;  ///< the most specific one seen

 private:
  void add_whole(std::string name, std::string_view stored, TensorView view);
  void add_slice(std::string name, std::string_view stored, const TensorView& whole, int64_t first_row,
                 int64_t rows);

  std::vector<std::string> cut_scales_;  ///< expert 0's part of each gate-and-up scale grid
};

/// "[2, 3]", for messages.
std::string shape_text(const std::vector<int64_t>& shape);

/// Everything an opened checkpoint consists of.
struct CheckpointParts {
  std::filesystem::path path;
  std::string config_json;
  std::function<std::string()> tokenizer_json;
  Naming naming = Naming::official;
  std::vector<std::unique_ptr<const MappedFile>> files;
  TensorCatalog catalog;
  std::vector<std::string> notes;
  std::optional<DsparkInfo> dspark;  ///< set by the reader if the file is a drafter alone, else found by name
};

/// Sorts the catalog, tells drafter and incomplete MTP blocks apart, and makes the Checkpoint.
std::shared_ptr<const Checkpoint> make_checkpoint(CheckpointParts parts);

/// A Hugging Face folder or a single .safetensors file.
std::shared_ptr<const Checkpoint> open_hugging_face(const std::filesystem::path& path);
/// A .gguf file, or all parts of a model that has several.
std::shared_ptr<const Checkpoint> open_gguf(const std::filesystem::path& path);

}  // namespace fathom
