// fathom keys: a new API key for fathom serve.
#include <fmt/core.h>

#include <CLI/CLI.hpp>
#include <memory>

#include "cli/command.h"
#include "server/service/keys.h"

namespace fathom::cli {

void register_keys(CLI::App& app) {
  struct Arguments {
    std::string file, name;
  };
  auto* command =
      app.add_subcommand("keys", "adds a key to a key file and prints it; it is kept nowhere else");
  auto arguments = std::make_shared<Arguments>();
  command->add_option("file", arguments->file, "the key file; made if there is none")->required();
  command->add_option("name", arguments->name, "whose key it is")->required();
  command->callback([arguments] { fmt::print("{}\n", server::Keys::add(arguments->file, arguments->name)); });
}

}  // namespace fathom::cli
