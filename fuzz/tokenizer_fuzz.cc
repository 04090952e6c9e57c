// A tokenizer.json of any bytes; what is accepted must encode its own text to ids of its vocabulary, and
// decode them.
#include <numeric>

#include "fuzz/fuzz.h"
#include "text/tokenizer.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace fathom;
  const std::string_view text = fuzz::as_text(data, size);
  fuzz::may_refuse([&] {
    const auto tokenizer = Tokenizer::from_json(text, "tokenizer.json");
    for (const bool added : {true, false}) {
      fuzz::may_refuse([&] {
        for (const int32_t id : tokenizer->encode(text.substr(0, 512), added)) {
          fuzz::expect(id >= 0 && id < tokenizer->vocab_size(), "an id outside the vocabulary");
        }
      });
    }
    std::vector<int32_t> ids(static_cast<size_t>(std::min(tokenizer->vocab_size(), 1024)));
    std::iota(ids.begin(), ids.end(), 0);
    tokenizer->decode(ids, false);
    tokenizer->decode(ids, true);
  });
  return 0;
}
