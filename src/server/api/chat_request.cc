// Chat Completions: the request. Source: api.md section 2.1.
#include <algorithm>

#include "base/error.h"
#include "server/api/common_fields.h"
#include "server/api/response_format.h"

namespace fathom::server {
namespace {

constexpr size_t kMaxMessages = 100'000, kMaxTools = 1024;

Role read_role(Fields& message) {
  const JsonValue* value = message.get("role");
  const std::string* word = value ? value->as_string() : nullptr;
  for (const Role role :
       {Role::system, Role::developer, Role::user, Role::assistant, Role::tool, Role::latest_reminder}) {
    if (word && *word == name(role)) return role;
  }
  refuse(message.path("role"),
         "expected system, developer, user, assistant, tool or latest_reminder, found {}",
         value ? quoted(*value) : "nothing");
}

std::string read_part(const Fields::Item& item, Role role, IgnoredFields& ignored) {
  Fields part(*item.value, item.path, ignored);
  const std::string type = part.required_text("type");
  std::string text;
  if (type == "text") {
    text = part.required_text("text");
  } else if (type == "refusal" && role == Role::assistant) {
    text = part.required_text("refusal");
  } else if (type == "image_url" || type == "file") {
    if (type == "image_url") {
      auto image = part.object("image_url");
      if (!image) refuse(part.path("image_url"), "expected an object, found nothing");
    }
    ignored.add(item.path);
    return "[Unsupported Image]";
  } else {
    refuse(part.path("type"), "expected text, image_url, file or an assistant's refusal, found '{}'",
           printable(type, 64));
  }
  part.finish();
  return text;
}

std::optional<std::string> read_content(Fields& message, Role role) {
  const JsonValue* content = message.get("content");
  if (!content) {
    if (role == Role::assistant) return std::nullopt;
    refuse(message.path("content"), "expected a string or a list of parts, found {}",
           message.get_raw("content") ? "null" : "nothing");
  }
  if (content->as_string()) return *content->as_string();
  if (!content->as_array())
    refuse(message.path("content"), "expected a string or a list of parts, found {}", quoted(*content));
  std::string text;
  bool first = true;
  for (const Fields::Item& item : message.items("content", SIZE_MAX)) {
    if (!std::exchange(first, false)) text += "\n\n";
    text += read_part(item, role, message.ignored());
  }
  return text;
}

std::vector<ToolCall> read_calls(Fields& message) {
  std::vector<ToolCall> calls;
  const auto items = message.list("tool_calls", SIZE_MAX);
  if (!items) return calls;
  if (items->empty()) refuse(message.path("tool_calls"), "expected at least one call, found none");
  for (const Fields::Item& item : *items) {
    Fields call(*item.value, item.path, message.ignored());
    ToolCall read;
    read.id = call.required_text("id");
    const std::string type = call.required_text("type");
    if (type != "function") refuse(call.path("type"), "expected function, found '{}'", printable(type, 64));
    auto function = call.object("function");
    if (!function) refuse(call.path("function"), "expected an object, found nothing");
    read.name = function->required_text("name");
    read.arguments = function->required_text("arguments");
    for (const ToolCall& other : calls) {
      if (other.id == read.id)
        refuse(call.path("id"), "expected each id once in a turn, found '{}' again", printable(read.id, 64));
    }
    function->finish();
    call.accept({"index"});
    call.finish();
    calls.push_back(std::move(read));
  }
  return calls;
}

ChatMessage read_message(const Fields::Item& item, bool last, IgnoredFields& ignored) {
  Fields fields(*item.value, item.path, ignored);
  ChatMessage message;
  message.role = read_role(fields);
  message.content = read_content(fields, message.role);
  if (message.role == Role::assistant) {
    message.reasoning_content = fields.text("reasoning_content").value_or("");
    message.tool_calls = read_calls(fields);
    message.prefix = fields.flag("prefix").value_or(false);
    if (!message.content && message.tool_calls.empty())
      refuse(fields.path(), "expected content or tool_calls, found neither");
    fields.reject("audio", "expected no audio, found some");
    fields.reject("function_call", "expected tool_calls in its place, found function_call");
  } else if (message.role == Role::tool) {
    message.tool_call_id = fields.required_text("tool_call_id");
  }
  if (message.role != Role::assistant && fields.flag("prefix").value_or(false))
    refuse(fields.path("prefix"), "expected it on an assistant message, found it on {}", name(message.role));
  if (message.prefix && !last)
    refuse(fields.path("prefix"), "expected it on the last message, found it before");
  fields.accept({"name", "refusal", "annotations"});
  fields.finish();
  return message;
}

void read_tools(Fields& fields, ApiCall& call) {
  const auto items = fields.list("tools", kMaxTools);
  if (!items) return;
  for (const Fields::Item& item : *items) {
    Fields tool(*item.value, item.path, call.ignored);
    const std::string type = tool.required_text("type");
    if (type != "function") refuse(tool.path("type"), "expected function, found '{}'", printable(type, 64));
    auto function = tool.object("function");
    if (!function) refuse(tool.path("function"), "expected an object, found nothing");
    ToolInfo info;
    info.name = function->required_text("name");
    info.strict = function->flag("strict").value_or(false);
    add_tool(call, std::move(info), function->get("description"), function->get("parameters"),
             function->path(), "parameters");
    function->finish();
    tool.finish();
  }
}

// {type: "function", function: {name}}
std::string read_function_name(Fields& holder) {
  auto function = holder.object("function");
  if (!function) refuse(holder.path("function"), "expected an object, found nothing");
  return function->required_text("name");
}

void read_tool_choice(Fields& fields, ApiCall& call) {
  const JsonValue* value = fields.get("tool_choice");
  if (!value) return;
  ApiRequest& request = call.request;
  std::string word;
  if (value->as_string()) {
    word = *value->as_string();
  } else if (value->as_object()) {
    Fields choice(*value, "tool_choice", call.ignored);
    const std::string type = choice.required_text("type");
    if (type == "function") {
      request.tool_choice = ApiRequest::ToolChoice::required;
      request.tool_name = read_function_name(choice);
      (void)tool_index(call, *request.tool_name, "tool_choice.function.name");
      return;
    }
    if (type != "allowed_tools")
      refuse("tool_choice.type", "expected function or allowed_tools, found '{}'", printable(type, 64));
    auto allowed = choice.object("allowed_tools");
    if (!allowed) refuse(choice.path("allowed_tools"), "expected an object, found nothing");
    word = allowed->required_text("mode");
    if (word == "none") word = "?";
    for (ToolInfo& tool : call.tools) tool.callable = false;
    const auto items = allowed->list("tools", kMaxTools);
    if (!items || items->empty()) refuse(allowed->path("tools"), "expected at least one tool, found none");
    for (const Fields::Item& item : *items) {
      Fields tool(*item.value, item.path, call.ignored);
      call.tools[tool_index(call, read_function_name(tool), item.path)].callable = true;
    }
  }
  set_tool_choice(call, word, *value);
}

void read_messages(Fields& fields, ApiCall& call) {
  const auto items = fields.list("messages", kMaxMessages);
  if (!items || items->empty()) refuse("messages", "expected at least one message, found none");
  std::vector<std::string> paths;
  for (const Fields::Item& item : *items) {
    call.request.messages.push_back(read_message(item, &item == &items->back(), call.ignored));
    paths.push_back(item.path);
  }
  check_results(call.request.messages, paths, "tool_call_id");
}

void check_prefix(const ApiCall& call) {
  const ChatMessage& last = call.request.messages.back();
  if (!last.prefix) return;
  const std::string path = fmt::format("messages[{}].prefix", call.request.messages.size() - 1);
  if (!call.request.tools.empty()) refuse(path, "expected no tools beside it, found some");
  if (!last.tool_calls.empty()) refuse(path, "expected no tool_calls beside it, found some");
}

}  // namespace

ApiCall read_chat(const JsonValue& body) {
  ApiCall call;
  call.dialect = Dialect::chat;
  Fields fields(body, "", call.ignored);
  call.model = fields.required_text("model");
  if (call.model.empty()) refuse("model", "expected a name, found an empty one");
  read_messages(fields, call);
  read_thinking(fields, call);
  read_effort(fields, "reasoning_effort", call);
  read_sampling(fields, call);
  call.max_tokens = fields.integer("max_tokens", 1, kMaxAnswerTokens);
  if (const auto other = fields.integer("max_completion_tokens", 1, kMaxAnswerTokens))
    call.max_tokens = std::min(*other, call.max_tokens.value_or(*other));
  read_stops(fields, "stop", call);
  read_stream(fields, call);
  read_tools(fields, call);
  read_tool_choice(fields, call);
  call.single_call = !fields.flag("parallel_tool_calls").value_or(true);
  read_chat_format(fields, call);
  call.logprobs = fields.flag("logprobs").value_or(false);
  if (const auto top = fields.integer("top_logprobs", 0, 20)) {
    if (!call.logprobs) refuse("top_logprobs", "expected logprobs: true beside it, found none");
    call.top_logprobs = *top;
  }
  call.return_token_ids = fields.flag("return_token_ids").value_or(false);
  (void)fields.integer("n", 1, 1);
  read_user(fields, call);
  call.service_tier = fields.text("service_tier").value_or("");
  if (const auto modalities = fields.list("modalities", 16)) {
    for (const Fields::Item& item : *modalities) {
      if (!item.value->as_string() || *item.value->as_string() != "text")
        refuse("modalities", "expected [\"text\"], found {}", quoted(*item.value));
    }
  }
  check_prefix(call);
  fields.reject("functions", "expected tools in its place, found functions");
  fields.reject("function_call", "expected tool_choice in its place, found function_call");
  fields.reject("audio", "expected a text request, found audio");
  fields.reject("web_search_options", "expected none, found some: there is no web search");
  fields.reject("moderation", "expected none, found some: there is no moderation");
  fields.ignore({"metadata", "store", "prompt_cache_key", "prompt_cache_options", "prompt_cache_retention",
                 "safety_identifier", "verbosity", "prediction"});
  fields.finish();
  return call;
}

}  // namespace fathom::server
