#include "server/service/request_log.h"

#include <algorithm>
#include <cmath>

#include "server/api/json_text.h"

namespace fathom::server {
namespace {

bool is_hex(std::string_view text) {
  return std::ranges::all_of(text, [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
}
bool is_zero(std::string_view text) { return text.find_first_not_of('0') == std::string_view::npos; }
bool is_visible(std::string_view text) {
  return std::ranges::all_of(text, [](char c) { return c > 0x20 && c < 0x7F; });
}

}  // namespace

// version 2, trace id 32, parent id 16, flags 2 hex digits; a later version may have more after them.
void read_trace(const HttpRequest& request, RequestRecord& out) {
  if (const std::string* id = request.find("x-client-request-id");
      id && !id->empty() && id->size() <= 128 && is_visible(*id))
    out.client_request_id = *id;
  const std::string* parent = request.find("traceparent");
  if (!parent || parent->size() < 55) return;
  const std::string_view text = *parent;
  const std::string_view version = text.substr(0, 2), trace = text.substr(3, 32), span = text.substr(36, 16),
                         flags = text.substr(53, 2);
  const bool shaped = text[2] == '-' && text[35] == '-' && text[52] == '-' && is_hex(version) &&
                      is_hex(trace) && is_hex(span) && is_hex(flags);
  const bool whole = version == "00" ? text.size() == 55 : text.size() == 55 || text[55] == '-';
  if (!shaped || !whole || version == "ff" || is_zero(trace) || is_zero(span)) return;
  out.trace_id = trace;
  out.parent_id = span;
  const std::string* state = request.find("tracestate");
  if (state && state->size() <= 512) out.tracestate = *state;
}

std::string record_members(const RequestRecord& r) {
  JsonValue::Object out;
  const auto text = [&](const char* name, const std::string& value) {
    if (!value.empty()) out.push_back({name, value});
  };
  const auto milliseconds = [&](const char* name, double seconds) {
    if (seconds > 0) out.push_back({name, json_integer(std::llround(seconds * 1000))});
  };
  text("request_id", r.request_id);
  text("client_request_id", r.client_request_id);
  text("trace_id", r.trace_id);
  text("parent_id", r.parent_id);
  text("tracestate", r.tracestate);
  text("method", r.method);
  text("route", r.route);
  out.push_back({"code", json_integer(r.code)});
  text("status", r.status);
  text("error", r.error);
  text("key", r.key);
  text("user", r.user);
  text("model", r.model);
  text("mode", r.mode);
  if (r.stream) out.push_back({"stream", true});
  if (r.joined) out.push_back({"joined", true});
  if (r.stats.prompt_tokens > 0) {
    out.push_back({"prompt_tokens", json_integer(r.stats.prompt_tokens)});
    out.push_back({"cached_tokens", json_integer(r.stats.cached_tokens)});
    out.push_back({"completion_tokens", json_integer(r.stats.completion_tokens)});
    out.push_back({"reasoning_tokens", json_integer(r.stats.reasoning_tokens)});
  }
  milliseconds("queue_ms", r.stats.queue_seconds);
  milliseconds("first_token_ms", r.stats.first_token_seconds);
  out.push_back({"total_ms", json_integer(std::llround(r.seconds * 1000))});
  text("cost", r.cost);
  text("body", r.body);
  const std::string json = compact_json(out);
  return json.substr(1, json.size() - 2);
}

}  // namespace fathom::server
