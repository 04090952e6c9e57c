#include "text/encoding_lines.h"

#include "base/error.h"

namespace fathom {

namespace {

/// A member that is there and not null, else nullptr; its kind is checked.
template <class T>
const T* member(const JsonValue& object, std::string_view key, const T* (JsonValue::*as)() const,
                const char* expected) {
  const JsonValue* value = object.find(key);
  if (!value || value->is_null()) return nullptr;
  if (const T* found = (value->*as)()) return found;
  bad_input("{}: expected {}, found {}", key, expected, value->kind());
}

const std::string* text(const JsonValue& object, std::string_view key) {
  return member(object, key, &JsonValue::as_string, "a string");
}
const bool* flag(const JsonValue& object, std::string_view key) {
  return member(object, key, &JsonValue::as_bool, "true or false");
}

void check_object(const JsonValue& value, std::string_view where) {
  if (!value.as_object()) bad_input("{}: expected an object, found {}", where, value.kind());
}

template <class Answer>
std::string answer_or_error(Answer answer) {
  JsonValue out;
  try {
    out = answer();
  } catch (const Error& error) {
    out = JsonValue::Object{{"error", error.message()}};
  }
  return dump_json(out);
}

}  // namespace

EncodingCase read_encoding_case(const JsonValue& line, const EncodeOptions& defaults, Generation generation) {
  check_object(line, "line");
  EncodingCase out{{}, defaults};
  const JsonValue* messages = line.find("messages");
  if (!messages) bad_input("messages: expected a list of messages, found nothing");
  out.messages = read_messages(*messages);
  const JsonValue* context = line.find("context");
  if (context && !context->is_null()) out.options.context = read_messages(*context, "context");

  const JsonValue* given = line.find("options");
  if (!given || given->is_null()) return out;
  check_object(*given, "options");
  if (const std::string* mode = text(*given, "thinking_mode"))
    out.options.thinking_mode = parse_thinking_mode(*mode);
  if (const bool* drop = flag(*given, "drop_thinking")) out.options.drop_thinking = *drop;
  if (const bool* bos = flag(*given, "add_default_bos_token")) out.options.add_default_bos = *bos;
  if (const std::string* effort = text(*given, "reasoning_effort")) {
    out.options.effort = parse_effort(*effort, generation);
  }
  return out;
}

std::string render_line(std::string_view line, const EncodeOptions& defaults, Generation generation) {
  return answer_or_error([&] {
    const EncodingCase read = read_encoding_case(parse_json_value(line), defaults, generation);
    return JsonValue::Object{{"output", encode_messages(read.messages, read.options, generation).joined()}};
  });
}

JsonValue completion_answer(const Completion& completion) {
  JsonValue::Object answer = {{"message", to_json(completion)}};
  if (!completion.repairs.empty()) {
    JsonValue::Array repairs;
    for (const Repair& repair : completion.repairs) {
      repairs.emplace_back(JsonValue::Object{{"kind", std::string(repair.kind)}, {"text", repair.text}});
    }
    answer.push_back({"repairs", std::move(repairs)});
  }
  if (!completion.trailing.empty()) answer.push_back({"trailing", completion.trailing});
  return answer;
}

std::string parse_line(std::string_view line, ThinkingMode default_mode, bool strict) {
  return answer_or_error([&] {
    const JsonValue read = parse_json_value(line);
    check_object(read, "line");
    const std::string* completion = text(read, "text");
    if (!completion) bad_input("text: expected a string, found nothing");
    const std::string* mode_word = text(read, "thinking_mode");
    const ThinkingMode mode = mode_word ? parse_thinking_mode(*mode_word) : default_mode;
    return completion_answer(strict ? parse_completion_strict(*completion, mode)
                                    : parse_completion(*completion, mode));
  });
}

}  // namespace fathom
