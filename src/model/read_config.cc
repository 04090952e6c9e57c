#include "model/read_config.h"

#include <filesystem>
#include <system_error>

#include "base/error.h"

namespace fathom {

ModelConfig read_config(const Checkpoint& checkpoint) {
  std::filesystem::path file = checkpoint.path();
  std::error_code error;
  if (std::filesystem::is_directory(file, error)) {
    file /= "config.json";
  } else if (file.extension() != ".gguf") {
    file.replace_filename("config.json");
  }
  return in_context(printable(file.string(), 400),
                    [&] { return ModelConfig::parse(checkpoint.config_json()); });
}

}  // namespace fathom
