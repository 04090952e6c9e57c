// Long sequences of the golden cases, whole: chunks and threads change no bit.
#include "tests/engine/model_runs.h"

namespace fathom {
namespace {

TEST_CASE("long sequences in chunks") {
  int64_t sequences = 0;
  for (const auto& golden : test::golden_models()) {
    CAPTURE(golden.name);
    for (const auto& tokens : golden.sequences) {
      if (tokens.size() <= 170) continue;  // tests/engine/invariance_test.cc has those
      CAPTURE(tokens.size());
      ++sequences;
      const bool quantised = golden.model->config().quantised;
      for (const Numerics& numerics :
           {quantised ? Numerics::release() : Numerics::exact(), Numerics::fast()}) {
        CAPTURE(name(numerics.mode));
        Runtime<float> one(test::runtime_options(numerics, 1)), two(test::runtime_options(numerics, 2));
        const auto size = static_cast<int64_t>(tokens.size());
        const test::Rows once = test::feed_all(one, *golden.model, tokens, size);
        CHECK(test::same_bits(once, test::feed_all(one, *golden.model, tokens, 1)));
        CHECK(test::same_bits(once, test::feed_all(one, *golden.model, tokens, 7)));
        CHECK(test::same_bits(once, test::feed_all(two, *golden.model, tokens, 64)));
        CHECK(test::same_bits(once, test::feed_all(two, *golden.model, tokens, size)));
      }
    }
  }
  CHECK(sequences >= 4);
}

}  // namespace
}  // namespace fathom
