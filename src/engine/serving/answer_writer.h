#pragma once
/// AnswerWriter: logits in, tokens and events out, one answer of one request. What generate() does for a
/// command, taken one token at a time, with the rules that a server adds: a budget of reasoning, a reserve
/// for the answer, forced calls, constraints. Source: api.md sections 3 and 4 of the project's design.

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "engine/sampler.h"
#include "engine/serving/token_constraint.h"
#include "engine/stop.h"
#include "text/completion_parser.h"
#include "text/tokenizer.h"

namespace fathom {

struct AnswerOptions {
  SamplingParams sampling;
  uint64_t seed = 0;
  int64_t max_tokens = 1;            ///< 0: nothing is written
  std::vector<int32_t> stop_tokens;  ///< EOS among them
  std::vector<std::string> stops;    ///< looked for in the content only
  int64_t logprobs = -1;             ///< -1 none, else how many alternatives beside the chosen token
  bool token_ids = false;            ///< events and the result tell them
  bool raw = false;                  ///< the text is not taken apart
  CompletionOptions completion;      ///< how the answer begins, if not raw
  int64_t thinking_budget = -1;      ///< reasoning tokens after which `</think>` is forced; -1: no bound
  int64_t answer_reserve = 0;        ///< `</think>` is forced when only so many tokens are left; 0: never
  bool loop_guard = true;            ///< reasoning that repeats itself exactly is ended
  std::vector<int32_t> forced_after_thinking;   ///< come right after `</think>`
  bool single_call = false;                     ///< the answer ends with its first call
  std::shared_ptr<TokenConstraint> constraint;  ///< of what is not reasoning; null: free
};

struct AnswerEvent {
  CompletionEvent event;
  std::vector<TokenLogprobs> logprobs;  ///< of the tokens whose text this is (reasoning and content)
  std::vector<int32_t> token_ids = {};  ///< if asked for: taken since the event before
};

enum class AnswerEnd { none, stop, length, tool_calls };
/// What ended the reasoning; none while it goes on, or if there was none.
enum class ThinkingEnd { none, model, budget, reserve, loop, tool_call, length, eos };
std::string_view name(ThinkingEnd end);  // "model", "budget", ...; "" for none

class AnswerWriter {
 public:
  AnswerWriter(std::shared_ptr<const Tokenizer> tokenizer, AnswerOptions options,
               std::span<const int32_t> prompt);

  /// Chooses the token after `position` tokens from the logits of the last one. Nothing: the answer is
  /// complete, the events of its end are out. A token is fed to the model before the next call.
  /// @param out events are appended. Throws Error(bad_input) if no token can be chosen.
  std::optional<int32_t> next(std::span<const float> logits, int64_t position, std::vector<AnswerEvent>& out);
  /// Ends the answer here (the context or the time is used up).
  void cut(std::vector<AnswerEvent>& out);

  bool done() const { return end_ != AnswerEnd::none; }
  AnswerEnd end() const { return end_; }
  ThinkingEnd thinking_end() const { return thinking_end_; }
  const std::optional<std::string>& stop_string() const { return stop_.matched(); }
  int64_t tokens() const { return tokens_; }                      ///< without a final EOS
  int64_t reasoning_tokens() const { return reasoning_tokens_; }  ///< up to and with `</think>`
  /// Every token that was taken, a final EOS too.
  const std::vector<int32_t>& ids() const { return ids_; }
  bool repeats() const { return looped_; }  ///< the loop guard stepped in
  int64_t masks() const { return masks_; }  ///< of the constraint, and the time they took
  double mask_seconds() const { return mask_seconds_; }
  const AnswerOptions& options() const { return options_; }
  const Completion& completion() const { return parser_.result(); }

 private:
  int32_t choose(std::span<const float> logits, int64_t position);
  std::optional<int32_t> forced();
  void close_thinking(ThinkingEnd why);
  void push(int32_t id, std::vector<AnswerEvent>& out);
  void emit(CompletionEvent event, std::vector<AnswerEvent>& out);
  void finish(AnswerEnd end, bool was_cut, std::vector<AnswerEvent>& out);
  bool is_added(int32_t id) const;
  bool loops() const;

  std::shared_ptr<const Tokenizer> tokenizer_;
  AnswerOptions options_;
  TokenStream text_;
  CompletionParser parser_;
  StopMatcher stop_;
  TokenHistory history_;
  int64_t masks_ = 0;
  double mask_seconds_ = 0;
  std::vector<int32_t> ids_;     // the answer's
  std::vector<int32_t> forced_;  // to come, last first
  std::vector<TokenLogprobs> pending_;
  std::vector<int32_t> pending_ids_;
  std::string block_tail_;  // the text since the last DSML token that followed "</"
  bool in_close_tag_ = false;
  std::string last_text_;
  int32_t think_end_, dsml_;  // -1: the vocabulary has none
  bool keeps_history_;        // for penalties
  bool reasoning_;
  bool looped_ = false;
  bool block_closed_ = false;
  int64_t tokens_ = 0, reasoning_tokens_ = 0, calls_ended_ = 0;
  AnswerEnd end_ = AnswerEnd::none;
  ThinkingEnd thinking_end_ = ThinkingEnd::none;
};

}  // namespace fathom
