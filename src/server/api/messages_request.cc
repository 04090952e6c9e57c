// Messages (Anthropic's dialect): the request. Source: api.md section 2.4; golden/api/README.md.
#include <algorithm>

#include "base/error.h"
#include "server/api/common_fields.h"
#include "server/api/response_format.h"

namespace fathom::server {
namespace {

constexpr size_t kMaxMessages = 100'000;

void append_paragraph(std::string& text, bool& first, const std::string& more) {
  if (!std::exchange(first, false)) text += "\n\n";
  text += more;
}

std::string read_document(Fields& block) {
  auto source = block.object("source");
  if (!source) refuse(block.path("source"), "expected an object, found nothing");
  const std::string type = source->text("type").value_or("");
  block.accept({"title", "context", "citations", "cache_control"});
  source->accept({"media_type", "data", "url", "file_id", "content"});
  if (type == "text") return source->required_text("data");
  const std::string media = source->text("media_type").value_or("");
  return media.empty() ? "[Unsupported Document]" : "[Unsupported document type: " + media + "]";
}

// The text of a block that may stand in a user turn or in a result; nothing if it is of another kind.
std::optional<std::string> read_visible(Fields& block, const std::string& type) {
  if (type == "text") {
    block.accept({"cache_control", "citations"});
    return block.required_text("text");
  }
  if (type == "image") {
    block.ignored().add(block.path());
    return "[Unsupported Image]";
  }
  if (type == "document") return read_document(block);
  return std::nullopt;
}

bool is_server_block(const std::string& type) {
  return type == "server_tool_use" || type == "container_upload" || type == "tool_addition" ||
         (type.ends_with("_tool_result") && type != "tool_result");
}

ChatMessage read_result(Fields& block) {
  ChatMessage result;
  result.role = Role::tool;
  result.tool_call_id = block.required_text("tool_use_id");
  result.content = "";
  block.accept({"is_error", "cache_control"});
  const JsonValue* content = block.get("content");
  if (!content) return result;
  if (content->as_string()) {
    result.content = *content->as_string();
    return result;
  }
  if (!content->as_array())
    refuse(block.path("content"), "expected a string or a list of blocks, found {}", quoted(*content));
  bool first = true;
  for (const Fields::Item& item : block.items("content", SIZE_MAX)) {
    Fields part(*item.value, item.path, block.ignored());
    const std::string type = part.required_text("type");
    if (type == "tool_reference") {
      append_paragraph(*result.content, first, part.required_text("tool_name"));
    } else if (const auto text = read_visible(part, type)) {
      append_paragraph(*result.content, first, *text);
    } else if (is_server_block(type)) {
      block.ignored().add(item.path);
    } else {
      refuse(part.path("type"), "expected text, image or document, found '{}'", printable(type, 64));
    }
  }
  return result;
}

// Results come first, as tool messages; the rest is one user message.
void read_user_blocks(Fields& message, ApiCall& call, std::vector<std::string>& paths) {
  ChatMessage user;
  user.content = "";
  bool first = true;
  const bool before_is_result =
      !call.request.messages.empty() && call.request.messages.back().role == Role::tool;
  for (const Fields::Item& item : message.items("content", SIZE_MAX)) {
    Fields block(*item.value, item.path, call.ignored);
    const std::string type = block.required_text("type");
    if (type == "tool_result") {
      if (!first) refuse(item.path, "expected results before other blocks, found one after");
      if (before_is_result)
        refuse(block.path("tool_use_id"),
               "expected all results of a turn in one message, found more in the next");
      call.request.messages.push_back(read_result(block));
      paths.push_back(item.path);
    } else if (const auto text = read_visible(block, type)) {
      append_paragraph(*user.content, first, *text);
    } else if (is_server_block(type)) {
      call.ignored.add(item.path);
    } else {
      refuse(block.path("type"), "expected text, image, document or tool_result, found '{}'",
             printable(type, 64));
    }
  }
  if (first) return;
  call.request.messages.push_back(std::move(user));
  paths.push_back(message.path());
}

ToolCall read_tool_use(Fields& block) {
  ToolCall use;
  use.id = block.required_text("id");
  use.name = block.required_text("name");
  const JsonValue* input = block.get_raw("input");
  if (!input) refuse(block.path("input"), "expected a JSON value, found nothing");
  use.arguments = dump_json(*input, JsonDialect::serde);
  block.accept({"cache_control", "caller"});
  return use;
}

void read_assistant_blocks(Fields& message, ApiCall& call, std::vector<std::string>& paths) {
  ChatMessage turn;
  turn.role = Role::assistant;
  turn.content = "";
  bool first = true, first_thought = true, after_use = false;
  for (const Fields::Item& item : message.items("content", SIZE_MAX)) {
    Fields block(*item.value, item.path, call.ignored);
    const std::string type = block.required_text("type");
    if (type == "thinking") {
      append_paragraph(turn.reasoning_content, first_thought, block.required_text("thinking"));
      block.accept({"signature", "cache_control"});
    } else if (type == "tool_use") {
      ToolCall use = read_tool_use(block);
      for (const ToolCall& other : turn.tool_calls) {
        if (other.id == use.id)
          refuse(block.path("id"), "expected each id once in a turn, found '{}' again",
                 printable(use.id, 64));
      }
      turn.tool_calls.push_back(std::move(use));
      after_use = true;
    } else if (type == "redacted_thinking" || is_server_block(type)) {
      call.ignored.add(item.path);
    } else if (const auto text = read_visible(block, type)) {
      if (after_use)
        refuse(item.path, "expected tool_use blocks last, found {} after one", printable(type, 64));
      append_paragraph(*turn.content, first, *text);
    } else {
      refuse(block.path("type"), "expected text, thinking or tool_use, found '{}'", printable(type, 64));
    }
  }
  call.request.messages.push_back(std::move(turn));
  paths.push_back(message.path());
}

void read_message(const Fields::Item& item, ApiCall& call, std::vector<std::string>& paths) {
  Fields message(*item.value, item.path, call.ignored);
  const std::string role = message.required_text("role");
  if (role != "user" && role != "assistant" && role != "system")
    refuse(message.path("role"), "expected user, assistant or system, found '{}'", printable(role, 64));
  const JsonValue* content = message.get("content");
  if (!content || !(content->as_string() || content->as_array()))
    refuse(message.path("content"), "expected a string or a list of blocks, found {}",
           content ? quoted(*content) : "nothing");
  if (content->as_array() && content->as_array()->empty())
    refuse(message.path("content"), "expected at least one block, found none");
  const size_t before = call.request.messages.size();
  if (content->as_string()) {
    ChatMessage read;
    read.role = role == "assistant" ? Role::assistant : Role::user;
    read.content = *content->as_string();
    call.request.messages.push_back(std::move(read));
    paths.push_back(item.path);
  } else if (role == "assistant") {
    read_assistant_blocks(message, call, paths);
  } else {
    read_user_blocks(message, call, paths);
  }
  if (role == "system") {
    for (size_t i = before; i < call.request.messages.size(); ++i) {
      const std::string text = call.request.messages[i].content.value_or("");
      call.request.messages[i].content = fmt::format("<system-reminder>\n{}\n</system-reminder>", text);
    }
  }
  message.finish();
}

void read_system(Fields& fields, ApiCall& call) {
  const JsonValue* system = fields.get("system");
  if (!system) return;
  ChatMessage message;
  message.role = Role::system;
  message.content = "";
  if (system->as_string()) {
    message.content = *system->as_string();
  } else if (system->as_array()) {
    bool first = true;
    for (const Fields::Item& item : fields.items("system", SIZE_MAX)) {
      Fields block(*item.value, item.path, call.ignored);
      const std::string type = block.required_text("type");
      if (type != "text") refuse(block.path("type"), "expected text, found '{}'", printable(type, 64));
      const std::string text = block.required_text("text");
      if (text.starts_with("x-anthropic-billing-header")) continue;
      append_paragraph(*message.content, first, text);
    }
  } else {
    refuse("system", "expected a string or a list of blocks, found {}", quoted(*system));
  }
  call.request.messages.push_back(std::move(message));
}

void read_tools(Fields& fields, ApiCall& call) {
  const auto items = fields.list("tools", 1024);
  if (!items) return;
  for (const Fields::Item& item : *items) {
    Fields tool(*item.value, item.path, call.ignored);
    const std::string type = tool.text("type").value_or("custom");
    if (type != "custom")
      refuse(tool.path("type"), "expected custom, found '{}': server tools are not offered",
             printable(type, 64));
    ToolInfo info;
    info.name = tool.required_text("name");
    info.strict = tool.flag("strict").value_or(false);
    const JsonValue* schema = tool.get("input_schema");
    if (!schema) refuse(tool.path("input_schema"), "expected a JSON schema, found nothing");
    add_tool(call, std::move(info), tool.get("description"), schema, tool.path(), "input_schema");
    tool.accept(
        {"cache_control", "input_examples", "eager_input_streaming", "allowed_callers", "defer_loading"});
    tool.finish();
  }
}

void read_tool_choice(Fields& fields, ApiCall& call) {
  auto choice = fields.object("tool_choice");
  if (!choice) return;
  ApiRequest& request = call.request;
  const std::string type = choice->required_text("type");
  call.single_call = choice->flag("disable_parallel_tool_use").value_or(false);
  if (type == "any" || type == "tool") {
    request.tool_choice = ApiRequest::ToolChoice::required;
    if (call.tools.empty()) refuse("tool_choice", "expected tools for a forced call, found none");
    if (type == "tool") {
      request.tool_name = choice->required_text("name");
      (void)tool_index(call, *request.tool_name, "tool_choice.name");
    }
  } else if (type == "none") {
    request.tool_choice = ApiRequest::ToolChoice::none;
  } else if (type != "auto") {
    refuse("tool_choice.type", "expected auto, any, tool or none, found '{}'", printable(type, 64));
  }
  choice->finish();
}

void read_output_config(Fields& fields, ApiCall& call) {
  if (auto config = fields.object("output_config")) {
    read_effort(*config, "effort", call);
    if (auto format = config->object("format")) read_flat_format(*format, call);
    config->ignore({"task_budget"});
    config->finish();
  }
  if (auto format = fields.object("output_format")) read_flat_format(*format, call);
}

}  // namespace

ApiCall read_messages_request(const JsonValue& body, bool counting) {
  ApiCall call;
  call.dialect = Dialect::messages;
  Fields fields(body, "", call.ignored);
  call.model = fields.required_text("model");
  if (call.model.empty()) refuse("model", "expected a name, found an empty one");
  read_system(fields, call);
  const auto items = fields.list("messages", kMaxMessages);
  if (!items || items->empty()) refuse("messages", "expected at least one message, found none");
  std::vector<std::string> paths(call.request.messages.size());
  for (const Fields::Item& item : *items) read_message(item, call, paths);
  check_results(call.request.messages, paths, "tool_use_id");
  ChatMessage& last = call.request.messages.back();
  if (last.role == Role::assistant) last.prefix = true;

  if (!counting) {
    if (const auto most = fields.integer("max_tokens", 0, INT64_MAX))
      call.max_tokens = std::min(*most, kMaxAnswerTokens);
  }
  read_thinking(fields, call);
  read_output_config(fields, call);
  read_sampling(fields, call);
  read_stops(fields, "stop_sequences", call);
  read_stream(fields, call);
  read_tools(fields, call);
  read_tool_choice(fields, call);
  if (auto metadata = fields.object("metadata")) {
    if (const auto user = metadata->text("user_id")) {
      if (user->size() > 512)
        refuse("metadata.user_id", "expected at most 512 bytes, found {}", user->size());
      call.user = *user;
    }
    metadata->finish();
  }
  if (const auto tier = fields.text("service_tier")) {
    if (*tier != "auto" && *tier != "standard_only")
      refuse("service_tier", "expected auto or standard_only, found '{}'", printable(*tier, 64));
  }
  if (const auto servers = fields.list("mcp_servers", 1024); servers && !servers->empty())
    refuse("mcp_servers", "expected none, found {}: there is no access to other servers", servers->size());
  fields.accept({"cache_control"});
  fields.ignore(
      {"container", "context_management", "diagnostics", "inference_geo", "speed", "user_profile_id"});
  fields.finish();
  return call;
}

}  // namespace fathom::server
