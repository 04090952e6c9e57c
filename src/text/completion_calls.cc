// The recovering parser inside of blocks and calls.
#include "base/error.h"
#include "text/completion_state.h"
#include "text/protocol_strings.h"

namespace fathom {

namespace {

constexpr int kMaxValueDepth = 128;
constexpr size_t kMaxCutTag = 256;  // bytes: what ends within a tag may be its start; more is rather text

bool is_json(std::string_view text, bool object_only) {
  try {
    const JsonValue value = parse_json_value(text, JsonDialect::serde, kMaxValueDepth);
    return !object_only || value.as_object();
  } catch (const Error&) {
    return false;
  }
}

}  // namespace

bool CompletionParser::State::in_block_start() {
  const MarkedText all = rest();
  const size_t spaces = std::min(all.text.find_first_not_of(kDsmlSpaces), all.text.size());
  tag_ += all.text.substr(0, spaces);
  at_ += spaces;
  if (spaces == all.text.size() && !at_end_) return false;

  const MarkedText after = all.substr(spaces);
  const TagMatch tag = match_tag(after, at_end_);
  if (tag.match == Match::partial && !at_end_) return false;
  if (tag.match == Match::yes && tag.kind == TagKind::invoke && !tag.closing) {
    opens_block_ = true;
    misspelt_ = misspelt_ || !tag.official;
    tag_ += after.text.substr(0, tag.bytes);
    at_ += tag.bytes;
    step_ = &State::in_invoke_tag;
    return true;
  }
  if (tag.match == Match::yes && tag.kind == TagKind::block && tag.closing) {
    at_ += tag.bytes;
    sink_.marker(true);
    sink_.repair(repair::kEmptyBlock, tag_ + std::string(after.text.substr(0, tag.bytes)));
    step_ = &State::in_text;
    return true;
  }
  give_back(repair::kBlockAsText);
  return true;
}

bool CompletionParser::State::drop_cut_tag() {
  sink_.repair(repair::kCutTag, tag_ + std::string(rest().text));
  at_ = text_.size();
  tag_.clear();
  step_ = &State::in_text;
  return true;
}

bool CompletionParser::State::in_invoke_tag() {
  Attributes attributes = match_attributes(rest());
  if (attributes.match == Match::partial && !at_end_) return false;
  if (attributes.match == Match::partial && in_block_ && rest().text.size() <= kMaxCutTag)
    return drop_cut_tag();
  if (attributes.match != Match::yes || attributes.name.empty()) {
    in_block_ = false;  // the end of the block is text then, too
    give_back(repair::kBlockAsText);
    return true;
  }
  at_ += attributes.bytes;
  tag_.clear();
  sink_.marker(true);
  if (sink_.in_reasoning()) {
    sink_.repair(repair::kReasoningEndedByCall);
    sink_.end_reasoning();
  }
  note_spelling(attributes.official && !misspelt_);
  misspelt_ = false;
  if (!std::exchange(opens_block_, false) && !in_block_) sink_.repair(repair::kNoBlock);
  in_block_ = true;
  in_call_ = true;
  sink_.begin_call(std::move(attributes.name));
  step_ = attributes.self_closing ? &State::in_text : &State::in_call_start;
  if (attributes.self_closing) {
    sink_.end_call();
    in_call_ = false;
  }
  return true;
}

bool CompletionParser::State::in_call_start() {
  const MarkedText all = rest();
  const size_t spaces = std::min(all.text.find_first_not_of(kDsmlSpaces), all.text.size());
  if (spaces == all.text.size() && !at_end_) return false;
  // Spaces stay for in_text(), which may need a newline that belongs to the next tag.
  step_ = spaces < all.text.size() && all.text[spaces] == '{' ? &State::in_json_body : &State::in_text;
  return true;
}

bool CompletionParser::State::in_json_body() {
  const bool decided =
      scan("<", [&](std::string_view text) { value_ += text; }, [](const Found&) { return true; });
  if (!decided && !at_end_) return false;
  end_json_body(decided ? find_at(rest()) : Found{});
  return decided;
}

void CompletionParser::State::end_json_body(const Found& next) {
  const bool parameters_follow = next.match == Match::yes && next.token.empty() &&
                                 next.tag.kind == TagKind::parameter && !next.tag.closing;
  const size_t start = value_.find_first_not_of(kDsmlSpaces);
  const std::string_view body =
      std::string_view(value_).substr(start, value_.find_last_not_of(kDsmlSpaces) + 1 - start);
  if (!parameters_follow && is_json(body, true)) {
    sink_.repair(repair::kJsonBody);
    sink_.json_body(body);
  } else {
    sink_.repair(repair::kTextInBlock);
    sink_.text(value_);
  }
  value_.clear();
  sink_.marker(true);
  step_ = &State::in_text;
}

bool CompletionParser::State::in_parameter_tag() {
  const Attributes attributes = match_attributes(rest());
  if (attributes.match == Match::partial && !at_end_) return false;
  if (attributes.match == Match::partial && rest().text.size() <= kMaxCutTag) return drop_cut_tag();
  if (attributes.match != Match::yes) {
    give_back(repair::kParameterAsText);
    return true;
  }
  at_ += attributes.bytes;
  tag_.clear();
  parameter_ = attributes.name;
  value_.clear();
  kind_ = attributes.string == "true"    ? Value::string
          : attributes.string == "false" ? Value::json
                                         : Value::unknown;
  if (kind_ == Value::unknown) sink_.repair(repair::kStringAttribute);
  if (kind_ == Value::string && !sink_.begin_string(parameter_)) kind_ = Value::repeated;
  note_spelling(attributes.official || kind_ == Value::unknown);
  step_ = &State::in_value;
  if (attributes.self_closing) end_value(false, true);
  return true;
}

bool CompletionParser::State::in_value() {
  const MarkedText all = rest();
  for (size_t i = 0; i < all.text.size(); ++i) {
    i = std::min(all.text.find_first_of("<\n", i), all.text.size());
    if (i == all.text.size()) break;
    const Found found = value_end_at(all.substr(i));
    if (found.match == Match::no) continue;
    value_part(all.text.substr(0, i));
    at_ += i;
    if (found.match == Match::partial && !at_end_) return false;
    if (found.match == Match::partial) {
      sink_.repair(repair::kCutTag, all.text.substr(i));
      at_ = text_.size();
      return false;
    }
    const bool own_end = found.token.empty() && found.tag.kind == TagKind::parameter && found.tag.closing;
    at_ += own_end ? found.tag.bytes : found.newlines;  // another tag is for in_text()
    if (own_end) note_spelling(found.tag.official);
    end_value(false, own_end);
    return true;
  }
  value_part(all.text);
  at_ = text_.size();
  return false;
}

CompletionParser::State::Found CompletionParser::State::value_end_at(MarkedText at) const {
  const Match eos = match_token(at, protocol::kEos);
  if (eos == Match::yes || (eos == Match::partial && !at_end_)) return {eos, protocol::kEos};
  const size_t newlines = at.text.front() == '\n' ? 1 : 0;
  const TagMatch tag = match_tag(at.substr(newlines), at_end_);
  if (tag.match == Match::partial && at_end_ && !tag.past_bars) return {};
  const bool own_end = tag.kind == TagKind::parameter && tag.closing;
  if (tag.match == Match::yes && newlines > 0 && own_end) return {};  // the newline is the value's
  // An opening tag within a line is rather a part of the value.
  const bool opens_next = tag.kind != TagKind::block && newlines > 0;
  if (tag.match == Match::yes && !tag.closing && !opens_next) return {};
  return {tag.match, {}, tag, newlines};
}

void CompletionParser::State::value_part(std::string_view text) {
  if (kind_ == Value::string) {
    sink_.string_part(text);
  } else {
    value_ += text;
  }
}

void CompletionParser::State::end_value(bool cut, bool closed) {
  if (!closed && !cut) sink_.repair(repair::kUnclosedParameter);
  if (kind_ == Value::string) {
    if (!cut) sink_.end_string();
  } else if (kind_ == Value::repeated) {
    sink_.repair(repair::kRepeatedParameter, parameter_ + "=" + value_);
  } else {
    const bool json = cut || is_json(value_, false);
    if (!json && kind_ == Value::json) sink_.repair(repair::kValueAsString);
    if (!sink_.json_value(parameter_, json ? value_ : json_quote(value_))) {
      sink_.repair(repair::kRepeatedParameter, parameter_ + "=" + value_);
    }
  }
  value_.clear();
  sink_.marker(true);
  step_ = &State::in_text;
}

}  // namespace fathom
