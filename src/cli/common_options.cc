#include "cli/common_options.h"

#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cmath>
#include <cstdlib>

#include "base/error.h"
#include "checkpoint/adapter.h"
#include "cli/say.h"
#include "engine/model_notes.h"

namespace fathom::cli {
namespace {

namespace fs = std::filesystem;

// The bundled models, best first.
constexpr const char* kBundled[] = {"nano", "v4-10m"};

std::vector<fs::path> model_roots() {
  std::vector<fs::path> roots;
  if (const char* root = std::getenv("FATHOM_MODELS"); root && *root) roots.emplace_back(root);
  roots.emplace_back("models");
  std::error_code error;
  const fs::path binary = fs::read_symlink("/proc/self/exe", error);
  if (!error) {
    // build/PRESET/fathom in the source tree; bin/fathom of an installation.
    roots.push_back(binary.parent_path() / "../../models");
    roots.push_back(binary.parent_path() / "../share/fathom/models");
  }
  return roots;
}

bool is_model(const fs::path& path) {
  std::error_code error;
  return fs::is_regular_file(path, error) || fs::exists(path / "config.json", error);
}

}  // namespace

void ModelOptions::add_to(CLI::App& command) {
  command.add_option("-m,--model", model, "Folder, .safetensors or .gguf file, or a name under models/");
  add_adapter_to(command);
  add_machine_to(command);
}

void ModelOptions::add_adapter_to(CLI::App& command) {
  command.add_option("--adapter", adapter, "Folder of a LoRA adapter to add to the model");
}

void ModelOptions::add_machine_to(CLI::App& command) {
  add_threads_to(command);
  add_target_to(command);
  command.add_option("--numerics", numerics, "Arithmetic: exact, release, fast");
  command.add_option("--memory", memory, "Most memory for state and scratch, e.g. 8G (mapped weights apart)");
}

void MachineOptions::add_threads_to(CLI::App& command) {
  command.add_option("--threads", threads, "Threads (0: one per CPU)")->check(CLI::Range(0, 1024));
  command.add_flag("--no-pin", no_pin, "Do not pin threads to CPUs");
  add_verbose_to(command);
}

void MachineOptions::add_target_to(CLI::App& command) {
  command.add_option("--target", target, "Kernels: plain, avx2, avx512, avx512_bf16 (default: the best)");
}

void MachineOptions::add_verbose_to(CLI::App& command) {
  command.add_flag("-v,--verbose", verbose, "Say more on standard error");
}

ThreadPoolOptions MachineOptions::pool() const {
  ThreadPoolOptions out;
  out.threads = threads;
  out.pin = !no_pin;
  return out;
}

Target MachineOptions::target_or_best() const {
  return target.empty() ? detect_target() : target_from_name(target);
}

void MachineOptions::say_threads(const std::string& where, int64_t count) const {
  if (verbose) say("fathom: {}: {} thread{}\n", printable(where, 400), count, count == 1 ? "" : "s");
}

void MachineOptions::say_machine(const std::string& where, Target used, int64_t count) const {
  if (verbose)
    say("fathom: {}: {}, {} thread{}\n", printable(where, 400), name(used), count, count == 1 ? "" : "s");
}

std::string checkpoint_line(const Checkpoint& checkpoint) {
  return fmt::format("{} naming, {} tensors", checkpoint.naming(), checkpoint.names().size());
}

RuntimeOptions ModelOptions::runtime() const {
  RuntimeOptions out;
  if (!target.empty()) out.target = target_from_name(target);
  out.pool = pool();
  if (!numerics.empty()) out.numerics = Numerics::from_name(numerics);
  if (!memory.empty()) out.memory_bytes = parse_bytes(memory, "--memory");
  return out;
}

std::optional<fs::path> find_model(const std::string& name) {
  std::vector<std::string> names;
  if (name.empty()) {
    names.assign(std::begin(kBundled), std::end(kBundled));
  } else {
    std::error_code error;
    if (fs::exists(name, error)) return name;
    names = {name};
  }
  for (const fs::path& root : model_roots()) {
    for (const std::string& candidate : names) {
      if (candidate.find("..") == std::string::npos && is_model(root / candidate)) {
        return (root / candidate).lexically_normal();
      }
    }
  }
  return std::nullopt;
}

fs::path resolve_model(const std::string& name) {
  if (auto path = find_model(name)) return *std::move(path);
  std::string found;
  for (const fs::path& root : model_roots()) {
    std::error_code error;
    for (const auto& entry : fs::directory_iterator(root, error)) {
      if (!is_model(entry.path())) continue;
      found += (found.empty() ? "" : ", ") + printable(entry.path().filename().string());
    }
  }
  fail(ErrorCode::not_found, "model: expected a folder, a file or one of [{}], found '{}'", found,
       printable(name.empty() ? "no bundled model" : name));
}

fs::path model_folder(const fs::path& path) {
  std::error_code error;
  return fs::is_directory(path, error) ? path : path.parent_path();
}

std::shared_ptr<const Tokenizer> open_tokenizer(const fs::path& path) {
  if (path.extension() == ".gguf") {
    return Tokenizer::from_json(Checkpoint::open(path)->tokenizer_json(), path.string());
  }
  return Tokenizer::open(path.extension() == ".json" ? path : model_folder(path));
}

OpenedModel open_model(const ModelOptions& options, DefaultNumerics default_numerics,
                       TokenizerUse tokenizer) {
  OpenedModel opened;
  opened.path = resolve_model(options.model);
  const fs::path file = model_folder(opened.path) / "tokenizer.json";
  const bool gguf = opened.path.extension() == ".gguf";  // has its tokenizer inside
  std::error_code error;
  if (!gguf && fs::exists(file, error)) opened.tokenizer = Tokenizer::open(file);
  auto checkpoint = Checkpoint::open(opened.path);
  if (gguf) {
    if (const std::string json = checkpoint->tokenizer_json(); !json.empty())
      opened.tokenizer = Tokenizer::from_json(json, opened.path.string());
  }
  if (tokenizer == TokenizerUse::needed && !opened.tokenizer) {
    fail(ErrorCode::not_found, "{}: expected a tokenizer.json, found none",
         printable(opened.path.string(), 400));
  }
  if (!options.adapter.empty()) {
    ThreadPool pool(options.pool());
    checkpoint = merge_adapter(std::move(checkpoint), read_adapter(options.adapter), pool);
  }
  opened.model = Model::open(checkpoint);
  RuntimeOptions runtime = options.runtime();
  if (options.numerics.empty() && default_numerics == DefaultNumerics::fast &&
      opened.model->weights().params().layers.front().attn.wq_a.dtype != DType::F32) {
    runtime.numerics = Numerics::fast();
  }
  opened.runtime = std::make_unique<Runtime<float>>(runtime);
  for (const std::string& note : model_notes(*opened.model)) {
    say("fathom: {}: {}\n", printable(opened.path.string(), 400), note);
  }
  if (options.verbose) {
    say("fathom: {}: {}, {} numerics, {}, {} threads\n", printable(opened.path.string(), 400),
        checkpoint_line(*checkpoint), name(opened.runtime->numerics().mode), name(opened.runtime->target()),
        opened.runtime->threads());
  }
  return opened;
}

int64_t parse_bytes(const std::string& text, const std::string& flag) {
  return parse_binary(text, flag, "bytes such as 8G");
}

int64_t parse_binary(const std::string& text, const std::string& flag, std::string_view what) {
  char* end = nullptr;
  const double value = std::strtod(text.c_str(), &end);
  const std::string unit(end);
  const double factor = unit.empty() || unit == "B"    ? 1
                        : unit == "K" || unit == "KiB" ? 1024.0
                        : unit == "M" || unit == "MiB" ? 1024.0 * 1024
                        : unit == "G" || unit == "GiB" ? 1024.0 * 1024 * 1024
                        : unit == "T" || unit == "TiB" ? 1024.0 * 1024 * 1024 * 1024
                                                       : 0;
  if (end == text.c_str() || factor == 0 || !(value > 0) || value * factor > 9e18) {
    bad_input("{}: expected a number of {}, found '{}'", flag, what, printable(text));
  }
  return static_cast<int64_t>(value * factor);
}

}  // namespace fathom::cli
