// A config.json of any bytes; what is accepted must be readable again as it was written.
#include "fuzz/fuzz.h"
#include "model/config.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace fathom;
  fuzz::may_refuse([&] {
    const ModelConfig config = ModelConfig::parse(fuzz::as_text(data, size));
    const std::string written = config.to_json();
    try {
      fuzz::expect(ModelConfig::parse(written) == config, "parse(to_json(config)) differs from config");
    } catch (const Error& error) {
      fuzz::found(("to_json writes what parse refuses: " + error.message()).c_str());
    }
  });
  return 0;
}
