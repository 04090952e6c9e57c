#include "engine/serving/answer_writer.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "base/error.h"
#include "text/protocol_strings.h"

namespace fathom {
namespace {

// The loop guard (api.md section 3): so many tokens of an exact period of at most kLongestPeriod.
constexpr int64_t kLoopTokens = 2048, kLongestPeriod = 256;

}  // namespace

std::string_view name(ThinkingEnd end) {
  constexpr std::string_view kNames[] = {"",     "model",     "budget", "reserve",
                                         "loop", "tool_call", "length", "eos"};
  return kNames[static_cast<size_t>(end)];
}

AnswerWriter::AnswerWriter(std::shared_ptr<const Tokenizer> tokenizer, AnswerOptions options,
                           std::span<const int32_t> prompt)
    : tokenizer_(std::move(tokenizer)),
      options_(std::move(options)),
      text_(tokenizer_, false),
      parser_(options_.completion),
      stop_(options_.stops),
      think_end_(tokenizer_->id_of(protocol::kThinkEnd).value_or(-1)),
      dsml_(tokenizer_->id_of(protocol::kDsml).value_or(-1)),
      keeps_history_(options_.sampling.repetition_penalty != 1 || options_.sampling.presence_penalty != 0 ||
                     options_.sampling.frequency_penalty != 0),
      reasoning_(!options_.raw && options_.completion.start == CompletionOptions::Start::reasoning) {
  if (options_.sampling.repetition_penalty != 1) history_.add_prompt(prompt);
}

bool AnswerWriter::is_added(int32_t id) const { return tokenizer_->id_of(tokenizer_->token_bytes(id)) == id; }

bool AnswerWriter::loops() const {
  const auto size = static_cast<int64_t>(ids_.size());
  if (size < kLoopTokens + kLongestPeriod) return false;
  const int32_t* last = ids_.data() + size - 1;
  for (int64_t period = 1; period <= kLongestPeriod; ++period) {
    int64_t same = 0;
    while (same < kLoopTokens && last[-same] == last[-same - period]) ++same;
    if (same == kLoopTokens) return true;
  }
  return false;
}

void AnswerWriter::close_thinking(ThinkingEnd why) {
  thinking_end_ = why;
  forced_.assign(1, think_end_);
}

// A token that does not depend on the logits, if one is due.
std::optional<int32_t> AnswerWriter::forced() {
  if (reasoning_ && think_end_ >= 0 && forced_.empty()) {
    const int64_t left = options_.max_tokens - tokens_;
    if (options_.thinking_budget >= 0 && reasoning_tokens_ >= options_.thinking_budget) {
      close_thinking(ThinkingEnd::budget);
    } else if (options_.answer_reserve > 0 && left <= options_.answer_reserve + 1) {
      close_thinking(ThinkingEnd::reserve);
    } else if (options_.loop_guard && loops()) {
      looped_ = true;
      close_thinking(ThinkingEnd::loop);
    }
  }
  if (forced_.empty()) return std::nullopt;
  const int32_t id = forced_.back();
  forced_.pop_back();
  return id;
}

int32_t AnswerWriter::choose(std::span<const float> logits, int64_t position) {
  if (const auto id = forced()) return *id;
  const bool constrained = options_.constraint && !reasoning_;
  std::span<const uint64_t> allowed;
  if (constrained) {
    const auto begin = std::chrono::steady_clock::now();
    allowed = options_.constraint->allowed();
    mask_seconds_ += std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
    ++masks_;
  }
  int32_t id = pick_token(logits, options_.sampling, history_, options_.seed, position, allowed);
  if (constrained) options_.constraint->accept(id);
  // An end within the reasoning ends the reasoning, so that there is an answer.
  const bool ends = std::ranges::find(options_.stop_tokens, id) != options_.stop_tokens.end();
  if (ends && reasoning_ && think_end_ >= 0 && options_.answer_reserve > 0) {
    thinking_end_ = ThinkingEnd::eos;
    id = think_end_;
  }
  return id;
}

void AnswerWriter::emit(CompletionEvent event, std::vector<AnswerEvent>& out) {
  using Kind = CompletionEvent::Kind;
  if (event.kind == Kind::content && !event.text.empty()) {
    if (stop_.matched()) return;
    event.text = stop_.push(event.text);
    if (event.text.empty()) return;
  } else if (stop_.matched()) {
    return;
  } else if (event.kind == Kind::call_start) {
    if (std::string held = stop_.finish(); !held.empty()) {
      out.push_back(
          {{Kind::content, std::move(held)}, std::exchange(pending_, {}), std::exchange(pending_ids_, {})});
    }
    pending_.clear();
  }
  if (event.kind == Kind::call_end) ++calls_ended_;
  if (event.kind == Kind::content && event.text.empty() && pending_.empty()) return;
  const bool text = event.kind == Kind::content || event.kind == Kind::reasoning;
  out.push_back({std::move(event), text ? std::exchange(pending_, {}) : std::vector<TokenLogprobs>(),
                 std::exchange(pending_ids_, {})});
}

void AnswerWriter::push(int32_t id, std::vector<AnswerEvent>& out) {
  const bool added = is_added(id);
  const std::string piece = text_.push(id);
  if (options_.raw) return emit({CompletionEvent::Kind::content, piece}, out);
  for (CompletionEvent& e : parser_.feed(piece, added ? Piece::special : Piece::plain))
    emit(std::move(e), out);
  // The end of a block of calls ends the answer.
  if (!options_.completion.parse_tool_calls || dsml_ < 0) return;
  if (id == dsml_) {
    in_close_tag_ = last_text_.ends_with("</");
    block_tail_.clear();
  } else if (in_close_tag_) {
    block_tail_ += piece;
    if (block_tail_.find('>') != std::string::npos) {
      block_closed_ = block_tail_.find("calls>") != std::string::npos && calls_ended_ > 0;
      in_close_tag_ = false;
    }
  }
  last_text_ = last_text_.size() > 64 ? piece : last_text_ + piece;
}

std::optional<int32_t> AnswerWriter::next(std::span<const float> logits, int64_t position,
                                          std::vector<AnswerEvent>& out) {
  if (done()) return std::nullopt;
  if (tokens_ >= options_.max_tokens) {
    finish(AnswerEnd::length, true, out);
    return std::nullopt;
  }
  const int32_t id = choose(logits, position);
  ids_.push_back(id);
  if (options_.token_ids) pending_ids_.push_back(id);
  if (std::ranges::find(options_.stop_tokens, id) != options_.stop_tokens.end()) {
    if (reasoning_ && thinking_end_ == ThinkingEnd::none) thinking_end_ = ThinkingEnd::eos;
    finish(AnswerEnd::stop, false, out);
    return std::nullopt;
  }
  ++tokens_;
  if (keeps_history_) ++history_.answer[id];
  const bool ends_thinking = id == think_end_;
  if (options_.logprobs >= 0 && !(reasoning_ && ends_thinking))
    pending_.push_back(log_probabilities(logits, id, options_.logprobs));
  if (reasoning_) ++reasoning_tokens_;
  const size_t calls = parser_.result().tool_calls.size();
  push(id, out);
  if (reasoning_ && ends_thinking) {
    reasoning_ = false;
    if (thinking_end_ == ThinkingEnd::none) thinking_end_ = ThinkingEnd::model;
    forced_.assign(options_.forced_after_thinking.rbegin(), options_.forced_after_thinking.rend());
  } else if (reasoning_ && parser_.result().tool_calls.size() > calls) {
    reasoning_ = false;
    thinking_end_ = ThinkingEnd::tool_call;
  }
  const bool calls_done = block_closed_ || (options_.single_call && calls_ended_ > 0);
  if (stop_.matched() || calls_done) {
    finish(AnswerEnd::stop, false, out);
    return std::nullopt;
  }
  if (tokens_ >= options_.max_tokens) {
    finish(AnswerEnd::length, true, out);
    return std::nullopt;
  }
  return id;
}

void AnswerWriter::cut(std::vector<AnswerEvent>& out) {
  if (!done()) finish(AnswerEnd::length, true, out);
}

void AnswerWriter::finish(AnswerEnd end, bool was_cut, std::vector<AnswerEvent>& out) {
  using Kind = CompletionEvent::Kind;
  const std::string rest = text_.finish();
  if (options_.raw) {
    emit({Kind::content, rest}, out);
  } else {
    for (CompletionEvent& e : parser_.feed(rest, Piece::plain)) emit(std::move(e), out);
    for (CompletionEvent& e : parser_.finish(was_cut)) {
      if (e.kind != Kind::end) emit(std::move(e), out);
    }
  }
  if (std::string held = stop_.finish(); !held.empty() || !pending_.empty()) {
    out.push_back(
        {{Kind::content, std::move(held)}, std::exchange(pending_, {}), std::exchange(pending_ids_, {})});
  }
  if (reasoning_ && was_cut && thinking_end_ == ThinkingEnd::none) thinking_end_ = ThinkingEnd::length;
  end_ = end;
  if (end == AnswerEnd::stop && !stop_.matched() && !parser_.result().tool_calls.empty())
    end_ = AnswerEnd::tool_calls;
}

}  // namespace fathom
