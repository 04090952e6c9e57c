#include "base/temporary_files.h"

#include <unistd.h>

#include <climits>
#include <cstring>

#include "base/signal_list.h"

namespace fathom {
namespace {

struct Path {
  char text[PATH_MAX] = {};
};

// Never destroyed: a signal may come while the program ends.
SignalList<Path>& files() {
  static auto* list = new SignalList<Path>;
  return *list;
}
// Made before any handler runs.
[[maybe_unused]] const SignalList<Path>& made_early = files();

}  // namespace

void remember_temporary(const std::string& path) {
  if (path.size() >= sizeof(Path::text)) return;  // no such file can be
  files().add([&](Path& entry) { std::memcpy(entry.text, path.c_str(), path.size() + 1); });
}

void forget_temporary(const std::string& path) noexcept {
  files().remove([&](const Path& entry) { return path == entry.text; });
}

void remove_temporary_files() noexcept {
  files().visit([](const Path& entry) { ::unlink(entry.text); });
}

}  // namespace fathom
