/// fathom tokenizer train: a byte-level BPE tokenizer from texts (text/tokenizer_train.h).

#include <CLI/CLI.hpp>
#include <chrono>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/file.h"
#include "cli/command.h"
#include "cli/common_options.h"
#include "cli/output_path.h"
#include "cli/progress_line.h"
#include "cli/say.h"
#include "text/corpus.h"
#include "text/tokenizer_train.h"

namespace fathom::cli {
namespace {

struct TokenizerArguments {
  std::vector<std::string> files;
  std::string out;
  TokenizerTrainOptions train;
  MachineOptions machine;
  bool jsonl = false, json = false;
};

// A name ending in .json is the file alone; else a folder, which gets the configuration as well.
void write(const TrainedTokenizer& trained, const std::filesystem::path& out) {
  if (out.extension() == ".json") return write_atomically(out, trained.json);
  std::error_code error;
  std::filesystem::create_directories(out, error);
  if (error) {
    fail(ErrorCode::io, "{}: expected a folder that can be made, found: {}", printable(out.string(), 400),
         error.message());
  }
  write_atomically(out / "tokenizer.json", trained.json);
  write_atomically(out / "tokenizer_config.json", trained.config_json);
}

void report(const TrainedTokenizer& t, double seconds, const TokenizerArguments& arguments) {
  const double ratio = t.tokens > 0 ? static_cast<double>(t.bytes) / static_cast<double>(t.tokens) : 0;
  if (arguments.json) {
    const nlohmann::ordered_json out = {{"vocab", t.vocab},
                                        {"merges", t.merges},
                                        {"texts", t.texts},
                                        {"bytes", t.bytes},
                                        {"pieces", t.pieces},
                                        {"distinct_pieces", t.distinct_pieces},
                                        {"pieces_too_long", t.pieces_too_long},
                                        {"tokens", t.tokens},
                                        {"bytes_per_token", ratio},
                                        {"seconds", seconds},
                                        {"out", printable(arguments.out, 4096)}};
    return fmt::print("{}\n", out.dump(2));
  }
  fmt::print(
      "vocabulary      {} ({} merges)\ntext            {} in {} texts, {} pieces, {} of them different\n"
      "bytes a token   {:.3f}\nwritten to      {}\n                {:.1f} s\n",
      t.vocab, t.merges, human_bytes(static_cast<double>(t.bytes)), t.texts, t.pieces, t.distinct_pieces,
      ratio, printable(arguments.out, 400), seconds);
  if (t.pieces_too_long > 0) fmt::print("                {} pieces too long to count\n", t.pieces_too_long);
}

[[noreturn]] void interrupted_here() {
  say("\nfathom: interrupted\n");
  throw ExitStatus{130};
}

void run(const TokenizerArguments& arguments) {
  const auto start = std::chrono::steady_clock::now();
  std::filesystem::path(arguments.out).extension() == ".json" ? check_output_file(arguments.out)
                                                              : check_output_folder(arguments.out);
  ThreadPool pool(arguments.machine.pool());
  arguments.machine.say_threads(arguments.out, pool.threads());
  TokenizerTrainer trainer(arguments.train, pool);
  for (const std::string& file : arguments.files) {
    const auto format = arguments.jsonl ? CorpusFormat::jsonl : CorpusFormat::automatic;
    const auto add = [&](std::string_view text) { trainer.add(text); };
    if (!read_corpus(file, format, add, byte_progress("reading"))) interrupted_here();
  }
  const auto trained = trainer.finish(count_progress("merging", "tokens"));
  if (!trained.has_value()) interrupted_here();
  write(*trained, arguments.out);
  report(*trained, std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count(),
         arguments);
}

}  // namespace

void register_tokenizer(CLI::App& app) {
  auto arguments = std::make_shared<TokenizerArguments>();
  CLI::App* group = app.add_subcommand("tokenizer", "Making tokenizers");
  group->require_subcommand(1);
  CLI::App* command = group->add_subcommand(
      "train", "Byte-level BPE from texts, with V4's splits and markup: tokenizer.json");
  command
      ->add_option("files", arguments->files,
                   "Texts; a name ending in .jsonl has a line {\"text\"} or {\"messages\"} for each (- = "
                   "standard input)")
      ->required();
  command->add_option("--out", arguments->out, "A folder, or a name ending in .json")->required();
  command->add_option("--vocab", arguments->train.vocab, "Tokens in all, bytes and markup included")
      ->capture_default_str();
  command
      ->add_option("--digits", arguments->train.digits_per_piece, "Digits that one token can hold (1 or 3)")
      ->capture_default_str()
      ->check(CLI::IsMember({1, 3}));
  command->add_option("--min-frequency", arguments->train.min_frequency, "Of a pair that becomes a token")
      ->capture_default_str()
      ->check(CLI::Range(int64_t{1}, int64_t{1} << 40));
  command->add_option("--added", arguments->train.added, "A further added token (repeat for several)")
      ->type_name("TEXT")
      ->allow_extra_args(false);
  arguments->machine.add_threads_to(*command);
  command->add_flag("--jsonl", arguments->jsonl, "All files are JSON lines, whatever their names");
  command->add_flag("--json", arguments->json, "Report as JSON");
  command->callback([arguments] { run(*arguments); });
}

}  // namespace fathom::cli
