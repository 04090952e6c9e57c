// Layout of golden/encoding: prompts of the official encoder under both generations, completions of its
// parser, and the official example conversations.
#include <algorithm>

#include "base/error.h"
#include "base/file.h"
#include "engine/verify/checks.h"
#include "text/chat_encoding.h"
#include "text/completion.h"
#include "text/encoding_lines.h"
#include "text/python_json.h"

namespace fathom::verify {
namespace {

namespace fs = std::filesystem;

constexpr int64_t kMaxBytes = int64_t{1} << 28;

const std::string& string_of(const JsonValue& line, std::string_view key, const std::string& where) {
  const JsonValue* value = line.find(key);
  if (!value || !value->as_string()) bad_input("{}: {}: expected a string", where, key);
  return *value->as_string();
}

// use(line, where) for each line; lines end with "\n" only.
template <class Use>
void for_each_line(Checks& checks, const std::string& file, Use use) {
  const std::string text = read_text(checks.folder() / file, kMaxBytes);
  checks.used(file);
  int64_t number = 0;
  for (size_t at = 0; at < text.size();) {
    const size_t end = std::min(text.find('\n', at), text.size());
    const std::string where = fmt::format("{}:{}", file, ++number);
    if (end > at) {
      use(in_context(where, [&] { return parse_json_value(std::string_view(text).substr(at, end - at)); }),
          where);
    }
    at = end + 1;
  }
}

// 2026-08 says high where 2026-04 said max, and low where it said high.
Effort effort_in(Generation generation, Effort early) {
  if (generation == Generation::v2026_04 || early == Effort::none) return early;
  return early == Effort::max ? Effort::high : Effort::low;
}

void check_prompts(Checks& checks, const JsonValue& line, const std::string& where) {
  for (const Generation generation : {Generation::v2026_04, Generation::v2026_08}) {
    const std::string quantity = "prompts, " + std::string(name(generation));
    const JsonValue* output = line.find("output");
    std::optional<std::string> found;
    try {
      EncodingCase c = read_encoding_case(line, {}, Generation::v2026_04);
      c.options.effort = effort_in(generation, c.options.effort);
      found = encode_messages(c.messages, c.options, generation).joined();
    } catch (const Error&) {
    }
    if (output) {
      checks.differing(quantity, found != string_of(line, "output", where), 1);
    } else if (string_of(line, "error", where) == "AttributeError") {
      // JSON arguments that are no object, null contents: the official encoder breaks, ours takes them
      // (README, item 3).
      checks.differing(quantity + ", that break the official encoder", !found, 1);
    } else {
      checks.differing(quantity + ", refused", found.has_value(), 1);
    }
  }
}

void check_completion(Checks& checks, const JsonValue& line, const std::string& where) {
  const std::string& text = string_of(line, "text", where);
  const ThinkingMode mode = parse_thinking_mode(string_of(line, "thinking_mode", where));
  std::optional<JsonValue> found;
  try {
    found = to_json(parse_completion_strict(text, mode));
  } catch (const Error&) {
  }
  if (const JsonValue* message = line.find("message")) {
    checks.differing("completions", !found || *found != *message, 1);
  } else {
    checks.differing("completions, refused", found.has_value(), 1);
  }
}

// test_input_N.json and test_output_N.txt say nothing of the mode: one of the two must give the text.
void check_examples(Checks& checks) {
  std::vector<std::string> inputs;
  for (const auto& entry : fs::directory_iterator(checks.folder())) {
    const std::string file = entry.path().filename().string();
    if (file.starts_with("test_input_") && file.ends_with(".json")) inputs.push_back(file);
  }
  std::sort(inputs.begin(), inputs.end());
  for (const std::string& input : inputs) {
    const std::string output = "test_output_" + input.substr(11, input.size() - 16) + ".txt";
    if (!is_file(checks.folder() / output)) continue;
    const auto messages =
        in_context(input, [&] { return read_chat_file(read_text(checks.folder() / input, kMaxBytes)); });
    const std::string expected = read_text(checks.folder() / output, kMaxBytes);
    bool equal = false;
    for (const ThinkingMode mode : {ThinkingMode::thinking, ThinkingMode::chat}) {
      EncodeOptions options;
      options.thinking_mode = mode;
      equal = equal || encode_messages(messages, options, Generation::v2026_04).joined() == expected;
    }
    checks.differing("example conversations", !equal, 1);
    checks.used(input);
    checks.used(output);
  }
}

}  // namespace

bool is_encoding(const fs::path& folder) {
  return is_file(folder / "cases.jsonl") || is_file(folder / "parse.jsonl");
}

void check_encoding(Checks& checks) {
  if (is_file(checks.folder() / "cases.jsonl")) {
    for_each_line(checks, "cases.jsonl", [&](const JsonValue& line, const std::string& where) {
      check_prompts(checks, line, where);
    });
  }
  if (is_file(checks.folder() / "parse.jsonl")) {
    for_each_line(checks, "parse.jsonl", [&](const JsonValue& line, const std::string& where) {
      check_completion(checks, line, where);
    });
  }
  check_examples(checks);
}

}  // namespace fathom::verify
