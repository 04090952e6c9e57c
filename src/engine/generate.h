#pragma once
/// Writing an answer: prompt in, events out, until a stop. One sequence; batches of requests are the
/// scheduler's.

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "engine/sampler.h"
#include "engine/session.h"
#include "text/completion_parser.h"
#include "text/tokenizer.h"

namespace fathom {

struct GenerateOptions {
  SamplingParams sampling;
  uint64_t seed = 0;
  int64_t max_tokens = 0;            ///< of the answer; at least 1
  std::vector<int32_t> stop_tokens;  ///< EOS among them
  std::vector<std::string> stops;    ///< stop strings, left out of the answer
  int64_t logprobs = -1;             ///< -1 none, else how many alternatives beside the chosen token
  bool raw = false;                  ///< no chat encoding: the text is not taken apart
  CompletionOptions completion;      ///< how the answer begins, if not raw
};

enum class FinishReason { stop, length, tool_calls, interrupted };
std::string_view name(FinishReason reason);  // "stop", "length", "tool_calls", "interrupted"

struct GenerateResult {
  std::vector<int32_t> ids;  ///< as sampled, a final EOS included
  std::string text;          ///< all of it, special tokens kept, EOS left out
  Completion completion;     ///< parts of the text, if not raw
  FinishReason finish = FinishReason::stop;
  std::optional<std::string> stop_string;
  std::vector<TokenLogprobs> logprobs;  ///< one per id, if asked for
  int64_t prompt_tokens = 0;            ///< run through the model for this answer
  int64_t cached_tokens = 0;            ///< prompt tokens the session already had
  int64_t reasoning_tokens = 0;         ///< up to and with `</think>`
  double prefill_seconds = 0, decode_seconds = 0;

  /// Generated tokens without the final EOS.
  int64_t answer_tokens(const std::vector<int32_t>& stop_tokens) const;
};

/// What the caller sees while it is written. All may be empty.
struct GenerateEvents {
  Progress prefill;                                   ///< tokens of the prompt read
  std::function<void(const CompletionEvent&)> event;  ///< text comes as content events if raw
  std::function<bool()> interrupted;                  ///< asked before every step
};

/// Continues `session` with `prompt` (its part that the session does not have yet must follow the session's
/// tokens: the longest common prefix is kept, the rest is cut off) and writes an answer. Throws
/// Error(bad_input) for an empty prompt, sampling parameters out of range or a context that is too long.
GenerateResult generate(Session& session, const std::shared_ptr<const Tokenizer>& tokenizer,
                        std::span<const int32_t> prompt, const GenerateOptions& options,
                        const GenerateEvents& events = {});

}  // namespace fathom
