#pragma once
/// Flags that every command working on a model has, and the opening of that model.

#include <filesystem>
#include <memory>
#include <optional>
#include <string>

#include "model/model.h"
#include "model/runtime.h"
#include "text/tokenizer.h"

namespace CLI {
class App;
}

namespace fathom::cli {

/// Flags of commands that compute. Which command has which: docs/decisions/0010.
struct MachineOptions {
  int threads = 0;     ///< 0 = one per CPU of the affinity mask
  std::string target;  ///< plain, avx2, ...; empty = the best
  bool no_pin = false;
  bool verbose = false;

  /// Adds --threads, --no-pin, -v.
  void add_threads_to(CLI::App& command);
  /// Adds --target.
  void add_target_to(CLI::App& command);
  /// Adds -v alone.
  void add_verbose_to(CLI::App& command);

  ThreadPoolOptions pool() const;
  /// The target asked for, or the best of this CPU.
  Target target_or_best() const;
  /// With -v a line on standard error: "fathom: where: 8 threads" or "fathom: where: avx2, 8 threads".
  void say_threads(const std::string& where, int64_t count) const;
  void say_machine(const std::string& where, Target used, int64_t count) const;
};

struct ModelOptions : MachineOptions {
  std::string model;     ///< -m: folder, file, or a name under models/; empty = the bundled model
  std::string adapter;   ///< folder of a LoRA adapter to add to the model; empty = none
  std::string numerics;  ///< exact, release, fast; empty = by command and weights
  std::string memory;    ///< upper bound of state, scratch and copied weights, with K, M, G; empty = none

  /// What --target, --threads, --memory, --no-pin and --numerics (if given) ask for.
  RuntimeOptions runtime() const;

  /// Adds the flags beside -m and --adapter (serve has several models).
  void add_machine_to(CLI::App& command);
  void add_adapter_to(CLI::App& command);
  /// Adds -m, --adapter, --threads, --target, --numerics, --memory, --no-pin, -v.
  void add_to(CLI::App& command);
};

/// The path itself if there is something, or a model of that name where resolve_model() searches.
std::optional<std::filesystem::path> find_model(const std::string& name);
/// The path -m names. A name is searched in $FATHOM_MODELS, ./models, models/ of the source tree or beside
/// the binary, and share/fathom/models. Throws Error(not_found) that lists what there is.
std::filesystem::path resolve_model(const std::string& name);
/// The folder of a model path (the folder itself, or that of the file).
std::filesystem::path model_folder(const std::filesystem::path& path);

/// Which numerics a command takes if the user names none (design: hard point 9).
enum class DefaultNumerics { exact, fast };  // fast: but exact where the weights are F32

/// Whether a command works without a tokenizer.
enum class TokenizerUse { optional, needed };

/// A model ready to run.
struct OpenedModel {
  std::filesystem::path path;
  std::shared_ptr<const Model> model;
  std::shared_ptr<const Tokenizer> tokenizer;  ///< null if the model has none and none is needed
  std::unique_ptr<Runtime<float>> runtime;

  Context<float> context() const { return runtime->context(model->config()); }
};

/// "official naming, 87 tensors".
std::string checkpoint_line(const Checkpoint& checkpoint);

/// Opens the tokenizer first and then the weights, which take longer. Throws Error for a model that cannot be
/// opened, Error(not_found) if the tokenizer is needed and there is none.
OpenedModel open_model(const ModelOptions& options, DefaultNumerics default_numerics,
                       TokenizerUse tokenizer = TokenizerUse::optional);

/// The tokenizer of a model path without opening weights or config (tokenize, detokenize, render, parse).
std::shared_ptr<const Tokenizer> open_tokenizer(const std::filesystem::path& path);

/// "1.5G", "512M", "1048576" to bytes. Throws Error(bad_input) naming `flag`.
int64_t parse_bytes(const std::string& text, const std::string& flag);
/// The same of anything; `what` is named in the error, as "tokens such as 256K".
int64_t parse_binary(const std::string& text, const std::string& flag, std::string_view what);

}  // namespace fathom::cli
