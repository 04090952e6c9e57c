// The official parser's grammar. Its places where an end of line or an end of text is optional are kept.
#include <algorithm>
#include <array>
#include <initializer_list>
#include <optional>

#include "base/error.h"
#include "text/completion.h"
#include "text/protocol_strings.h"

namespace fathom {

namespace {

const std::string kOpen = "<" + std::string(protocol::kDsml);
const std::string kClose = "</" + std::string(protocol::kDsml);
const std::string kBlockStart = "\n\n" + kOpen + "tool_calls";
const std::string kBlockEnd = kClose + "tool_calls>";
const std::string kInvokeStart = kOpen + "invoke";
const std::string kInvokeEnd = kClose + "invoke";
const std::string kParameterStart = kOpen + "parameter";
const std::string kParameterEnd = "/" + std::string(protocol::kDsml) + "parameter";

bool is_space(char c) { return c == ' ' || (c >= '\t' && c <= '\r') || (c >= '\x1c' && c <= '\x1f'); }

/// Removes `end` from the end of the text, or `end` and one newline: Python's "$" stands before a last
/// newline, too.
bool remove_end(std::string_view& text, std::string_view end) {
  for (const std::string_view newline : {"", "\n"}) {
    const std::string whole = std::string(end) + std::string(newline);
    if (text.ends_with(whole)) {
      text.remove_suffix(whole.size());
      return true;
    }
  }
  return false;
}

class StrictParser {
 public:
  StrictParser(std::string_view text, ThinkingMode mode)
      : text_(text), thinks_(mode == ThinkingMode::thinking) {}

  Completion parse() {
    Completion result;
    if (thinks_) {
      result.reasoning_content = read_until({protocol::kThinkEnd, kBlockStart});
      if (stop_ != protocol::kThinkEnd) refuse("</think>");
    }
    result.content = read_until({protocol::kEos, kBlockStart});
    if (stop_ == kBlockStart) {
      read_calls(result.tool_calls);
      if (!read_until({protocol::kEos}).empty()) refuse("nothing after the tool calls");
    } else if (stop_.empty()) {
      refuse("the end-of-sentence token");
    }
    if (at_ < text_.size()) refuse("nothing after the end-of-sentence token");
    for (const std::string_view token :
         {protocol::kBos, protocol::kEos, protocol::kThinkStart, protocol::kThinkEnd, protocol::kDsml}) {
      for (const std::string* part : {&result.content, &result.reasoning_content}) {
        if (part->find(token) != std::string::npos) {
          bad_input("completion: expected plain text, found '{}' in {}", token,
                    part == &result.content ? "the content" : "the reasoning");
        }
      }
    }
    result.ended = stop_ == protocol::kEos;
    return result;
  }

 private:
  [[noreturn]] void refuse(const char* expected) const {
    bad_input("completion: expected {}, found '{}' before byte {}", expected,
              printable(text_.substr(start_, 80)), at_);
  }

  /// The text before the first of the stops, which becomes stop_; all the rest and no stop if there is none.
  std::string_view read_until(std::initializer_list<std::string_view> stops) {
    start_ = at_;
    size_t end = text_.size();
    stop_ = {};
    for (const std::string_view stop : stops) {
      const size_t found = text_.find(stop, at_);
      if (found < end) {
        end = found;
        stop_ = stop;
      }
    }
    const std::string_view content = text_.substr(at_, end - at_);
    at_ = end + stop_.size();
    return content;
  }

  void read_calls(std::vector<ToolCall>& calls) {
    // The end of the text is an end of the block.
    while (at_ < text_.size()) {
      if (read_until({kInvokeStart, kBlockEnd}) != ">\n") refuse("'>' and a new line");
      if (stop_ == kBlockEnd) return;
      if (stop_.empty()) refuse("an invocation or the end of the block");
      calls.push_back(read_call());
    }
  }

  ToolCall read_call() {
    std::string_view head = read_until({kParameterStart, kInvokeEnd});
    while (!head.empty() && is_space(head.front())) head.remove_prefix(1);
    if (!head.starts_with("name=\"") || (head.remove_prefix(6), !remove_end(head, "\">\n"))) {
      refuse("name=\"...\"> and a new line");
    }
    ToolCall call{"", std::string(head), "{"};
    std::vector<std::string_view> names;
    while (stop_ == kParameterStart) {
      std::string_view chunk = read_until({kParameterEnd});
      const auto [name, is_string, value] = read_parameter(chunk);
      if (std::ranges::find(names, name) != names.end()) refuse("each parameter once");
      if (!names.empty()) call.arguments += ", ";
      names.push_back(name);
      call.arguments += json_quote(name) + ": " + (is_string ? json_quote(value) : std::string(value));
      if (read_until({kParameterStart, kInvokeEnd}) != ">\n") refuse("'>' and a new line");
    }
    call.arguments += "}";
    return call;
  }

  struct Parameter {
    std::string_view name;
    bool is_string;
    std::string_view value;
  };
  /// ` name="..." string="true|false">value<`; the shortest name.
  Parameter read_parameter(std::string_view chunk) const {
    constexpr std::string_view kName = " name=\"";
    constexpr std::array<std::string_view, 2> kAttribute = {"\" string=\"false\">", "\" string=\"true\">"};
    if (chunk.starts_with(kName)) {
      chunk.remove_prefix(kName.size());
      const size_t plain = chunk.find(kAttribute[0]);
      const size_t string = chunk.find(kAttribute[1]);
      const size_t at = std::min(plain, string);
      if (at != std::string_view::npos) {
        std::string_view value = chunk.substr(at + kAttribute[string < plain].size());
        if (remove_end(value, "<")) return {chunk.substr(0, at), string < plain, value};
      }
    }
    refuse("name=\"...\" string=\"true|false\">value");
  }

  std::string_view text_;
  bool thinks_;
  size_t at_ = 0;
  size_t start_ = 0;
  std::string_view stop_;
};

}  // namespace

Completion parse_completion_strict(std::string_view text, ThinkingMode mode) {
  return StrictParser(text, mode).parse();
}

JsonValue to_json(const Completion& completion) {
  JsonValue::Array calls;
  for (const ToolCall& call : completion.tool_calls) {
    JsonValue::Object function = {{"name", call.name}, {"arguments", call.arguments}};
    calls.emplace_back(JsonValue::Object{{"type", "function"}, {"function", std::move(function)}});
  }
  return JsonValue::Object{{"role", "assistant"},
                           {"content", completion.content},
                           {"reasoning_content", completion.reasoning_content},
                           {"tool_calls", std::move(calls)}};
}

}  // namespace fathom
