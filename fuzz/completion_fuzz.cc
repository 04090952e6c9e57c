// A completion of any bytes: the strict parser refuses or agrees with the recovering one, which never fails
// and gives the same however the text is cut. The first byte chooses the mode, the second the length of the
// pieces.
#include "fuzz/fuzz.h"
#include "text/completion.h"
#include "text/completion_parser.h"
#include "text/utf8_stream.h"

namespace {

using namespace fathom;

Completion in_pieces(std::string_view text, CompletionOptions options, size_t piece) {
  CompletionParser parser(options);
  Utf8Stream stream;  // the parser's contract: whole characters
  for (size_t at = 0; at < text.size(); at += piece) parser.feed(stream.push(text.substr(at, piece)));
  parser.feed(stream.finish());
  parser.finish();
  return parser.result();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 2) return 0;
  const ThinkingMode mode = data[0] % 2 == 0 ? ThinkingMode::chat : ThinkingMode::thinking;
  CompletionOptions options;
  options.start = mode == ThinkingMode::thinking ? CompletionOptions::Start::reasoning
                                                 : CompletionOptions::Start::content;
  options.trim_newlines = (data[0] & 2) != 0;
  const size_t piece = data[1] % 16 + 1;
  std::string text;
  append_valid_utf8(fuzz::as_text(data + 2, size - 2), text);

  const Completion whole = in_pieces(text, options, text.size() + 1);
  fuzz::expect(to_json(in_pieces(text, options, piece)) == to_json(whole),
               "the message depends on how the text is cut");
  to_json(parse_completion(text, mode));
  fuzz::may_refuse([&] { to_json(parse_completion_strict(text, mode)); });
  return 0;
}
