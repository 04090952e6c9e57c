#include <fmt/format.h>

#include "base/error.h"
#include "checkpoint/gguf.h"
#include "checkpoint/gguf_model.h"
#include "checkpoint/gguf_split.h"
#include "checkpoint/tensor_catalog.h"

namespace fathom {
namespace {

constexpr std::string_view kMain = "deepseek4";
constexpr std::string_view kDrafter = "dflash";

TensorView view_of(const MappedFile& file, const GgufTensor& t) {
  return {t.dtype, t.shape, file.data() + t.offset, t.bytes, t.bytes, file.path()};
}

}  // namespace

std::shared_ptr<const Checkpoint> open_gguf(const std::filesystem::path& path) {
  CheckpointParts parts;
  parts.path = path;
  parts.naming = Naming::gguf;
  auto file = std::make_shared<GgufFile>();  // metadata of the first part, tensors of all
  std::vector<TensorView> views;
  for (GgufPart& part : read_gguf_parts(path)) {
    for (const GgufTensor& t : part.file.tensors) views.push_back(view_of(*part.mapped, t));
    if (parts.files.empty()) {
      *file = std::move(part.file);
    } else {
      file->tensors.insert(file->tensors.end(), part.file.tensors.begin(), part.file.tensors.end());
    }
    parts.files.push_back(std::move(part.mapped));
  }
  const GgufMetadata& metadata = file->metadata;
  const std::string_view architecture = metadata.text("general.architecture");
  if (architecture != kMain && architecture != kDrafter) {
    fail(ErrorCode::unsupported, "{}: general.architecture: expected {}, found {}",
         printable(parts.files.front()->path(), 400), kMain, printable(architecture));
  }
  parts.tokenizer_json = [file] { return gguf_tokenizer_json(file->metadata); };
  if (architecture == kDrafter) {
    // A drafter without its model: recognised and reported; it has nothing that names() could list.
    DsparkInfo info;
    if (metadata.has("dflash.block_count")) info.stages = metadata.integer("dflash.block_count");
    for (const GgufTensor& t : file->tensors) {
      ++info.tensors;
      info.bytes += t.bytes;
    }
    parts.dspark = info;
    parts.config_json = "{\"model_type\": \"dflash\"}\n";
    return make_checkpoint(std::move(parts));
  }
  const int64_t layers = gguf_main_layers(metadata);
  for (size_t i = 0; i < views.size(); ++i) {
    const std::string_view name = file->tensors[i].name;
    parts.catalog.add(parse_gguf_name(name, layers), name, std::move(views[i]));
  }
  parts.config_json = gguf_config_json(*file);
  return make_checkpoint(std::move(parts));
}

}  // namespace fathom
