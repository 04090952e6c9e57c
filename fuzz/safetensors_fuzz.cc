// A .safetensors file of any bytes beside a sound config.json.
#include "fuzz/checkpoint_reads.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace fathom;
  static const bool ready = [] {
    return std::filesystem::copy_file(FATHOM_SOURCE_DIR "/tests/golden/fp32/a_swa/config.json",
                                      fuzz::folder() / "config.json");
  }();
  fuzz::expect(ready, "no config.json");
  const auto path = fuzz::as_file("model.safetensors", data, size);
  fuzz::may_refuse([&] { fuzz::read_everything(*Checkpoint::open(path)); });
  return 0;
}
