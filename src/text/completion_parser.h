#pragma once
/// Reads a completion while it is generated, and never fails: what cannot be read as markup is text.
///
/// However the text is cut into pieces, the events add up to the same message, and no part of a marker is
/// given out as text before it is known to be none. Malformed tool calls follow api.md section 4, "Recovery":
/// - `</think>`, `<think>` and BOS in the answer are left out; EOS within the reasoning ends the reasoning;
/// - only the tag of a block or of an invocation that can be read opens calls, in reasoning too; else all is
/// text;
/// - a parameter without a name is text; one without an end, ends at the next tag, the last call at the end;
/// - a value that should be JSON and is not becomes a JSON string; a repeated parameter is left out;
/// - text before, between and after calls belongs to the content, further blocks to the calls.
/// Each such repair is in result().repairs, with what it left out.

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "text/completion.h"
#include "text/dsml_scan.h"

namespace fathom {

struct CompletionEvent {
  enum class Kind {
    reasoning,   ///< text: more of the reasoning
    content,     ///< text: more of the answer
    call_start,  ///< text: the name of a call
    arguments,   ///< text: more of the call's arguments, together a JSON object
    call_end,
    end,  ///< nothing follows
  };
  Kind kind;
  std::string text = {};
  int64_t call = -1;  ///< index of the call; -1 for text
  bool operator==(const CompletionEvent&) const = default;
};

struct CompletionOptions {
  /// What the prompt ended with: `<think>`, `</think>`, or the first line of a block (a forced call).
  enum class Start { reasoning, content, tool_calls };
  Start start = Start::content;
  bool parse_tool_calls = true;  ///< false: DSML is text
  /// Leaves out newlines at the start of reasoning and content, before `</think>` and before a block, as
  /// DeepSeek's API does.
  bool trim_newlines = false;
  /// The prompt ends within the reasoning or content: newlines at the start are kept even so.
  bool continues = false;
};

class CompletionParser {
 public:
  explicit CompletionParser(const CompletionOptions& options);
  CompletionParser(CompletionParser&&) noexcept;
  CompletionParser& operator=(CompletionParser&&) noexcept;
  ~CompletionParser();

  /// Takes the next text, valid UTF-8 (see text/utf8_stream.h). Piece::text: markup may be spelled in it. Of
  /// tokens, added ones are special and the others plain, so that a spelled-out marker stays text.
  std::vector<CompletionEvent> feed(std::string_view text, Piece piece = Piece::text);

  /// No more text comes. `cut`: because of a limit, not by the model; an open call is then left as it is.
  std::vector<CompletionEvent> finish(bool cut = false);

  /// All so far.
  const Completion& result() const;

 private:
  class State;
  std::unique_ptr<State> state_;
};

}  // namespace fathom
