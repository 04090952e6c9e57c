#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "base/error.h"
#include "checkpoint/tensor_catalog.h"

namespace fathom {
namespace {

class OpenedCheckpoint final : public Checkpoint {
 public:
  explicit OpenedCheckpoint(CheckpointParts parts);

  const std::filesystem::path& path() const override { return parts_.path; }
  const std::string& config_json() const override { return parts_.config_json; }
  std::string tokenizer_json() const override { return parts_.tokenizer_json(); }
  std::string_view naming() const override { return name(parts_.naming); }
  const std::vector<std::string>& names() const override { return names_; }
  const std::vector<std::string>& unused_names() const override { return unused_names_; }
  const std::vector<std::string>& unknown_names() const override { return parts_.catalog.unknown; }
  std::optional<DsparkInfo> dspark() const override { return parts_.dspark; }
  const std::vector<std::string>& notes() const override { return parts_.notes; }
  bool has(std::string_view official_name) const override {
    return std::binary_search(names_.begin(), names_.end(), official_name);
  }
  TensorView tensor(std::string_view official_name) const override;

 private:
  void find_drafter();
  void find_incomplete_mtp();
  /// Moves names()'s entries under `prefix` to unused_names().
  void set_aside(std::string_view prefix);

  CheckpointParts parts_;
  std::vector<std::string> names_, unused_names_;
};

OpenedCheckpoint::OpenedCheckpoint(CheckpointParts parts) : parts_(std::move(parts)) {
  parts_.catalog.finish();
  names_.reserve(parts_.catalog.entries.size());
  for (TensorCatalog::Entry& entry : parts_.catalog.entries) {
    names_.push_back(entry.name);
    entry.stored = {};  // pointed into what the reader held
  }
  find_drafter();
  find_incomplete_mtp();
}

void OpenedCheckpoint::set_aside(std::string_view prefix) {
  const auto first = std::lower_bound(names_.begin(), names_.end(), prefix);
  const auto last =
      std::find_if(first, names_.end(), [&](const std::string& n) { return !n.starts_with(prefix); });
  unused_names_.insert(unused_names_.end(), std::make_move_iterator(first), std::make_move_iterator(last));
  names_.erase(first, last);
  std::sort(unused_names_.begin(), unused_names_.end());
}

void OpenedCheckpoint::find_drafter() {
  if (!parts_.dspark) {
    if (std::none_of(names_.begin(), names_.end(), [](const std::string& n) { return is_dspark_only(n); }))
      return;
    // Its tensors share the mtp. namespace with an MTP block's; no published file has both.
    DsparkInfo info;
    std::set<std::string_view> stages;
    for (const TensorCatalog::Entry& entry : parts_.catalog.entries) {
      if (!entry.name.starts_with("mtp.")) continue;
      ++info.tensors;
      info.bytes += entry.view.bytes;
      stages.insert(std::string_view(entry.name).substr(0, entry.name.find('.', 4)));
    }
    info.stages = static_cast<int64_t>(stages.size());
    parts_.dspark = info;
  }
  set_aside("mtp.");
  parts_.notes.push_back(
      fmt::format("a DSpark drafter is present and not used: {} stages, {} tensors, {} bytes",
                  parts_.dspark->stages, parts_.dspark->tensors, parts_.dspark->bytes));
}

void OpenedCheckpoint::find_incomplete_mtp() {
  // llama.cpp's combined file has no place for the block's own hc_head: such a block cannot run, the model
  // can. Any other missing tensor is the file's fault, and whoever asks for it hears so.
  if (parts_.naming != Naming::gguf || !has("mtp.0.e_proj.weight") || has("mtp.0.hc_head_fn")) return;
  parts_.notes.push_back("the MTP block is incomplete (the file has no mtp.0.hc_head_fn) and not used");
  set_aside("mtp.");
}

TensorView OpenedCheckpoint::tensor(std::string_view official_name) const {
  const auto& entries = parts_.catalog.entries;
  const auto found = std::lower_bound(
      entries.begin(), entries.end(), official_name,
      [](const TensorCatalog::Entry& e, std::string_view n) { return std::string_view(e.name) < n; });
  if (found == entries.end() || found->name != official_name) {
    fail(ErrorCode::not_found, "{}: tensor {}: expected in the checkpoint, found nothing",
         printable(parts_.path.string(), 400), printable(official_name));
  }
  return found->view;
}

}  // namespace

std::shared_ptr<const Checkpoint> make_checkpoint(CheckpointParts parts) {
  return std::make_shared<OpenedCheckpoint>(std::move(parts));
}

}  // namespace fathom
