#include "cli/serve_models.h"

#include <CLI/CLI.hpp>
#include <set>

#include "base/error.h"
#include "cli/say.h"
#include "engine/serving/model_identity.h"
#include "engine/session.h"

namespace fathom::cli {
namespace {

// Runs one token: --memory must have room for the shortest request, scratch included. From then on the
// scheduler holds the requests to it.
void check_room(const OpenedModel& opened) {
  if (opened.runtime->memory_bytes() == 0) return;
  const std::vector<int32_t> one = {opened.model->config().bos_token_id};
  in_context("--memory: too small for any request",
             [&] { Session(*opened.model, *opened.runtime).feed(one); });
  opened.runtime->lift_memory_limit();
}

// "PATH" or "NAME=PATH"; what exists as it stands is a path.
// @param folders of states on disk that are taken: each has one writer
std::unique_ptr<server::ServedModel> serve_model(const ServeModelOptions& options, const std::string& model,
                                                 std::set<std::filesystem::path>& folders) {
  std::string own_name;
  ModelOptions model_options = options.model;
  model_options.model = model;
  const size_t equals = model.find('=');
  if (equals != std::string::npos && !find_model(model)) {
    own_name = model.substr(0, equals);
    model_options.model = model.substr(equals + 1);
    const bool good = !own_name.empty() && own_name.size() <= 128 &&
                      own_name.find_first_not_of(
                          "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                          "0123456789._:/-") == std::string::npos;
    if (!good)
      bad_input("model: expected a name of letters, digits and ._:/-, found '{}'", printable(own_name, 64));
  }
  OpenedModel opened = open_model(model_options, DefaultNumerics::fast, TokenizerUse::needed);
  auto served = std::make_unique<server::ServedModel>();
  std::filesystem::path path = opened.path;
  if (path.filename().empty()) path = path.parent_path();
  served->name = own_name.empty() ? path.stem().string() : own_name;
  served->model = opened.model;
  served->tokenizer = opened.tokenizer;
  served->setup = read_chat_setup(model_folder(opened.path),
                                  opened.model->weights().checkpoint().config_json(), opened.model->config());
  if (!options.prompt_encoding.empty()) served->setup.generation = parse_generation(options.prompt_encoding);
  served->fingerprint =
      server::fingerprint_of(*opened.model, *opened.runtime, served->setup.generation, FATHOM_VERSION);
  EngineThreadOptions engine;
  engine.scheduler.max_sequences = options.max_rows;
  engine.scheduler.cache_bytes = options.cache == "0" ? 0 : parse_bytes(options.cache, "--cache");
  engine.scheduler.memory_bytes = opened.runtime->memory_bytes();
  check_room(opened);
  engine.scheduler.queue_seconds = options.queue_seconds;
  engine.scheduler.answer_seconds = options.max_seconds;
  if (!options.cache_dir.empty()) {
    DiskCacheOptions& disk = engine.scheduler.disk;
    disk.identity = model_identity(*opened.model, *opened.runtime);
    disk.folder = std::filesystem::path(options.cache_dir) / disk.identity;
    disk.has_siblings = true;
    if (!folders.insert(disk.folder).second)
      bad_input("model: expected different models beside --cache-dir, found one twice");
    disk.max_bytes = parse_bytes(options.cache_disk, "--cache-disk");
    disk.log = [](const std::string& text) { say("fathom: {}\n", text); };
  }
  engine.max_queue = options.max_queue;
  engine.max_queue_per_key = options.max_queue_per_key;
  served->engine =
      std::make_unique<EngineThread>(opened.model, std::move(opened.runtime), opened.tokenizer, engine);
  return served;
}

}  // namespace

std::vector<std::unique_ptr<server::ServedModel>> serve_models(const ServeModelOptions& options) {
  std::vector<std::unique_ptr<server::ServedModel>> models;
  if (options.models.size() > 1 && !options.model.adapter.empty())
    bad_input("adapter: expected one model beside it, found {}", options.models.size());
  std::set<std::filesystem::path> folders;
  if (options.models.empty()) models.push_back(serve_model(options, "", folders));
  for (const std::string& model : options.models) models.push_back(serve_model(options, model, folders));
  if (!options.name.empty()) models.front()->name = options.name;
  for (size_t i = 0; i < models.size(); ++i) {
    for (size_t k = 0; k < i; ++k) {
      if (models[i]->name == models[k]->name)
        bad_input("model: expected each name once, found '{}' twice (give NAME=PATH)",
                  printable(models[i]->name, 64));
    }
  }
  return models;
}

void ServeModelOptions::add_to(CLI::App& command) {
  command.add_option("-m,--model", models,
                     "folder, .safetensors or .gguf file, a name under models/, or NAME=PATH (repeatable)");
  model.add_adapter_to(command);
  model.add_machine_to(command);
  command.add_option("--name", name, "the first model's name in the API (default: its folder's)");
  command.add_option("--prompt-encoding", prompt_encoding, "2026-04 or 2026-08, whatever the model")
      ->check(CLI::IsMember({"2026-04", "2026-08"}));
  command.add_option("--cache", cache, "most memory of states kept for later requests (default: 1G)");
  command.add_option("--cache-dir", cache_dir,
                     "folder where states are kept across restarts (default: none)");
  command.add_option("--cache-disk", cache_disk, "most bytes in that folder (default: 16G)");
  command.add_option("--max-rows", max_rows, "requests in the batch at once")->check(CLI::Range(1, 65536));
}

}  // namespace fathom::cli
