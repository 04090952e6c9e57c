#include "engine/generate.h"

#include <algorithm>
#include <chrono>

#include "base/error.h"
#include "engine/stop.h"

namespace fathom {
namespace {

double seconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

// Ids to text to events. Stop strings are looked for in the text that the user sees.
class AnswerStream {
 public:
  AnswerStream(const std::shared_ptr<const Tokenizer>& tokenizer, const GenerateOptions& options,
               const std::function<void(const CompletionEvent&)>& sink)
      : tokenizer_(*tokenizer),
        text_(tokenizer, false),
        parser_(options.completion),
        stop_(options.stops),
        raw_(options.raw),
        sink_(sink) {}

  void push(int32_t id) {
    const std::string piece = text_.push(id);
    all_ += piece;
    if (raw_) return pass(piece);
    for (const CompletionEvent& e : parser_.feed(piece, is_added(id) ? Piece::special : Piece::plain)) {
      forward(e);
    }
  }
  void finish(bool cut) {
    const std::string rest = text_.finish();
    all_ += rest;
    if (raw_) {
      pass(rest);
    } else {
      for (const CompletionEvent& e : parser_.feed(rest, Piece::plain)) forward(e);
      for (const CompletionEvent& e : parser_.finish(cut)) forward(e);
    }
    if (const std::string held = stop_.finish(); !held.empty()) emit({CompletionEvent::Kind::content, held});
  }
  const std::optional<std::string>& matched() const { return stop_.matched(); }
  const std::string& text() const { return all_; }
  Completion completion() const {
    Completion c = parser_.result();
    if (!raw_) c.content = content_;
    return c;
  }

 private:
  bool is_added(int32_t id) const { return tokenizer_.id_of(tokenizer_.token_bytes(id)) == id; }
  void pass(const std::string& piece) {
    if (const std::string shown = stop_.push(piece); !shown.empty())
      emit({CompletionEvent::Kind::content, shown});
  }
  void forward(const CompletionEvent& e) {
    if (e.kind == CompletionEvent::Kind::content) return pass(e.text);
    if (!stop_.matched()) emit(e);
  }
  void emit(const CompletionEvent& e) {
    if (e.kind == CompletionEvent::Kind::content) content_ += e.text;
    if (sink_) sink_(e);
  }

  const Tokenizer& tokenizer_;
  TokenStream text_;
  CompletionParser parser_;
  StopMatcher stop_;
  bool raw_;
  const std::function<void(const CompletionEvent&)>& sink_;
  std::string all_, content_;
};

}  // namespace

std::string_view name(FinishReason reason) {
  switch (reason) {
    case FinishReason::stop:
      return "stop";
    case FinishReason::length:
      return "length";
    case FinishReason::tool_calls:
      return "tool_calls";
    case FinishReason::interrupted:
      return "interrupted";
  }
  return "?";
}

int64_t GenerateResult::answer_tokens(const std::vector<int32_t>& stop_tokens) const {
  const bool ended =
      !ids.empty() && std::find(stop_tokens.begin(), stop_tokens.end(), ids.back()) != stop_tokens.end();
  return static_cast<int64_t>(ids.size()) - (ended ? 1 : 0);
}

GenerateResult generate(Session& session, const std::shared_ptr<const Tokenizer>& tokenizer,
                        std::span<const int32_t> prompt, const GenerateOptions& options,
                        const GenerateEvents& events) {
  if (prompt.empty()) bad_input("prompt: expected at least one token, found none");
  options.sampling.check(session.model().config().vocab_size);
  GenerateResult result;
  TokenHistory history;
  history.add_prompt(prompt);

  // Keep the common beginning; at least the last token runs again, for its logits.
  const auto& old = session.tokens();
  int64_t common = 0;
  const int64_t limit = std::min(session.position(), static_cast<int64_t>(prompt.size()) - 1);
  while (common < limit && old[static_cast<size_t>(common)] == prompt[static_cast<size_t>(common)]) ++common;
  const auto start = std::chrono::steady_clock::now();
  if (common < session.position()) session.truncate(common);
  result.cached_tokens = common;
  const auto rest = prompt.subspan(static_cast<size_t>(common));
  const int64_t read = session.feed(rest, events.prefill);
  result.prompt_tokens = read;
  result.prefill_seconds = seconds_since(start);
  AnswerStream stream(tokenizer, options, events.event);
  const auto finish = [&](FinishReason reason) {
    stream.finish(reason != FinishReason::stop);
    result.finish = reason;
    result.text = stream.text();
    result.completion = stream.completion();
    result.stop_string = stream.matched();
    if (reason == FinishReason::stop && !result.completion.tool_calls.empty())
      result.finish = FinishReason::tool_calls;
  };
  if (read < static_cast<int64_t>(rest.size())) {
    finish(FinishReason::interrupted);
    return result;
  }

  const auto think_end = tokenizer->id_of("</think>");
  const auto decode_start = std::chrono::steady_clock::now();
  bool reasoning = !options.raw && options.completion.start == CompletionOptions::Start::reasoning;
  FinishReason reason = FinishReason::length;
  const int64_t room = session.model().config().max_position_embeddings - session.position();
  for (int64_t n = 0; n < std::min(options.max_tokens, room + 1); ++n) {
    if (events.interrupted && events.interrupted()) {
      reason = FinishReason::interrupted;
      break;
    }
    const int32_t id =
        pick_token(session.logits(), options.sampling, history, options.seed, session.position());
    if (options.logprobs >= 0) {
      result.logprobs.push_back(log_probabilities(session.logits(), id, options.logprobs));
    }
    result.ids.push_back(id);
    ++history.answer[id];
    if (std::find(options.stop_tokens.begin(), options.stop_tokens.end(), id) != options.stop_tokens.end()) {
      reason = FinishReason::stop;
      break;
    }
    if (reasoning) ++result.reasoning_tokens;
    if (think_end && id == *think_end) reasoning = false;
    stream.push(id);
    if (stream.matched()) {
      reason = FinishReason::stop;
      break;
    }
    if (n + 1 < std::min(options.max_tokens, room + 1)) session.feed({&id, 1});
  }
  result.decode_seconds = seconds_since(decode_start);
  finish(reason);
  return result;
}

}  // namespace fathom
