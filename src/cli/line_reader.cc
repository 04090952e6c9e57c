#include "cli/line_reader.h"

#include <histedit.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cwchar>
#include <filesystem>
#include <iostream>

#include "cli/interrupt.h"
#include "cli/standard_input.h"

namespace fathom::cli {

struct LineReader::State {
  EditLine* edit = nullptr;
  History* history = nullptr;
  HistEvent event{};
  std::string prompt, path;
};

namespace {

char* prompt_of(EditLine* edit) {
  void* data = nullptr;
  el_get(edit, EL_CLIENTDATA, &data);
  return static_cast<std::string*>(data)->data();
}

// One character from the terminal: 1, 0 at the end, -1 after Ctrl-C. Instead of libedit's own, whose read()
// sleeps on if the signal came just before it.
int read_character(EditLine* /*edit*/, wchar_t* character) {
  std::mbstate_t state{};
  while (wait_readable(STDIN_FILENO)) {
    char byte = 0;
    const ssize_t count = ::read(STDIN_FILENO, &byte, 1);
    if (count == 0) return 0;
    if (count < 0 && errno != EINTR && errno != EAGAIN) return -1;
    if (count < 0) continue;
    // Ctrl-D typed before the prompt stood: the terminal, which still collected lines, hands it on as zero.
    if (byte == 0) byte = 4;
    const size_t length = std::mbrtowc(character, &byte, 1, &state);
    if (length == static_cast<size_t>(-1)) state = {};  // not a character: dropped
    if (length <= 1) return 1;
  }
  return -1;
}

}  // namespace

LineReader::LineReader(const std::string& history_path)
    : state_(std::make_unique<State>()), terminal_(isatty(STDIN_FILENO) && isatty(STDOUT_FILENO)) {
  if (!terminal_) return;
  state_->path = history_path;
  state_->edit = el_init("fathom", stdin, stdout, stderr);
  state_->history = history_init();
  history(state_->history, &state_->event, H_SETSIZE, 1000);
  if (!history_path.empty()) history(state_->history, &state_->event, H_LOAD, history_path.c_str());
  el_set(state_->edit, EL_CLIENTDATA, &state_->prompt);
  el_set(state_->edit, EL_PROMPT, prompt_of);
  el_set(state_->edit, EL_EDITOR, "emacs");
  el_set(state_->edit, EL_SIGNAL, 0);
  el_set(state_->edit, EL_GETCFN, read_character);
  el_set(state_->edit, EL_HIST, history, state_->history);
}

LineReader::~LineReader() {
  if (!terminal_) return;
  if (!state_->path.empty()) {
    std::error_code error;
    std::filesystem::create_directories(std::filesystem::path(state_->path).parent_path(), error);
    const mode_t old = umask(0077);  // what was typed is nobody else's business
    history(state_->history, &state_->event, H_SAVE, state_->path.c_str());
    umask(old);
  }
  el_end(state_->edit);
  history_end(state_->history);
}

std::optional<std::string> LineReader::read(const std::string& prompt) {
  if (!terminal_) {
    std::string line;
    if (!read_line(std::cin, "standard input", line)) return std::nullopt;
    if (!line.empty() && line.back() == '\r') line.pop_back();
    return line;
  }
  state_->prompt = prompt;
  clear_interrupt();  // one that came before the prompt was there stops nothing
  int count = 0;
  const char* line = el_gets(state_->edit, &count);
  if ((!line || count <= 0) && interrupted()) {
    el_reset(state_->edit);
    std::cout << "\n";
    return std::string();
  }
  if (!line || count <= 0) return std::nullopt;
  std::string text(line, static_cast<size_t>(count));
  while (!text.empty() && (text.back() == '\n' || text.back() == '\r')) text.pop_back();
  return text;
}

void LineReader::remember(const std::string& line) {
  if (terminal_ && !line.empty()) history(state_->history, &state_->event, H_ENTER, line.c_str());
}

std::string default_history_path() {
  const char* state = std::getenv("XDG_STATE_HOME");
  const char* home = std::getenv("HOME");
  if (state && *state) return std::string(state) + "/fathom/chat_history";
  if (home && *home) return std::string(home) + "/.local/state/fathom/chat_history";
  return {};
}

}  // namespace fathom::cli
