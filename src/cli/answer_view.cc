#include "cli/answer_view.h"

#include <fmt/core.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cwchar>
#include <system_error>
#include <utility>

namespace fathom::cli {
namespace {

struct Screen {
  int64_t rows = 24, columns = 80;
};
Screen screen() {
  winsize size{};
  if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 && size.ws_row > 0) {
    return {size.ws_row, size.ws_col};
  }
  return {};
}

// The code point at text[i], moving i behind it; the text is valid UTF-8.
char32_t next_code_point(std::string_view text, size_t& i) {
  const auto lead = static_cast<unsigned char>(text[i++]);
  int more = lead >= 0xF0 ? 3 : lead >= 0xE0 ? 2 : lead >= 0xC0 ? 1 : 0;
  char32_t c = more == 3 ? lead & 7u : more == 2 ? lead & 15u : more == 1 ? lead & 31u : lead;
  for (; more > 0 && i < text.size(); --more) c = c << 6 | (static_cast<unsigned char>(text[i++]) & 63u);
  return c;
}

int width_of(char32_t c) {
  const int w = wcwidth(static_cast<wchar_t>(c));
  return w < 0 ? 0 : w;
}

}  // namespace

int display_width(std::string_view utf8) {
  int width = 0;
  for (size_t i = 0; i < utf8.size();) width += width_of(next_code_point(utf8, i));
  return width;
}

AnswerView::AnswerView(bool terminal, std::function<double()> clock)
    : terminal_(terminal), clock_(std::move(clock)) {
  if (!clock_) {
    clock_ = [] {
      return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
    };
  }
}

AnswerView::~AnswerView() {
  if (!thinking_) return;
  // An error came in between: what is said of it is not dimmed.
  (void)std::fputs("\033[0m\n", stdout);
  (void)std::fflush(stdout);
}

void AnswerView::put(std::string_view text) {
  if (text.empty()) return;
  // Control characters of a model never reach the terminal; line ends and tabs do.
  std::string clean;
  for (size_t i = 0; i < text.size();) {
    const size_t begin = i;
    const char32_t c = next_code_point(text, i);
    // U+0080 to U+009F are controls too: some terminals take U+009B for ESC [.
    const bool control = (c < 0x20 && c != '\n' && c != '\t') || (c >= 0x7F && c < 0xA0);
    if (!control) clean += text.substr(begin, i - begin);
  }
  fmt::print("{}", terminal_ ? std::string_view(clean) : text);
  at_line_start_ = text.back() == '\n';
}

void AnswerView::event(const CompletionEvent& e) {
  using Kind = CompletionEvent::Kind;
  if (!start_) start_ = clock_();
  switch (e.kind) {
    case Kind::reasoning: {
      if (!terminal_) return;
      if (!thinking_) fmt::print("\033[2m");
      thinking_ = true;
      put(e.text);
      const int64_t columns = screen().columns;
      for (size_t i = 0; i < e.text.size();) {
        const char32_t c = next_code_point(e.text, i);
        const int64_t width = c == '\t' ? 8 - column_ % 8 : width_of(c);
        column_ += width;
        if (c == '\n' || column_ > columns) {
          ++rows_;
          column_ = c == '\n' ? 0 : width;
        }
      }
      break;
    }
    case Kind::content:
      fold();
      put(e.text);
      break;
    case Kind::call_start:
      fold();
      if (!at_line_start_) put("\n");
      put(e.text + "(");
      break;
    case Kind::arguments:
      put(e.text);
      break;
    case Kind::call_end:
      put(")\n");
      break;
    case Kind::end:
      break;
  }
  // Nobody reads on: no reason to think on.
  if (std::fflush(stdout) != 0) throw std::system_error(errno, std::generic_category());
}

void AnswerView::fold() {
  if (!thinking_) return;
  thinking_ = false;
  // What has scrolled off the screen cannot be taken back: then the line stands below it.
  if (rows_ < screen().rows - 1) {
    fmt::print("\r{}\033[J", rows_ > 0 ? fmt::format("\033[{}A", rows_) : "");
  } else {
    fmt::print("\n");
  }
  fmt::print("> thought for {:.1f} s\033[0m\n", clock_() - start_.value_or(clock_()));
  at_line_start_ = true;
}

void AnswerView::finish() {
  fold();
  if (!at_line_start_) fmt::print("\n");
  std::fflush(stdout);
}

}  // namespace fathom::cli
