/// fathom logits: logits of given token ids, to a safetensors file.

#include <CLI/CLI.hpp>

#include "base/error.h"
#include "checkpoint/tensor_file.h"
#include "cli/command.h"
#include "cli/common_options.h"
#include "cli/json_output.h"
#include "cli/output_path.h"
#include "engine/recorder.h"

namespace fathom::cli {
namespace {

struct LogitsOptions {
  ModelOptions model;
  std::string ids, out;
  int64_t chunk = 512;
  bool mtp = false, trace = false;
};

void add_layers(const SequenceRecord& record, const ModelConfig& config, int64_t rows,
                const std::string& prefix, std::vector<MemoryTensor>& out) {
  for (const auto& [layer, values] : record.layers) {
    const bool draft = layer >= config.num_hidden_layers;
    const int64_t count = draft ? rows - 1 : rows;
    const std::string streams = draft ? "mtp_streams" : fmt::format("streams.{}", layer);
    const std::string router = draft ? "mtp_router" : fmt::format("router.{}", layer);
    const int64_t k = config.num_experts_per_tok;
    out.push_back(
        memory_tensor(prefix + streams, {count, config.hc_mult, config.hidden_size}, values.streams));
    out.push_back(memory_tensor(prefix + router + ".ids", {count, k}, values.router_ids));
    out.push_back(memory_tensor(prefix + router + ".weights", {count, k}, values.router_weights));
    if (config.layer(layer).kind == LayerKind::csa) {
      out.push_back(memory_tensor(fmt::format("{}indexer.{}", prefix, layer), {count, values.indexer_width},
                                  values.indexer));
    }
  }
}

void run(const LogitsOptions& options) {
  check_output_file(options.out);
  const auto lists = read_id_lists(options.ids);
  const OpenedModel model = open_model(options.model, DefaultNumerics::exact);
  const ModelConfig& config = model.model->config();
  if (options.mtp && model.model->mtp_blocks() == 0) {
    fail(ErrorCode::unsupported, "{}: --mtp: expected an MTP block, found none",
         printable(model.path.string()));
  }
  std::vector<MemoryTensor> tensors;
  RecordOptions record_options{.chunk = options.chunk, .mtp = options.mtp, .trace = options.trace};
  for (size_t i = 0; i < lists.size(); ++i) {
    const std::string prefix = lists.size() == 1 ? "" : fmt::format("{}.", i);
    const auto rows = static_cast<int64_t>(lists[i].size());
    if (rows == 0)
      bad_input("{}: list {}: expected at least one token id, found none", printable(options.ids), i);
    const SequenceRecord record = in_context(fmt::format("{}: list {}", printable(options.ids, 400), i), [&] {
      return record_sequence(*model.runtime, *model.model, lists[i], record_options);
    });
    record_options.kept_bytes += record_bytes(*model.model, rows, record_options);
    tensors.push_back(memory_tensor(prefix + "logits", {rows, config.vocab_size}, record.logits));
    if (options.mtp) {
      tensors.push_back(
          memory_tensor(prefix + "mtp_logits", {rows - 1, config.vocab_size}, record.mtp_logits));
    }
    add_layers(record, config, rows, prefix, tensors);
  }
  write_tensor_file(options.out, tensors);
}

}  // namespace

void register_logits(CLI::App& app) {
  auto options = std::make_shared<LogitsOptions>();
  CLI::App* command = app.add_subcommand("logits", "Logits of token ids, to a safetensors file");
  options->model.add_to(*command);
  command
      ->add_option("--ids", options->ids, "JSON list of token ids, or one list a line (- = standard input)")
      ->required();
  command->add_option("--out", options->out, "File to write")->required();
  command->add_option("--chunk", options->chunk, "Prefill chunk; 1 = token by token")
      ->check(CLI::Range(int64_t{1}, int64_t{1} << 20));
  command->add_flag("--mtp", options->mtp, "Add mtp_logits");
  command->add_flag("--trace", options->trace, "Add streams, router and indexer choices of every layer");
  command->callback([options] { run(*options); });
}

}  // namespace fathom::cli
