// The bundled models compute the same bits as when tests/signature.txt was written, on every target that this
// CPU offers and in every numerics mode. A change that moves them on purpose runs tools/update_signature.sh.
#include "engine/signature.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <sstream>

#include "base/file.h"

namespace fathom {
namespace {

const std::filesystem::path kRoot = FATHOM_SOURCE_DIR;

TEST_CASE("signatures of the bundled models") {
  const std::string text = read_text(kRoot / "tests/signature.txt", 1 << 16);
  std::istringstream lines(text);
  std::vector<std::string> expected;
  for (std::string line; std::getline(lines, line);) expected.push_back(line + "\n");
  for (const std::string name : {"nano", "v4-10m"}) {
    const auto model = Model::open(kRoot / "models" / name);
    const auto tokenizer = Tokenizer::open(kRoot / "models" / name);
    const auto found = signatures(*model, *tokenizer);
    CHECK(found.size() == 3 * available_targets().size());
    for (const Signature& each : found) {
      const std::string line = name + " " + signature_line(each);
      CAPTURE(line);
      CHECK(std::find(expected.begin(), expected.end(), line) != expected.end());
    }
  }
  // Every mode of every target is listed, whatever this CPU offers.
  CHECK(expected.size() == 25);
  CHECK(expected.front().starts_with("all "));
}

TEST_CASE("a signature repeats and tells modes apart") {
  const auto model = Model::open(kRoot / "models/v4-10m");
  const auto tokenizer = Tokenizer::open(kRoot / "models/v4-10m");
  const Target target = available_targets().back();
  const Signature exact = signature(*model, *tokenizer, target, Numerics::exact());
  CHECK(exact == signature(*model, *tokenizer, target, Numerics::exact()));
  CHECK(exact.hash != signature(*model, *tokenizer, target, Numerics::fast()).hash);
}

}  // namespace
}  // namespace fathom
