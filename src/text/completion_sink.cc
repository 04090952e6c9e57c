#include "text/completion_sink.h"

#include <algorithm>

namespace fathom {

void CompletionSink::put(CompletionEvent::Kind kind, std::string_view text) {
  using Kind = CompletionEvent::Kind;
  const bool of_call = kind == Kind::call_start || kind == Kind::arguments || kind == Kind::call_end;
  const int64_t call = of_call ? std::ssize(completion_.tool_calls) - 1 : -1;
  const bool is_delta = kind == Kind::reasoning || kind == Kind::content || kind == Kind::arguments;
  if (is_delta && !events_.empty() && events_.back().kind == kind && events_.back().call == call) {
    events_.back().text += text;
  } else {
    events_.push_back({kind, std::string(text), call});
  }
}

void CompletionSink::text(std::string_view text) {
  if (text.empty()) return;
  if (after_tag_) {
    const size_t first = text.find_first_not_of(" \t\r\n");
    held_ += text.substr(0, first);
    if (first == std::string_view::npos) return;
    text.remove_prefix(first);
    after_tag_ = false;
    if (completion_.content.empty()) held_.clear();  // nothing to separate from
  }
  if (trims_ && at_start_) {
    text.remove_prefix(std::min(text.find_first_not_of('\n'), text.size()));
    if (text.empty()) return;
  }
  at_start_ = false;

  std::string out = std::exchange(held_, {});
  if (trims_) {
    const size_t last = text.find_last_not_of('\n');
    const size_t kept = last == std::string_view::npos ? 0 : last + 1;
    if (kept == 0) {
      held_ = std::move(out) + std::string(text);
      return;
    }
    held_ = text.substr(kept);
    text = text.substr(0, kept);
  }
  out += text;
  (in_reasoning_ ? completion_.reasoning_content : completion_.content) += out;
  put(in_reasoning_ ? CompletionEvent::Kind::reasoning : CompletionEvent::Kind::content, out);
}

void CompletionSink::marker(bool after_tag) {
  held_.clear();
  after_tag_ = after_tag_ || after_tag;
}

void CompletionSink::end_reasoning() {
  in_reasoning_ = false;
  at_start_ = true;
}

void CompletionSink::begin_call(std::string name) {
  completion_.tool_calls.push_back({"", std::move(name), ""});
  parameters_.clear();
  has_arguments_ = false;
  put(CompletionEvent::Kind::call_start, completion_.tool_calls.back().name);
}

void CompletionSink::arguments(std::string_view json) {
  completion_.tool_calls.back().arguments += json;
  put(CompletionEvent::Kind::arguments, json);
}

bool CompletionSink::begin_parameter(const std::string& name) {
  if (!parameters_.insert(name).second) return false;
  arguments((has_arguments_ ? ", " : "{") + json_quote(name) + ": ");
  has_arguments_ = true;
  return true;
}

bool CompletionSink::begin_string(const std::string& name) {
  if (!begin_parameter(name)) return false;
  arguments("\"");
  return true;
}

void CompletionSink::string_part(std::string_view text) {
  std::string escaped;
  append_json_escaped(text, escaped);
  if (!escaped.empty()) arguments(escaped);
}

bool CompletionSink::json_value(const std::string& name, std::string_view json) {
  if (!begin_parameter(name)) return false;
  arguments(json);
  return true;
}

void CompletionSink::json_body(std::string_view json) {
  arguments(json.substr(0, json.size() - 1));  // end_call() puts the last brace
  has_arguments_ = true;
}

void CompletionSink::end_call(bool close_arguments) {
  if (close_arguments) arguments(has_arguments_ ? "}" : "{}");
  put(CompletionEvent::Kind::call_end, "");
}

void CompletionSink::repair(std::string_view kind, std::string_view left_out) {
  // One text may come in many pieces.
  const bool goes_on =
      left_out.empty() && !completion_.repairs.empty() && completion_.repairs.back() == Repair{kind, ""};
  if (goes_on) return;
  completion_.repairs.push_back({kind, std::string(left_out)});
}

void CompletionSink::end() {
  if (!after_tag_ && !held_.empty()) {  // newlines at the very end are text
    trims_ = false;
    text(std::exchange(held_, {}));
  }
  put(CompletionEvent::Kind::end, "");
}

}  // namespace fathom
