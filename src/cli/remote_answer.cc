#include "cli/remote_answer.h"

#include <fmt/core.h>

#include <nlohmann/json.hpp>

#include "base/error.h"

namespace fathom::cli {
namespace {

using nlohmann::json;

constexpr size_t kMostLine = size_t{16} << 20;

const json* member(const json& value, const char* key) {
  if (!value.is_object()) return nullptr;
  const auto found = value.find(key);
  return found == value.end() || found->is_null() ? nullptr : &*found;
}

std::string text_of(const json& value, const char* key) {
  const json* found = member(value, key);
  return found && found->is_string() ? found->get<std::string>() : std::string();
}

void read_count(const json* value, const char* key, int64_t& out) {
  const json* found = value ? member(*value, key) : nullptr;
  if (found && found->is_number_unsigned() && found->get<uint64_t>() <= INT64_MAX)
    out = found->get<int64_t>();
}

}  // namespace

std::string error_message(std::string_view body) {
  const json parsed = json::parse(body, nullptr, false);
  const json* error = member(parsed, "error");
  std::string text = error && error->is_string() ? error->get<std::string>()
                     : error                     ? text_of(*error, "message")
                                                 : text_of(parsed, "message");
  if (text.empty()) text = text_of(parsed, "detail");
  return text.empty() ? std::string(body) : text;
}

void RemoteAnswer::feed(std::string_view bytes) {
  while (!bytes.empty()) {
    const size_t end = bytes.find('\n');
    held_ += bytes.substr(0, end);
    if (held_.size() > kMostLine)
      bad_input("the answer: expected lines of at most 16 MiB, found a longer one");
    if (end == std::string_view::npos) return;
    bytes.remove_prefix(end + 1);
    if (held_.ends_with('\r')) held_.pop_back();
    const std::string whole = std::exchange(held_, {});
    line(whole);
  }
}

// Of server-sent events only the data count here; comments keep a connection alive.
void RemoteAnswer::line(std::string_view text) {
  if (!text.starts_with("data:")) return;
  text.remove_prefix(5);
  if (text.starts_with(' ')) text.remove_prefix(1);
  if (text == "[DONE]") {
    done_ = true;
  } else if (!text.empty()) {
    chunk(text);
  }
}

void RemoteAnswer::chunk(std::string_view text) {
  const json data = json::parse(text, nullptr, false);
  if (!data.is_object()) bad_input("the answer: expected events in JSON, found '{}'", printable(text, 80));
  if (member(data, "error"))
    fail(ErrorCode::io, "the answer broke off: {}", printable(error_message(text), 400));
  if (const json* told = member(data, "usage")) {
    read_count(told, "prompt_tokens", usage.prompt);
    read_count(told, "completion_tokens", usage.completion);
    read_count(told, "prompt_cache_hit_tokens", usage.cached);
    read_count(member(*told, "prompt_tokens_details"), "cached_tokens", usage.cached);
    read_count(member(*told, "completion_tokens_details"), "reasoning_tokens", usage.reasoning);
  }
  if (const json* cost = member(data, "cost"); cost && cost->is_object()) {
    const json* total = member(*cost, "total");
    if (total && total->is_number()) usage.cost = total->dump() + " " + text_of(*cost, "currency");
  }
  const json* choices = member(data, "choices");
  if (!choices || !choices->is_array() || choices->empty()) return;
  const json& choice = choices->front();
  if (const json* delta = member(choice, "delta")) {
    // DeepSeek's name for the thinking, and vLLM's.
    std::string thought = text_of(*delta, "reasoning_content");
    if (thought.empty()) thought = text_of(*delta, "reasoning");
    if (!thought.empty()) {
      reasoning += thought;
      event_({CompletionEvent::Kind::reasoning, std::move(thought)});
    }
    if (std::string more = text_of(*delta, "content"); !more.empty()) {
      content += more;
      event_({CompletionEvent::Kind::content, std::move(more)});
    }
  }
  if (std::string reason = text_of(choice, "finish_reason"); !reason.empty())
    finish_reason_ = std::move(reason);
}

}  // namespace fathom::cli
