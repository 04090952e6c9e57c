#include "server/api/responses_items.h"

#include <deque>
#include <set>

#include "base/error.h"
#include "server/api/common_fields.h"

namespace fathom::server {

std::string joined_name(const std::string& space, const std::string& name) {
  if (space.empty()) return name;
  return space.ends_with("__") || name.starts_with("__") ? space + name : space + "__" + name;
}

namespace {

class ItemReader {
 public:
  ItemReader(const ResponseContext& context, ApiCall& call) : context_(context), call_(call) {}

  void read(const Fields::Item& item) {
    Fields fields(*item.value, item.path, call_.ignored);
    std::string type = fields.text("type").value_or("");
    if (type.empty()) {
      if (!fields.has("role")) refuse(item.path, "expected a type or a role, found neither");
      type = "message";
    }
    if (type == "message") {
      message(fields);
    } else if (type == "reasoning") {
      reasoning(fields);
    } else if (type == "function_call" || type == "custom_tool_call") {
      tool_call(fields, type == "custom_tool_call");
    } else if (type == "function_call_output" || type == "custom_tool_call_output") {
      output(fields);
    } else if (type == "item_reference") {
      const JsonValue* id = fields.get("id");
      const auto found =
          context_.item && id && id->as_string() ? context_.item(*id->as_string()) : std::nullopt;
      if (found) {  // what is stored refers to nothing
        referred_.push_back(*found);
        return read({&referred_.back(), item.path});
      }
      refuse(fields.path("id"), "expected the id of a stored item, found {}", quoted(id ? *id : JsonValue()));
    } else {
      call_.ignored.add(item.path);
      return;
    }
    if (call_.store) call_.input_items.push_back(*item.value);
    fields.accept({"id", "status", "type", "phase"});
    fields.finish();
  }

  void check() { check_all_results(); }

 private:
  std::vector<ChatMessage>& messages() { return call_.request.messages; }

  std::string content(Fields& fields, std::string_view key) {
    const JsonValue* value = fields.get(key);
    if (value && value->as_string()) return *value->as_string();
    if (!value || !value->as_array())
      refuse(fields.path(key), "expected a string or a list of parts, found {}",
             value ? quoted(*value) : "nothing");
    std::string text;
    bool first = true;
    for (const Fields::Item& item : fields.items(key, SIZE_MAX)) {
      Fields part(*item.value, item.path, call_.ignored);
      const std::string type = part.required_text("type");
      if (!std::exchange(first, false)) text += "\n\n";
      if (type == "input_text" || type == "output_text") {
        text += part.required_text("text");
      } else if (type == "refusal") {
        text += part.required_text("refusal");
      } else if (type == "input_image" || type == "input_file") {
        call_.ignored.add(item.path);
        text += type == "input_image" ? "[Unsupported Image]" : "[Unsupported Document]";
      } else {
        refuse(part.path("type"),
               "expected input_text, output_text, refusal, input_image or input_file, found '{}'",
               printable(type, 64));
      }
    }
    return text;
  }

  // The assistant turn that is being put together.
  ChatMessage& turn(const std::string& path) {
    if (!open_) {
      messages().emplace_back();
      messages().back().role = Role::assistant;
      paths_.resize(messages().size(), path);
      open_ = true;
    }
    return messages().back();
  }

  void message(Fields& fields) {
    const std::string role = fields.required_text("role");
    if (role == "assistant") {
      const std::string text = content(fields, "content");
      if (open_ && !messages().back().tool_calls.empty()) open_ = false;
      ChatMessage& into = turn(fields.path());
      into.content = into.content ? *into.content + "\n\n" + text : text;
      return;
    }
    ChatMessage read;
    if (role == "system") {
      read.role = Role::system;
    } else if (role != "user" && role != "developer") {
      refuse(fields.path("role"), "expected user, assistant, system or developer, found '{}'",
             printable(role, 64));
    }
    read.content = content(fields, "content");
    open_ = false;
    messages().push_back(std::move(read));
    paths_.resize(messages().size(), fields.path());
  }

  void reasoning(Fields& fields) {
    std::string text;
    bool first = true;
    if (const auto parts = fields.list("content", SIZE_MAX)) {
      for (const Fields::Item& item : *parts) {
        Fields part(*item.value, item.path, call_.ignored);
        if (!std::exchange(first, false)) text += "\n";
        text += part.required_text("text");
      }
    }
    fields.accept({"summary", "encrypted_content"});
    if (open_ && (messages().back().content || !messages().back().tool_calls.empty())) open_ = false;
    const bool more = open_;
    std::string& into = turn(fields.path()).reasoning_content;
    into += (more && !into.empty() && !text.empty() ? "\n" : "") + text;
  }

  void tool_call(Fields& fields, bool custom) {
    ToolCall read;
    read.id = fields.required_text("call_id");
    read.name = joined_name(fields.text("namespace").value_or(""), fields.required_text("name"));
    if (custom) {
      read.arguments =
          dump_json(JsonValue::Object{{"input", fields.required_text("input")}}, JsonDialect::serde);
    } else {
      read.arguments = fields.required_text("arguments");
    }
    if (!ids_.insert(read.id).second)
      refuse(fields.path("call_id"), "expected each id once, found '{}' again", printable(read.id, 64));
    turn(fields.path()).tool_calls.push_back(std::move(read));
  }

  void output(Fields& fields) {
    ChatMessage read;
    read.role = Role::tool;
    read.tool_call_id = fields.required_text("call_id");
    read.content = content(fields, "output");
    open_ = false;
    messages().push_back(std::move(read));
    paths_.resize(messages().size(), fields.path());
  }

  void check_all_results() {
    paths_.resize(messages().size());
    check_results(messages(), paths_, "call_id");
  }

  const ResponseContext& context_;
  ApiCall& call_;
  std::deque<JsonValue> referred_;
  std::vector<std::string> paths_;
  std::set<std::string> ids_;
  bool open_ = false;
};

}  // namespace

void read_input_items(const std::vector<Fields::Item>& items, const ResponseContext& context, ApiCall& call) {
  ItemReader reader(context, call);
  for (const Fields::Item& item : items) reader.read(item);
  reader.check();
}

}  // namespace fathom::server
