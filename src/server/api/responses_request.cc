// Responses: the request. Source: api.md section 2.3; golden/api/README.md.
#include <algorithm>

#include "base/error.h"
#include "server/api/apply_patch.h"
#include "server/api/common_fields.h"
#include "server/api/json_text.h"
#include "server/api/response_format.h"
#include "server/api/responses_items.h"

namespace fathom::server {
namespace {

void read_function(Fields& tool, const std::string& space, ApiCall& call) {
  ToolInfo info;
  info.local_name = tool.required_text("name");
  info.space = space;
  info.name = joined_name(space, info.local_name);
  info.strict = tool.flag("strict").value_or(false);
  add_tool(call, std::move(info), tool.get("description"), tool.get("parameters"), tool.path(), "parameters");
  tool.accept({"defer_loading", "output_schema", "allowed_callers"});
  tool.finish();
}

void read_custom(Fields& tool, ApiCall& call) {
  ToolInfo info;
  info.name = tool.required_text("name");
  info.custom = true;
  if (auto format = tool.object("format")) {
    if (format->text("type").value_or("text") != "text") call.ignored.add(format->path());
  }
  const JsonValue* description = tool.get("description");
  const JsonValue known_description(std::string{kApplyPatchDescription});
  JsonValue::Object input{{"type", "string"}};
  if (info.name == "apply_patch") {
    input.push_back({"description", std::string(kApplyPatchInput)});
    if (!description) description = &known_description;
  }
  const JsonValue parameters =
      JsonValue::Object{{"type", "object"},
                        {"additionalProperties", false},
                        {"properties", JsonValue::Object{{"input", std::move(input)}}},
                        {"required", JsonValue::Array{"input"}}};
  add_tool(call, std::move(info), description, &parameters, tool.path(), "parameters");
}

void read_namespace(Fields& space, ApiCall& call) {
  const std::string name = space.required_text("name");
  const auto items = space.list("tools", 1024);
  if (!items) refuse(space.path("tools"), "expected a list of functions, found nothing");
  for (const Fields::Item& item : *items) {
    Fields tool(*item.value, item.path, call.ignored);
    const std::string type = tool.required_text("type");
    if (type != "function")
      refuse(tool.path("type"), "expected function within a namespace, found '{}'", printable(type, 64));
    read_function(tool, name, call);
  }
}

void read_tools(Fields& fields, ApiCall& call) {
  const auto items = fields.list("tools", 1024);
  if (!items) return;
  for (const Fields::Item& item : *items) {
    Fields tool(*item.value, item.path, call.ignored);
    const std::string type = tool.required_text("type");
    if (type == "function") {
      read_function(tool, "", call);
    } else if (type == "custom") {
      read_custom(tool, call);
    } else if (type == "namespace") {
      read_namespace(tool, call);
    } else {
      call.ignored.add(item.path);  // coding clients always send some that others run
    }
  }
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
    if (type == "function" || type == "custom") {
      request.tool_choice = ApiRequest::ToolChoice::required;
      request.tool_name = joined_name(choice.text("namespace").value_or(""), choice.required_text("name"));
      (void)tool_index(call, *request.tool_name, "tool_choice.name");
      return;
    }
    if (type != "allowed_tools")
      refuse("tool_choice.type", "expected function, custom or allowed_tools, found '{}'",
             printable(type, 64));
    word = choice.required_text("mode");
    const auto items = choice.list("tools", 1024);
    if (!items || items->empty()) refuse("tool_choice.tools", "expected at least one tool, found none");
    for (ToolInfo& tool : call.tools) tool.callable = false;
    for (const Fields::Item& item : *items) {
      Fields tool(*item.value, item.path, call.ignored);
      call.tools[tool_index(call, tool.required_text("name"), item.path)].callable = true;
    }
  }
  set_tool_choice(call, word, *value);
}

void read_input(Fields& fields, const ResponseContext& context, ApiCall& call) {
  if (auto instructions = fields.text("instructions"))
    call.request.messages.push_back({Role::system, std::move(instructions)});
  const JsonValue* input = fields.get("input");
  std::vector<Fields::Item> items;
  if (context.before) {
    for (const JsonValue& item : *context.before) items.push_back({&item, "previous_response_id"});
  }
  if (!input && call.request.messages.empty() && items.empty())
    refuse("input", "expected a string or a list of items (or instructions), found nothing");
  JsonValue message;
  if (input && input->as_string()) {
    message = JsonValue::Object{{"type", "message"}, {"role", "user"}, {"content", *input->as_string()}};
    items.push_back({&message, "input"});
  } else if (input && input->as_array()) {
    if (input->as_array()->empty() && call.request.messages.empty() && items.empty())
      refuse("input", "expected at least one item, found none");
    for (Fields::Item& item : fields.items("input", 100'000)) items.push_back(std::move(item));
  } else if (input) {
    refuse("input", "expected a string or a list of items, found {}", quoted(*input));
  }
  if (!items.empty()) read_input_items(items, context, call);
}

void read_reasoning(Fields& fields, ApiCall& call) {
  auto reasoning = fields.object("reasoning");
  if (!reasoning) return;
  read_effort(*reasoning, "effort", call);
  if (const auto summary = reasoning->text("summary")) {
    if (*summary != "auto" && *summary != "concise" && *summary != "detailed")
      refuse("reasoning.summary", "expected auto, concise or detailed, found '{}'", printable(*summary, 64));
    call.ignored.add("reasoning.summary");
  }
  reasoning->ignore({"generate_summary", "context", "mode"});
  reasoning->finish();
}

JsonValue or_null(const JsonValue* value) { return value ? *value : JsonValue(); }

// A tool as the object repeats it: all members of a function are there.
JsonValue echoed_tool(const JsonValue& tool) {
  const JsonValue* type = tool.find("type");
  if (!type || !type->as_string() || *type->as_string() != "function") return tool;
  JsonValue::Object out{{"type", "function"}, {"name", or_null(tool.find("name"))}};
  for (const char* key : {"description", "parameters", "strict"})
    out.push_back({key, or_null(tool.find(key))});
  for (const JsonMember& member : *tool.as_object()) {
    if (member.key != "type" && member.key != "name" && member.key != "description" &&
        member.key != "parameters" && member.key != "strict")
      out.push_back(member);
  }
  return out;
}

void note_settings(Fields& fields, const JsonValue& body, ApiCall& call) {
  const auto given = [&](const char* key, const JsonValue& otherwise = {}) {
    const JsonValue* value = body.find(key);
    return value && !value->is_null() ? *value : otherwise;
  };
  JsonValue::Array tools;
  const JsonValue listed = given("tools");
  if (const auto* items = listed.as_array()) {
    for (const JsonValue& tool : *items) tools.push_back(echoed_tool(tool));
  }
  JsonValue::Object text{{"format", JsonValue::Object{{"type", "text"}}}, {"verbosity", JsonValue()}};
  const JsonValue asked_text = given("text");
  for (JsonMember& member : text) {
    const JsonValue* value = asked_text.find(member.key);
    if (value && !value->is_null()) member.value = *value;
  }
  const JsonValue asked_reasoning = given("reasoning");
  const JsonValue reasoning =
      JsonValue::Object{{"effort", or_null(asked_reasoning.find("effort"))}, {"summary", JsonValue()}};
  const auto number = [&](const char* key, double otherwise) {
    const auto value = fields.number(key, -1e300, 1e300);
    return JsonValue(value.value_or(otherwise));
  };
  call.settings = {{"frequency_penalty", number("frequency_penalty", 0)},
                   {"instructions", given("instructions")},
                   {"max_output_tokens", given("max_output_tokens")},
                   {"max_tool_calls", given("max_tool_calls")},
                   {"metadata", given("metadata", JsonValue::Object{})},
                   {"parallel_tool_calls", given("parallel_tool_calls", true)},
                   {"presence_penalty", number("presence_penalty", 0)},
                   {"previous_response_id", given("previous_response_id")},
                   {"prompt_cache_key", given("prompt_cache_key")},
                   {"reasoning", reasoning},
                   {"safety_identifier", given("safety_identifier")},
                   {"temperature", number("temperature", 1)},
                   {"text", text},
                   {"tool_choice", given("tool_choice", "auto")},
                   {"tools", std::move(tools)},
                   {"top_logprobs", given("top_logprobs", json_integer(0))},
                   {"top_p", number("top_p", 1)},
                   {"truncation", "disabled"},
                   {"user", given("user")}};
}

void read_metadata(Fields& fields) {
  auto metadata = fields.object("metadata");
  if (!metadata) return;
  const JsonValue::Object& pairs = *fields.get("metadata")->as_object();
  if (pairs.size() > 16) refuse("metadata", "expected at most 16 pairs, found {}", pairs.size());
  for (const JsonMember& pair : pairs) {
    const std::string where = metadata->path(printable(pair.key, 64));
    if (pair.key.size() > 64) refuse(where, "expected a key of at most 64 bytes, found {}", pair.key.size());
    if (!pair.value.as_string() || pair.value.as_string()->size() > 512)
      refuse(where, "expected a string of at most 512 bytes, found {}", quoted(pair.value));
  }
}

}  // namespace

ApiCall read_responses(const JsonValue& body, const ResponseContext& context) {
  ApiCall call;
  call.dialect = Dialect::responses;
  Fields fields(body, "", call.ignored);
  call.model = fields.required_text("model");
  if (call.model.empty()) refuse("model", "expected a name, found an empty one");
  for (const char* key : {"conversation", "prompt", "moderation"})
    fields.reject(key, "expected none, found some: it is not offered");
  if (fields.flag("background").value_or(false))
    refuse("background", "expected false, found true: answers are given at once");
  if (const auto previous = fields.text("previous_response_id"); previous && !context.before) {
    throw ApiError(
        400, "previous_response_not_found",
        "previous_response_id: expected a stored response, found '" + printable(*previous, 64) + "'",
        "previous_response_id");
  }
  const std::optional<bool> store = fields.flag("store");
  call.store = context.keeps && store.value_or(true);
  read_input(fields, context, call);
  read_reasoning(fields, call);
  read_sampling(fields, call);
  call.max_tokens = fields.integer("max_output_tokens", 1, kMaxAnswerTokens);
  if (const auto top = fields.integer("top_logprobs", 0, 20)) {
    call.logprobs = *top > 0;
    call.top_logprobs = *top;
  }
  read_stops(fields, "stop", call);
  call.stream = fields.flag("stream").value_or(false);
  read_tools(fields, call);
  read_tool_choice(fields, call);
  call.single_call = !fields.flag("parallel_tool_calls").value_or(true);
  if (auto text = fields.object("text")) {
    if (auto format = text->object("format")) read_flat_format(*format, call);
    text->ignore({"verbosity"});
    text->finish();
  }
  if (const auto include = fields.list("include", 64)) {
    for (const Fields::Item& item : *include) {
      if (!item.value->as_string()) refuse(item.path, "expected a string, found {}", quoted(*item.value));
      if (*item.value->as_string() == "message.output_text.logprobs") call.logprobs = true;
    }
  }
  read_metadata(fields);
  read_user(fields, call);
  call.service_tier = fields.text("service_tier").value_or("");
  // Without a store nothing is kept, and the object says so.
  if (store.value_or(false) && !context.keeps) call.ignored.add("store");
  note_settings(fields, body, call);
  fields.ignore({"truncation", "max_tool_calls", "context_management", "prompt_cache_key",
                 "prompt_cache_options", "prompt_cache_retention", "safety_identifier", "access_programs",
                 "background_options", "image", "stream_options"});
  fields.finish();
  return call;
}

}  // namespace fathom::server
