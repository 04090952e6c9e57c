#include "model/numerics.h"

#include "base/error.h"

namespace fathom {

std::string_view name(Numerics::Mode mode) {
  switch (mode) {
    case Numerics::Mode::exact:
      return "exact";
    case Numerics::Mode::release:
      return "release";
    case Numerics::Mode::fast:
      return "fast";
  }
  return "?";
}

Numerics Numerics::from_name(std::string_view name) {
  if (name == "exact") return exact();
  if (name == "release") return release();
  if (name == "fast") return fast();
  bad_input("numerics: expected exact, release or fast, found '{}'", printable(name));
}

}  // namespace fathom
