// A .gguf file of any bytes, and the texts that are made from its metadata.
#include "fuzz/checkpoint_reads.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace fathom;
  const auto path = fuzz::as_file("model.gguf", data, size);
  fuzz::may_refuse([&] {
    const auto checkpoint = Checkpoint::open(path);
    checkpoint->config_json();
    fuzz::may_refuse([&] { checkpoint->tokenizer_json(); });
    fuzz::read_everything(*checkpoint);
  });
  return 0;
}
