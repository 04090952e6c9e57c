#include "server/api/common_fields.h"

#include <charconv>
#include <limits>

#include "base/error.h"
#include "server/api/json_text.h"

namespace fathom::server {
namespace {

constexpr int64_t kMaxInt = std::numeric_limits<int64_t>::max();

void read_logit_bias(Fields& fields, ApiCall& call) {
  auto bias = fields.object("logit_bias");
  if (!bias) return;
  const JsonValue::Object& members = *fields.get("logit_bias")->as_object();
  if (members.size() > 1024) refuse(bias->path(), "expected at most 1024 entries, found {}", members.size());
  for (const JsonMember& member : members) {
    int64_t id = -1;
    const char* end = member.key.data() + member.key.size();
    const auto parsed = std::from_chars(member.key.data(), end, id);
    const std::string where = bias->path(printable(member.key, 64));
    if (parsed.ec != std::errc() || parsed.ptr != end || id < 0)
      refuse(where, "expected a token id as the key, found '{}'", printable(member.key, 64));
    const auto value = bias->number(member.key, -100, 100);
    if (!value) refuse(where, "expected a number from -100 to 100, found null");
    call.logit_bias.emplace_back(id, *value);
  }
}

void read_cache(Fields& fields, ApiCall& call) {
  auto cache = fields.object("cache");
  if (!cache) return;
  call.cache_read = cache->flag("read").value_or(true);
  call.cache_write = cache->flag("write").value_or(true);
  cache->finish();
}

}  // namespace

void read_sampling(Fields& fields, ApiCall& call) {
  call.temperature = fields.number("temperature", 0, 2);
  call.top_p = fields.number("top_p", 0, 1);
  if (call.top_p && *call.top_p == 0)
    refuse(fields.path("top_p"), "expected a number above 0, up to 1, found 0");
  call.top_k = fields.integer("top_k", 0, kMaxInt);
  call.min_p = fields.number("min_p", 0, 1);
  call.repetition_penalty = fields.number("repetition_penalty", 0, 10);
  if (call.repetition_penalty && *call.repetition_penalty < 0.01)
    refuse(fields.path("repetition_penalty"), "expected a number from 0.01 to 10, found {}",
           *call.repetition_penalty);
  call.frequency_penalty = fields.number("frequency_penalty", -2, 2);
  call.presence_penalty = fields.number("presence_penalty", -2, 2);
  read_logit_bias(fields, call);
  call.seed = fields.integer("seed", 0, kMaxInt);
  if (const auto budget = fields.integer("thinking_budget", 0, kMaxInt)) call.thinking_budget = budget;
  call.answer_reserve = fields.integer("answer_reserve", 0, kMaxInt);
  call.loop_guard = fields.flag("loop_guard").value_or(true);
  if (const auto sampling = fields.text("sampling")) {
    if (*sampling != "deepseek" && *sampling != "as_given")
      refuse(fields.path("sampling"), "expected deepseek or as_given, found '{}'", printable(*sampling, 64));
    call.sampling_as_given = *sampling == "as_given";
  }
  read_cache(fields, call);
}

void read_stops(Fields& fields, std::string_view key, ApiCall& call) {
  const JsonValue* value = fields.get(key);
  if (!value) return;
  const auto check = [](const JsonValue& stop, const std::string& where) {
    if (!stop.as_string()) refuse(where, "expected a string, found {}", quoted(stop));
    const size_t size = stop.as_string()->size();
    if (size < 1 || size > 1024) refuse(where, "expected 1 to 1024 bytes, found {}", size);
    return *stop.as_string();
  };
  if (value->as_string() && key == "stop") {
    call.stops.push_back(check(*value, fields.path(key)));
    return;
  }
  if (!value->as_array()) refuse(fields.path(key), "expected a string or a list, found {}", quoted(*value));
  for (const Fields::Item& item : fields.items(key, 16)) call.stops.push_back(check(*item.value, item.path));
}

void read_user(Fields& fields, ApiCall& call) {
  for (const char* key : {"user", "user_id"}) {
    const auto user = fields.text(key);
    if (!user) continue;
    if (user->size() > 512) refuse(fields.path(key), "expected at most 512 bytes, found {}", user->size());
    call.user = *user;
  }
}

void read_thinking(Fields& fields, ApiCall& call) {
  auto thinking = fields.object("thinking");
  if (!thinking) return;
  const std::string type = thinking->required_text("type");
  if (type != "enabled" && type != "disabled" && type != "adaptive")
    refuse(thinking->path("type"), "expected enabled, disabled or adaptive, found '{}'", printable(type, 64));
  call.thinking_enabled = type != "disabled";
  const int64_t least = call.dialect == Dialect::messages ? 1 : 0;
  if (const auto budget = thinking->integer("budget_tokens", least, kMaxInt)) call.thinking_budget = budget;
  if (call.dialect == Dialect::messages) {
    if (const auto display = thinking->text("display")) call.thinking_hidden = *display == "omitted";
  }
  thinking->finish();
}

void read_effort(Fields& fields, std::string_view key, ApiCall& call) {
  const auto word = fields.text(key);
  if (!word) return;
  for (const char* known : {"none", "minimal", "low", "medium", "high", "xhigh", "max", "ultra"}) {
    if (*word == known) call.effort = *word;
  }
  if (call.effort.empty()) {
    refuse(fields.path(key), "expected none, minimal, low, medium, high, xhigh, max or ultra, found '{}'",
           printable(*word, 64));
  }
}

void read_stream(Fields& fields, ApiCall& call) {
  call.stream = fields.flag("stream").value_or(false);
  auto options = fields.object("stream_options");
  if (!options) return;
  if (!call.stream)
    refuse(fields.path("stream_options"), "expected it with stream: true only, found it without");
  call.include_usage = options->flag("include_usage").value_or(false);
  options->ignore({"include_obfuscation"});
  options->finish();
}

void check_results(const std::vector<ChatMessage>& messages, const std::vector<std::string>& paths,
                   std::string_view result_key) {
  for (size_t i = 0; i < messages.size();) {
    if (messages[i].role == Role::tool) {
      const std::string where = fmt::format("{}.{}", paths[i], result_key);
      refuse(where, "expected the id of a call of the assistant turn right before, found '{}'",
             printable(messages[i].tool_call_id, 64));
    }
    const std::vector<ToolCall>& calls = messages[i].tool_calls;
    std::vector<bool> answered(calls.size(), false);
    const size_t turn = i++;
    if (calls.empty()) continue;
    for (; i < messages.size() && messages[i].role == Role::tool; ++i) {
      const std::string where = fmt::format("{}.{}", paths[i], result_key);
      size_t which = 0;
      while (which < calls.size() && calls[which].id != messages[i].tool_call_id) ++which;
      if (which == calls.size()) {
        refuse(where, "expected the id of a call of the assistant turn right before, found '{}'",
               printable(messages[i].tool_call_id, 64));
      }
      if (answered[which])
        refuse(where, "expected one result for each call, found a second for '{}'",
               printable(calls[which].id, 64));
      answered[which] = true;
    }
    for (size_t k = 0; k < calls.size(); ++k) {
      if (answered[k]) continue;
      const std::string where = fmt::format("{}.tool_calls[{}].id", paths[turn], k);
      refuse(where, "expected a result right after the turn, found none for '{}'",
             printable(calls[k].id, 64));
    }
  }
}

}  // namespace fathom::server
