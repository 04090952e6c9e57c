#include "server/api/reply.h"

#include "base/error.h"
#include "server/api/json_text.h"
#include "text/utf8_stream.h"

namespace fathom::server {

std::string event_text(const ReplyEvent& event) {
  std::string text;
  if (!event.name.empty()) text += "event: " + event.name + "\n";
  text += "data: ";
  text += event.done_mark ? "[DONE]" : event.json.empty() ? compact_json(event.data) : event.json;
  return text += "\n\n";
}

JsonFrame::JsonFrame(const JsonValue& like, std::string_view key) {
  const std::string json = compact_json(like);
  const std::string member = json_quote(key) + ":\"\"";
  const size_t at = json.rfind(member);
  FATHOM_CHECK(at != std::string::npos);
  before_ = json.substr(0, at + member.size() - 2);
  after_ = json.substr(at + member.size());
}

std::string JsonFrame::with(std::string_view text) const {
  std::string out;
  out.reserve(before_.size() + after_.size() + text.size() + 8);
  out += before_;
  append_json_string(text, out);
  return out += after_;
}

void ReplyWriter::failure(const ApiError& error, Events& out) {
  out.push_back({"", error_body(error, ErrorShape::deepseek, "req_" + identity_.id)});
}

ReplyWriter::Call ReplyWriter::make_call(const std::string& name, int64_t index) const {
  Call call;
  call.id = fmt::format("call_{:02}_{}", index, identity_.call_suffix(index));
  call.name = name;
  for (const ToolInfo& tool : call_.tools) {
    if (tool.name == name) call.tool = &tool;
  }
  return call;
}

JsonValue ReplyWriter::logprob_entries(const std::vector<TokenLogprobs>& tokens, bool with_more) const {
  const auto entry = [&](const TokenLogprob& token) {
    const std::string bytes = identity_.token_bytes(token.id);
    std::string text;
    append_valid_utf8(bytes, text);
    JsonValue::Array list;
    for (const char c : bytes) list.push_back(json_integer(static_cast<unsigned char>(c)));
    return JsonValue::Object{{"token", text}, {"logprob", token.logprob}, {"bytes", std::move(list)}};
  };
  JsonValue::Array entries;
  for (const TokenLogprobs& token : tokens) {
    JsonValue::Object one = entry(token.chosen);
    JsonValue::Array top;
    if (with_more) {
      for (const TokenLogprob& other : token.top) top.emplace_back(entry(other));
    }
    one.push_back({"top_logprobs", std::move(top)});
    entries.emplace_back(std::move(one));
  }
  return entries;
}

bool lacked_resources(const AnswerResult& result) {
  return result.outcome == Outcome::cancelled || result.out_of_memory || result.time_over ||
         result.funds_over;
}

JsonValue json_ids(const std::vector<int32_t>& ids) {
  JsonValue::Array list;
  list.reserve(ids.size());
  for (const int32_t id : ids) list.push_back(json_integer(id));
  return list;
}

JsonValue openai_usage(const ReplyUsage& u, bool with_reasoning) {
  JsonValue::Object out{
      {"prompt_tokens", json_integer(u.prompt)},
      {"completion_tokens", json_integer(u.completion)},
      {"total_tokens", json_integer(u.prompt + u.completion)},
      {"prompt_tokens_details", JsonValue::Object{{"cached_tokens", json_integer(u.cached)}}}};
  if (with_reasoning) {
    out.push_back(
        {"completion_tokens_details", JsonValue::Object{{"reasoning_tokens", json_integer(u.reasoning)}}});
  }
  out.push_back({"prompt_cache_hit_tokens", json_integer(u.cached)});
  out.push_back({"prompt_cache_miss_tokens", json_integer(u.prompt - u.cached)});
  if (!u.cost_total.empty()) out.push_back({"cost", json_decimal(u.cost_total)});
  return out;
}

}  // namespace fathom::server
