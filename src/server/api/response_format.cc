#include "server/api/response_format.h"

#include "base/error.h"
#include "server/api/common_fields.h"

namespace fathom::server {
namespace {

void take_schema(Fields& holder, ApiCall& call) {
  const JsonValue* schema = holder.get("schema");
  if (!schema) refuse(holder.path("schema"), "expected a JSON schema, found nothing");
  check_schema(*schema, holder.path("schema"));
  holder.accept({"name", "description"});
  const bool strict = holder.flag("strict").value_or(false);
  call.request.format = ApiRequest::Format::json_schema;
  // The prompt has the schema as given; strict completes only what the answer is held to.
  call.strict_schema = strict;
  if (strict) (void)strict_schema(*schema, holder.path("schema"));
  call.request.schema = *schema;
}

void take_type(Fields& format, const std::string& type, ApiCall& call) {
  if (type == "regex" || type == "grammar") {
    (type == "regex" ? call.regex : call.grammar) = format.required_text(type);
    if (type == "grammar" && format.text("syntax").value_or("gbnf") != "gbnf")
      refuse(format.path("syntax"), "expected gbnf, found another");
  } else if (type == "json_object") {
    call.request.format = ApiRequest::Format::json_object;
    call.json_object = true;
  } else if (type != "text") {
    refuse(format.path("type"), "expected text, json_object, json_schema, regex or grammar, found '{}'",
           printable(type, 64));
  }
}

}  // namespace

void read_chat_format(Fields& fields, ApiCall& call) {
  auto format = fields.object("response_format");
  if (!format) return;
  const std::string type = format->required_text("type");
  if (type == "json_schema") {
    auto holder = format->object("json_schema");
    if (!holder) refuse(format->path("json_schema"), "expected an object, found nothing");
    take_schema(*holder, call);
    holder->finish();
  } else {
    take_type(*format, type, call);
  }
  format->finish();
}

void read_flat_format(Fields& format, ApiCall& call) {
  const std::string type = format.required_text("type");
  if (type == "json_schema") {
    take_schema(format, call);
  } else {
    take_type(format, type, call);
  }
  format.finish();
}

}  // namespace fathom::server
