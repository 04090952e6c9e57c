// fathom batch: a file of requests answered offline, many at once, by the engine of fathom serve.
#include <fmt/core.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <chrono>
#include <ctime>
#include <memory>
#include <mutex>

#include "base/error.h"
#include "cli/command.h"
#include "cli/interrupt.h"
#include "cli/price_options.h"
#include "cli/progress_line.h"
#include "cli/say.h"
#include "cli/serve_models.h"
#include "server/service/batch.h"
#include "server/service/keys.h"
#include "server/service/ledger.h"
#include "server/service/service.h"

namespace fathom::cli {
namespace {

struct BatchArguments {
  ServeModelOptions models;
  PriceOptions prices;
  std::string in, out, ledger;
  bool any_model = false, strict_fields = false;
};

// What the answers of this run took.
struct Taken {
  std::mutex mutex;
  AnswerStats stats;
  Picos cost = 0;
  void add(const server::RequestRecord& record) {
    const std::lock_guard lock(mutex);
    stats.prompt_tokens += record.stats.prompt_tokens;
    stats.cached_tokens += record.stats.cached_tokens;
    stats.completion_tokens += record.stats.completion_tokens;
    stats.reasoning_tokens += record.stats.reasoning_tokens;
    cost += record.price;
  }
};

void run(BatchArguments& arguments) {
  Taken taken;  // outlives the service
  server::ServiceOptions service_options;
  service_options.version = FATHOM_VERSION;
  service_options.any_model = arguments.any_model;
  service_options.strict_fields = arguments.strict_fields;
  service_options.prices = arguments.prices.list();
  service_options.log = [&taken](const server::RequestRecord& record) { taken.add(record); };
  service_options.store.off = true;  // nobody could ask for them
  const std::string currency = service_options.prices.currency();
  std::unique_ptr<server::Ledger> ledger;
  if (!arguments.ledger.empty()) ledger = std::make_unique<server::Ledger>(arguments.ledger, currency);
  server::BatchOptions options;
  options.at_once = 2 * arguments.models.max_rows;  // the next ones are ready when some end
  options.progress = count_progress("answering", "requests");
  arguments.models.max_queue = arguments.models.max_queue_per_key = options.at_once;
  arguments.models.queue_seconds = 1e9;  // they wait as long as it takes
  auto models = serve_models(arguments.models);
  for (const auto& model : models) (void)service_options.prices.at(model->name, std::time(nullptr));
  server::Service service(std::move(service_options), std::move(models), nullptr, std::move(ledger));

  const auto begin = std::chrono::steady_clock::now();
  const server::BatchSummary summary = server::run_batch(service, arguments.in, arguments.out, options);
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  const std::lock_guard lock(taken.mutex);
  const AnswerStats& stats = taken.stats;
  say("{} lines: {} answered, {} failed, {} no requests, {} done before; {} prompt tokens ({} cached), {} "
      "written ({} thinking) in {:.1f} s, {:.1f}/s; {} {}\n",
      summary.lines, summary.answered, summary.failed, summary.invalid, summary.skipped, stats.prompt_tokens,
      stats.cached_tokens, stats.completion_tokens, stats.reasoning_tokens, seconds,
      seconds > 0 ? static_cast<double>(stats.completion_tokens) / seconds : 0.0, decimal(taken.cost),
      currency);
  if (!summary.finished) throw ExitStatus{130};
}

}  // namespace

void register_batch(CLI::App& app) {
  auto* command =
      app.add_subcommand("batch", "a file of requests in the Batch API's format, answered offline");
  auto arguments = std::make_shared<BatchArguments>();
  command->add_option("in", arguments->in, "lines of {custom_id, method, url, body}")->required();
  command
      ->add_option("out", arguments->out,
                   "where answers are appended, as they end; what it has already is not asked again")
      ->required();
  arguments->models.add_to(*command);
  arguments->prices.add_to(*command);
  command->add_flag("--any-model", arguments->any_model, "an unknown model's name means the first one");
  command->add_flag("--strict-fields", arguments->strict_fields, "refuse fields that have no effect");
  command->add_option("--ledger", arguments->ledger, "SQLite file of what every request cost");
  command->callback([arguments] { run(*arguments); });
}

}  // namespace fathom::cli
