#include "base/mapped_ranges.h"

#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstring>

#include "base/error.h"
#include "base/signal_list.h"
#include "base/temporary_files.h"

namespace fathom {
namespace {

struct Range {
  const std::byte* data = nullptr;
  int64_t size = 0;
  char path[512] = {};  // as it is shown
};

// Never destroyed: a signal may come while the program ends.
SignalList<Range>& ranges() {
  static auto* list = new SignalList<Range>;
  return *list;
}

void write_error(const char* text) {
  // Nobody is left to tell if standard error cannot be written.
  if (::write(STDERR_FILENO, text, std::strlen(text)) < 0) return;
}

void on_bus_error(int, siginfo_t* info, void*) {
  const char* path = nullptr;
  if (info->si_code > 0) {  // else somebody has sent it, and there is no address
    const auto* address = static_cast<const std::byte*>(info->si_addr);
    ranges().visit([&](const Range& range) {
      if (address >= range.data && address < range.data + range.size) path = range.path;
    });
  }
  if (path == nullptr) {
    (void)std::signal(SIGBUS, SIG_DFL);
    (void)std::raise(SIGBUS);  // comes when this handler returns
    return;
  }
  write_error("fathom: ");
  write_error(path);
  write_error(": expected a file that stays as it is while it is read, found it cut short\n");
  remove_temporary_files();
  _exit(1);
}

}  // namespace

void remember_mapped(const std::byte* data, int64_t size, const std::string& path) {
  const std::string shown = printable(path, sizeof(Range::path) - 16);
  ranges().add([&](Range& range) {
    range.data = data;
    range.size = size;
    const size_t count = std::min(shown.size(), sizeof(range.path) - 1);
    std::memcpy(range.path, shown.data(), count);
    range.path[count] = '\0';
  });
}

void forget_mapped(const std::byte* data) noexcept {
  ranges().remove([&](const Range& range) { return range.data == data; });
}

void watch_mapped_files() {
  (void)ranges();  // made before the handler runs
  struct sigaction action{};
  action.sa_sigaction = on_bus_error;
  action.sa_flags = SA_SIGINFO;
  sigaction(SIGBUS, &action, nullptr);
}

}  // namespace fathom
