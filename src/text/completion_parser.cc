// The recovering parser: text, and what each marker in it means.
#include "text/completion_parser.h"

#include "text/completion_state.h"
#include "text/protocol_strings.h"

namespace fathom {

void CompletionParser::State::feed(std::string_view text, Piece piece) {
  text_ += text;
  marks_.append(text.size(), static_cast<char>(piece));
  run();
}

void CompletionParser::State::finish(bool cut) {
  if (step_ == &State::after_end) return;
  at_end_ = true;
  run();
  if (step_ == &State::in_value) end_value(cut, /*closed=*/false);
  if (in_call_) {
    if (!cut) sink_.repair(repair::kUnclosedCall);
    sink_.end_call(!cut);
    in_call_ = false;
  }
  sink_.end();
  step_ = &State::after_end;
}

void CompletionParser::State::run() {
  while ((this->*step_)()) {
  }
  text_.erase(0, at_);
  marks_.erase(0, at_);
  at_ = 0;
}

bool CompletionParser::State::is_wanted(const TagMatch& tag) const {
  if (!tag.closing && tag.kind != TagKind::parameter) return true;
  return in_call_ || (in_block_ && tag.closing && tag.kind != TagKind::parameter);
}

CompletionParser::State::Found CompletionParser::State::find_at(MarkedText at) const {
  for (const std::string_view token :
       {protocol::kEos, protocol::kThinkEnd, protocol::kThinkStart, protocol::kBos, protocol::kUser,
        protocol::kAssistant, protocol::kLatestReminder}) {
    // Turn tokens can be written about in text; as tokens they end the turn.
    const bool only_as_token =
        token == protocol::kUser || token == protocol::kAssistant || token == protocol::kLatestReminder;
    if (only_as_token && (at.text.empty() || at.mark(0) != Piece::special)) continue;
    const Match match = match_token(at, token);
    if (match == Match::yes || (match == Match::partial && !at_end_)) return {match, token};
  }
  if (!reads_calls_) return {};
  size_t newlines = 0;
  while (newlines < std::min<size_t>(2, at.text.size()) && at.text[newlines] == '\n') ++newlines;
  const MarkedText after = at.substr(newlines);
  const TagMatch tag = match_tag(after, at_end_, in_call_);
  if (tag.match == Match::no || (tag.match == Match::yes && !is_wanted(tag))) return {};
  // Cut within what can only be a tag: left out. Else it is text.
  const bool must_be_tag = tag.past_bars || ((in_call_ || in_block_) && !after.text.empty());
  if (tag.match == Match::partial && at_end_ && !must_be_tag) return {};
  return {tag.match, {}, tag, newlines};
}

bool CompletionParser::State::in_text() {
  return scan(
      "<\n",
      [&](std::string_view text) {
        const bool is_text = text.find_first_not_of(kDsmlSpaces) != std::string_view::npos;
        if (is_text && in_block_) sink_.repair(repair::kTextInBlock);
        sink_.text(text);
      },
      [&](const Found& found) { return found.token.empty() ? on_tag(found) : on_token(found.token); });
}

bool CompletionParser::State::on_token(std::string_view token) {
  at_ += token.size();
  if (token == protocol::kThinkEnd && sink_.in_reasoning()) {
    sink_.marker(false);
    sink_.end_reasoning();
  } else if (token == protocol::kEos && sink_.in_reasoning()) {
    sink_.ended();
    sink_.repair(repair::kReasoningEndedByEos);
    sink_.end_reasoning();
  } else if (token == protocol::kThinkEnd || token == protocol::kThinkStart || token == protocol::kBos) {
    sink_.repair(repair::kStrayToken, token);
  } else {
    finish_at_end_token(token);
  }
  return true;
}

void CompletionParser::State::finish_at_end_token(std::string_view token) {
  if (in_call_) {
    sink_.repair(repair::kUnclosedCall);
    sink_.end_call();
    in_call_ = false;
  }
  if (token == protocol::kEos) sink_.ended();
  sink_.end();
  step_ = &State::after_end;
}

bool CompletionParser::State::after_end() {
  if (at_ == text_.size()) return false;
  sink_.repair(repair::kTextAfterEos);
  sink_.trailing(rest().text);
  at_ = text_.size();
  return false;
}

bool CompletionParser::State::on_tag(const Found& found) {
  const TagMatch& tag = found.tag;
  const std::string raw(rest().text.substr(0, found.newlines + tag.bytes));
  at_ += raw.size();
  if (tag.kind == TagKind::parameter) {
    if (tag.closing) {
      sink_.repair(repair::kStrayTag, raw);
    } else {
      note_spelling(tag.official);
      tag_ = raw;
      step_ = &State::in_parameter_tag;
    }
    sink_.marker(true);
    return true;
  }
  if (in_call_) {
    if (!tag.closing || tag.kind == TagKind::block) sink_.repair(repair::kUnclosedCall);
    sink_.end_call();
    in_call_ = false;
  } else if (tag.closing && tag.kind == TagKind::invoke) {
    sink_.repair(repair::kStrayTag, raw);
  }
  if (tag.closing) {
    sink_.marker(true);
    note_spelling(tag.official);
    if (tag.kind == TagKind::block) in_block_ = false;
  } else if (tag.kind == TagKind::block) {
    tag_ = raw;
    misspelt_ = !tag.official || found.newlines < 2;
    step_ = &State::in_block_start;
  } else {
    tag_ = raw;
    misspelt_ = !tag.official;
    step_ = &State::in_invoke_tag;
  }
  return true;
}

void CompletionParser::State::note_spelling(bool official) {
  if (!official) sink_.repair(repair::kMarkupSpelling);
}

void CompletionParser::State::give_back(std::string_view kind) {
  if (tag_.find_first_not_of(kDsmlSpaces) != std::string::npos) sink_.repair(kind);
  sink_.text(std::exchange(tag_, {}));
  opens_block_ = false;
  step_ = &State::in_text;
}

CompletionParser::CompletionParser(const CompletionOptions& options)
    : state_(std::make_unique<State>(options)) {}
CompletionParser::CompletionParser(CompletionParser&&) noexcept = default;
CompletionParser& CompletionParser::operator=(CompletionParser&&) noexcept = default;
CompletionParser::~CompletionParser() = default;

std::vector<CompletionEvent> CompletionParser::feed(std::string_view text, Piece piece) {
  state_->feed(text, piece);
  return state_->sink().take_events();
}

std::vector<CompletionEvent> CompletionParser::finish(bool cut) {
  state_->finish(cut);
  return state_->sink().take_events();
}

const Completion& CompletionParser::result() const { return state_->sink().completion(); }

Completion parse_completion(std::string_view text, ThinkingMode mode) {
  CompletionOptions options;
  if (mode == ThinkingMode::thinking) options.start = CompletionOptions::Start::reasoning;
  CompletionParser parser(options);
  parser.feed(text);
  parser.finish();
  return parser.result();
}

}  // namespace fathom
