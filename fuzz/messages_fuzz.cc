// A chat file of any bytes: as JSON, written and read again; as messages, encoded for both generations.
#include "fuzz/fuzz.h"
#include "text/chat_encoding.h"
#include "text/chat_messages.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace fathom;
  const std::string_view text = fuzz::as_text(data, size);
  for (const JsonDialect dialect : {JsonDialect::python, JsonDialect::serde}) {
    fuzz::may_refuse([&] {
      const std::string written = dump_json(parse_json_value(text, dialect), dialect);
      fuzz::expect(dump_json(parse_json_value(written, dialect), dialect) == written,
                   "dump_json(parse_json_value(x)) differs from x");
    });
  }
  fuzz::may_refuse([&] {
    const std::vector<ChatMessage> messages = read_chat_file(text);
    for (const Generation generation : {Generation::v2026_04, Generation::v2026_08}) {
      for (const ThinkingMode mode : {ThinkingMode::chat, ThinkingMode::thinking}) {
        EncodeOptions options;
        options.thinking_mode = mode;
        fuzz::may_refuse([&] { encode_messages(messages, options, generation); });
      }
    }
  });
  return 0;
}
