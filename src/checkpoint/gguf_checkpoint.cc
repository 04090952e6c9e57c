#include <fmt/format.h>

#include "base/error.h"
#include "checkpoint/gguf.h"
#include "checkpoint/gguf_model.h"
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
  parts.files.push_back(std::make_unique<MappedFile>(path));
  const MappedFile& mapped = *parts.files.back();
  auto file = std::make_shared<const GgufFile>(read_gguf(mapped));
  const GgufMetadata& metadata = file->metadata;
  const std::string_view architecture = metadata.text("general.architecture");
  if (architecture != kMain && architecture != kDrafter) {
    fail(ErrorCode::unsupported, "{}: general.architecture: expected {}, found {}",
         printable(mapped.path(), 400), kMain, printable(architecture));
  }
  if (metadata.has("split.count") && metadata.integer("split.count") > 1) {
    fail(ErrorCode::unsupported, "{}: split.count: expected a single file, found one of {} (join them first)",
         printable(mapped.path(), 400), metadata.integer("split.count"));
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
  for (const GgufTensor& t : file->tensors) {
    parts.catalog.add(parse_gguf_name(t.name, layers), t.name, view_of(mapped, t));
  }
  parts.config_json = gguf_config_json(*file);
  return make_checkpoint(std::move(parts));
}

}  // namespace fathom
