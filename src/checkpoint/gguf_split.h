#pragma once
/// Models in several GGUF files, as llama.cpp's gguf-split and converter write them:
/// PREFIX-00001-of-0000N.gguf and so on; the first has all metadata, the others split.no, split.count and
/// their tensors alone.

#include <filesystem>
#include <memory>
#include <vector>

#include "checkpoint/gguf.h"

namespace fathom {

struct GgufPart {
  std::unique_ptr<const MappedFile> mapped;
  GgufFile file;
};

/// The file; if it is one of several, all of them in order, whichever was named. Throws Error naming the part
/// that is missing or does not belong, and what read_gguf() throws.
std::vector<GgufPart> read_gguf_parts(const std::filesystem::path& path);

}  // namespace fathom
