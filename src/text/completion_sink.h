#pragma once
/// Where the completion parser puts what it reads: events for the caller, and the message that they add up
/// to.

#include <string>
#include <string_view>
#include <unordered_set>
#include <utility>
#include <vector>

#include "text/completion_parser.h"

namespace fathom {

class CompletionSink {
 public:
  CompletionSink(bool trim_newlines, bool continues) : trims_(trim_newlines), at_start_(!continues) {}

  /// Text of the reasoning (until end_reasoning()) or of the answer.
  void text(std::string_view text);
  /// A marker came: newlines held before it are left out if they are trimmed, and so are spaces that only
  /// separate two tags (`after_tag`: the marker was a tag of calls).
  void marker(bool after_tag);
  void begin_reasoning() { in_reasoning_ = true; }
  void end_reasoning();

  void begin_call(std::string name);
  /// Starts a string value; false if the call has such a parameter already.
  bool begin_string(const std::string& name);
  void string_part(std::string_view text);
  void end_string() { arguments("\""); }
  /// A whole value as JSON; false if the call has such a parameter already.
  bool json_value(const std::string& name, std::string_view json);
  /// The whole arguments.
  void json_body(std::string_view json);
  /// Closes the arguments, unless they are to stay as they are.
  void end_call(bool close_arguments = true);

  void repair(std::string_view kind, std::string_view left_out = {});
  void trailing(std::string_view text) { completion_.trailing += text; }
  void ended() { completion_.ended = true; }
  void end();

  bool in_reasoning() const { return in_reasoning_; }
  const Completion& completion() const { return completion_; }
  std::vector<CompletionEvent> take_events() { return std::exchange(events_, {}); }

 private:
  void put(CompletionEvent::Kind kind, std::string_view text);
  void arguments(std::string_view json);
  bool begin_parameter(const std::string& name);

  bool trims_;
  bool in_reasoning_ = false;
  bool at_start_;           // of reasoning or content: nothing but newlines came
  bool after_tag_ = false;  // nothing but spaces came since a tag
  std::string held_;        // spaces or newlines that are text only if more text follows
  std::unordered_set<std::string> parameters_;
  bool has_arguments_ = false;
  Completion completion_;
  std::vector<CompletionEvent> events_;
};

}  // namespace fathom
