#pragma once
/// What a converted model has beside its weights; internal to convert.

#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "base/new_folders.h"
#include "checkpoint/checkpoint.h"
#include "checkpoint/gguf_writer.h"
#include "model/convert_plan.h"

namespace fathom {

/// Files written into a folder. Unless keep() is called the new ones are removed again (and the folder, if it
/// was made here), and those that were there before have their old bytes back.
class NewFiles {
 public:
  /// Throws Error(bad_input) if the folder has anything in it, unless forced.
  NewFiles(std::filesystem::path folder, bool force);
  ~NewFiles();
  NewFiles(const NewFiles&) = delete;
  NewFiles& operator=(const NewFiles&) = delete;

  /// `name` may have a folder in it ("encoding/encoding_dsv4.py"). Throws Error(io).
  void write(const std::string& name, const std::string& bytes);
  const std::filesystem::path& folder() const { return folder_; }
  /// The names written, which now stay.
  std::vector<std::string> keep();

 private:
  std::filesystem::path folder_;
  NewFolders made_;
  bool kept_ = false;
  std::vector<std::string> names_;                ///< written, in order
  std::vector<std::filesystem::path> to_remove_;  ///< files and folders that were not there before
  std::vector<std::pair<std::filesystem::path, std::string>> replaced_;  ///< others, with their old bytes
};

/// generation_config.json and the tokenizer's files: the source's, or made from what a GGUF file has.
void write_companions(const Checkpoint& source, const ModelConfig& config, NewFiles& files);

/// Metadata of the GGUF file `out`; adds to notes what other readers of it should know.
GgufKeyValues gguf_metadata(const Checkpoint& source, const std::filesystem::path& out,
                            const ConvertPlan& plan, std::vector<std::string>& notes);

}  // namespace fathom
