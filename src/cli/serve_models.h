#pragma once
/// The models of a server or a batch, with their engines, as the command line names them.

#include <memory>
#include <string>
#include <vector>

#include "cli/common_options.h"
#include "server/service/served_model.h"

namespace fathom::cli {

struct ServeModelOptions {
  ModelOptions model;
  std::vector<std::string> models;  ///< PATH or NAME=PATH; none: the bundled model
  std::string name;                 ///< of the first model; empty: its folder's
  std::string prompt_encoding, cache = "1G", cache_dir, cache_disk = "16G";
  int max_rows = 256;
  int64_t max_queue = 1024, max_queue_per_key = 256;
  double queue_seconds = 600, max_seconds = 0;

  /// Options of models, caches and the batch; not those of the queue.
  void add_to(CLI::App& command);
};

/// Opens them. Throws Error naming the option.
std::vector<std::unique_ptr<server::ServedModel>> serve_models(const ServeModelOptions& options);

}  // namespace fathom::cli
