// fathom keys: a new API key for fathom serve.
#include <fmt/core.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <memory>
#include <optional>

#include "cli/command.h"
#include "cli/number_checks.h"
#include "server/service/keys.h"

namespace fathom::cli {

void register_keys(CLI::App& app) {
  struct Arguments {
    std::string file;
    server::KeyEntry entry;
    std::vector<std::string> scopes;
    std::string priority;
    std::optional<double> balance;
  };
  auto* command =
      app.add_subcommand("keys", "adds a key to a key file and prints it; it is kept nowhere else");
  auto arguments = std::make_shared<Arguments>();
  command->add_option("file", arguments->file, "the key file; made if there is none")->required();
  server::KeyEntry& entry = arguments->entry;
  command->add_option("name", entry.id, "whose key it is")->required();
  command
      ->add_option("--scope", arguments->scopes,
                   "inference (default), metrics, admin: what it is for (repeatable)")
      ->check(CLI::IsMember({"inference", "metrics", "admin"}));
  command->add_option("--model", entry.models, "a model that it may use (repeatable; default: all)");
  const auto count = CLI::Range(int64_t{1}, int64_t{1'000'000'000'000});
  command->add_option("--concurrency", entry.concurrency, "answers at once")->check(count);
  command->add_option("--requests-per-minute", entry.requests_per_minute, "answers that it may ask for")
      ->check(count);
  command->add_option("--tokens-per-minute", entry.tokens_per_minute, "tokens of prompts and answers")
      ->check(count);
  command->add_option("--priority", arguments->priority, "the highest that it is given (default: high)")
      ->check(CLI::IsMember({"high", "normal", "low"}));
  command->add_option("--balance", arguments->balance, "what it may spend in all, with a ledger")
      ->check(finite_number(0, 1e6));
  command->callback([arguments] {
    server::KeyEntry& e = arguments->entry;
    if (!arguments->scopes.empty()) {
      const auto has = [&](const char* scope) {
        return std::ranges::find(arguments->scopes, scope) != arguments->scopes.end();
      };
      e.inference = has("inference");
      e.metrics = has("metrics");
      e.admin = has("admin");
    }
    if (arguments->priority == "normal") e.priority = Priority::normal;
    if (arguments->priority == "low") e.priority = Priority::low;
    if (arguments->balance) e.balance = server::to_picos(*arguments->balance);
    fmt::print("{}\n", server::Keys::add(arguments->file, e));
  });
}

}  // namespace fathom::cli
