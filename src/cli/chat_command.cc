/// fathom chat: a conversation in the terminal.

#include <fmt/core.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <clocale>

#include "base/error.h"
#include "cli/chat_session.h"
#include "cli/command.h"
#include "cli/interrupt.h"
#include "cli/line_reader.h"
#include "cli/remote_chat.h"
#include "cli/say.h"

namespace fathom::cli {
namespace {

struct ChatOptions {
  ModelOptions model;
  GenerationOptions generation;
  RemoteChatOptions remote;  // with a url: a server instead of a model
};

// A message: one line, lines joined by a trailing backslash, or a block between lines of """. An interrupt
// drops all of it.
std::optional<std::string> read_message(LineReader& reader) {
  std::optional<std::string> line = reader.read("> ");
  if (!line) return line;
  std::string text = *line;
  if (text.starts_with("\"\"\"")) {
    text.erase(0, 3);
    while (!text.ends_with("\"\"\"")) {
      line = reader.read("... ");
      if (interrupted()) return std::string();
      if (!line) break;
      text += (text.empty() ? "" : "\n") + *line;
    }
    if (text.ends_with("\"\"\"")) text.resize(text.size() - 3);
  } else {
    while (text.ends_with('\\')) {
      text.back() = '\n';
      line = reader.read("... ");
      if (interrupted()) return std::string();
      if (!line) break;
      text += *line;
    }
  }
  reader.remember(text);
  return text;
}

template <class Chat>
void converse(Chat& chat, LineReader& reader) {
  const bool terminal = isatty(STDOUT_FILENO) != 0;
  if (reader.terminal()) {
    clear_interrupt();  // from here on Ctrl-C drops what is being typed or written
    fmt::print("{}\n", chat.banner());
  }
  bool failed = false;
  while (const auto text = read_message(reader)) {
    if (text->find_first_not_of(" \t\r\n") == std::string::npos) continue;
    try {
      if (text->front() == '/') {
        if (!chat.command(*text)) break;
      } else {
        chat.answer(*text, terminal);
      }
    } catch (const Error& error) {
      // On a terminal one goes on; a script must see that something failed.
      say("fathom: {}\n", error.what());
      failed = true;
    }
    std::fflush(stdout);
    if (!reader.terminal()) check_interrupt();
    clear_interrupt();
  }
  if (!reader.terminal()) check_interrupt();
  if (reader.terminal()) fmt::print("\n");
  if (failed && !reader.terminal()) throw ExitStatus{1};
}

void run(const ChatOptions& options) {
  std::setlocale(LC_CTYPE, "");
  LineReader reader(default_history_path());
  if (!options.remote.url.empty()) {
    RemoteChat chat(options.remote, options.generation);
    return converse(chat, reader);
  }
  ChatSession chat(open_model(options.model, DefaultNumerics::fast, TokenizerUse::needed),
                   options.generation);
  converse(chat, reader);
}

}  // namespace

void register_chat(CLI::App& app) {
  auto options = std::make_shared<ChatOptions>();
  CLI::App* command = app.add_subcommand("chat", "A conversation in the terminal");
  options->model.add_to(*command);
  options->generation.add_to(*command);
  options->remote.add_to(*command);
  command->callback([options, command] {
    options->remote.model = options->model.model;
    if (command->get_option("--think")->count() > 0) options->remote.think = options->generation.think;
    run(*options);
  });
}

}  // namespace fathom::cli
