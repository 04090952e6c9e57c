// Completions and fill-in-the-middle: the request. Source: api.md section 2.2.
#include "base/error.h"
#include "server/api/common_fields.h"
#include "server/api/response_format.h"

namespace fathom::server {
namespace {

constexpr size_t kMaxPrompts = 128;

std::vector<int64_t> read_ids(const JsonValue::Array& list, const std::string& path) {
  std::vector<int64_t> ids;
  ids.reserve(list.size());
  for (const JsonValue& id : list) {
    const auto* digits = id.as_integer();
    if (!digits || digits->digits.size() > 10 || digits->digits.front() == '-')
      refuse(path, "expected token ids, found {}", quoted(id));
    ids.push_back(std::stoll(digits->digits));
  }
  return ids;
}

void read_prompts(Fields& fields, ApiCall& call) {
  const JsonValue* prompt = fields.get("prompt");
  if (!prompt) refuse("prompt", "expected a string or a list, found nothing");
  if (prompt->as_string()) {
    call.prompts.emplace_back(*prompt->as_string());
    return;
  }
  const JsonValue::Array* list = prompt->as_array();
  if (!list) refuse("prompt", "expected a string or a list, found {}", quoted(*prompt));
  if (list->empty()) refuse("prompt", "expected at least one prompt, found none");
  if (list->front().as_integer()) {
    call.prompts.emplace_back(read_ids(*list, "prompt"));
    return;
  }
  if (list->size() > kMaxPrompts)
    refuse("prompt", "expected at most {} prompts, found {}", kMaxPrompts, list->size());
  const bool texts = list->front().as_string() != nullptr;
  for (size_t i = 0; i < list->size(); ++i) {
    const JsonValue& item = (*list)[i];
    const std::string path = fmt::format("prompt[{}]", i);
    if (texts && item.as_string()) {
      call.prompts.emplace_back(*item.as_string());
    } else if (!texts && item.as_array() && !item.as_array()->empty()) {
      call.prompts.emplace_back(read_ids(*item.as_array(), path));
    } else {
      throw ApiError(400, "", path + ": expected prompts of one kind, found " + quoted(item), "prompt");
    }
  }
}

}  // namespace

ApiCall read_completions(const JsonValue& body) {
  ApiCall call;
  call.dialect = Dialect::completions;
  Fields fields(body, "", call.ignored);
  call.model = fields.required_text("model");
  if (call.model.empty()) refuse("model", "expected a name, found an empty one");
  read_prompts(fields, call);
  call.suffix = fields.text("suffix");
  if (call.suffix && (call.prompts.size() != 1 || !std::holds_alternative<std::string>(call.prompts.front())))
    refuse("suffix", "expected one text as the prompt, found something else");
  call.echo = fields.flag("echo").value_or(false);
  if (call.echo && call.suffix) refuse("echo", "expected it without suffix, found both");
  call.max_tokens = fields.integer("max_tokens", 0, kMaxAnswerTokens).value_or(4096);
  if (*call.max_tokens == 0 && !call.echo)
    refuse("max_tokens", "expected an integer from 1 to {} without echo, found 0", kMaxAnswerTokens);
  if (const auto top = fields.integer("logprobs", 0, 20)) {
    call.logprobs = true;
    call.top_logprobs = *top;
  }
  call.return_token_ids = fields.flag("return_token_ids").value_or(false);
  read_sampling(fields, call);
  call.sampling_as_given = true;
  read_stops(fields, "stop", call);
  read_stream(fields, call);
  (void)fields.integer("n", 1, 1);
  (void)fields.integer("best_of", 1, 1);
  read_user(fields, call);
  call.service_tier = fields.text("service_tier").value_or("");
  call.parse_special = fields.flag("parse_special").value_or(false);
  read_chat_format(fields, call);
  fields.ignore({"thinking", "reasoning_effort"});
  fields.finish();
  return call;
}

}  // namespace fathom::server
