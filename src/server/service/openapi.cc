#include "server/service/openapi.h"

#include <fmt/core.h>

#include <algorithm>
#include <functional>
#include <map>

#include "base/error.h"
#include "server/service/routes.h"

namespace fathom::server {
namespace {

using Object = JsonValue::Object;
using Array = JsonValue::Array;

struct Query {
  std::string_view name, type;  // type: "string", "integer", or words divided by '|'
};

struct Operation {
  std::string_view summary;
  std::string_view request;  // names of schemas; empty: none
  std::string_view answer;
  std::string_view content_type = "application/json";
  bool streams = false;  // with stream: true
  std::vector<Query> query = {};
};

const std::vector<Query> kAs = {{"as", "chat|responses|messages"}};

Operation operation_of(Route route, std::string_view method) {
  switch (route) {
    case Route::chat:
      return {.summary = "An answer to a conversation",
              .request = "ChatRequest",
              .answer = "ChatCompletion",
              .streams = true};
    case Route::completions:
      return {.summary = "A text that goes on, or fills the gap before `suffix`",
              .request = "CompletionRequest",
              .answer = "Completion",
              .streams = true};
    case Route::responses:
      return {.summary = "A response", .request = "ResponseRequest", .answer = "Response", .streams = true};
    case Route::response:
      if (method == "delete")
        return {.summary = "Forgets a stored response", .request = "", .answer = "DeletedResponse"};
      return {.summary = "A stored response", .request = "", .answer = "Response"};
    case Route::response_items:
      return {.summary = "The input of a stored response",
              .request = "",
              .answer = "ItemList",
              .query = {{"limit", "integer"}, {"order", "asc|desc"}, {"after", "string"}}};
    case Route::response_cancel:
      return {.summary = "Always refused: no response runs in the background",
              .request = "",
              .answer = "Response"};
    case Route::input_tokens:
      return {
          .summary = "Tokens of a response's prompt", .request = "ResponseRequest", .answer = "InputTokens"};
    case Route::messages:
      return {.summary = "A message", .request = "MessagesRequest", .answer = "Message", .streams = true};
    case Route::count_tokens:
      return {
          .summary = "Tokens of a message's prompt", .request = "MessagesRequest", .answer = "InputTokens"};
    case Route::models:
      return {.summary = "The models", .request = "", .answer = "ModelList"};
    case Route::model:
      return {.summary = "A model", .request = "", .answer = "ModelObject"};
    case Route::tokenize:
      return {.summary = "A text or a request as tokens",
              .request = "TokenizeRequest",
              .answer = "Tokens",
              .query = kAs};
    case Route::detokenize:
      return {.summary = "Tokens as a text", .request = "DetokenizeRequest", .answer = "DetokenizedText"};
    case Route::apply_template:
      return {
          .summary = "The prompt of a request", .request = "PromptRequest", .answer = "Prompt", .query = kAs};
    case Route::inside:
      return {.summary = "What the model does with a token of a conversation; without `position`, its tokens",
              .request = "InsideRequest",
              .answer = "Inside",
              .query = {{"as", "chat|completions|responses|messages"}}};
    case Route::plan_request:
      if (method == "get") {
        return {.summary = "What a model takes at a context",
                .request = "",
                .answer = "PlanTable",
                .query = {{"model", "string"}, {"context", "integer"}, {"output", "integer"}}};
      }
      return {.summary = "What a request would take; the model does not run",
              .request = "PlanRequest",
              .answer = "Plan",
              .query = {{"as", "chat|completions|responses|messages"}}};
    case Route::health:
      return {.summary = "Whether the process lives", .request = "", .answer = "Status"};
    case Route::ready:
      return {.summary = "Whether it takes requests", .request = "", .answer = "Status"};
    case Route::metrics:
      return {.summary = "Counters in Prometheus' form",
              .request = "",
              .answer = "Text",
              .content_type = "text/plain"};
    case Route::props:
      return {.summary = "What this server is", .request = "", .answer = "Properties"};
    case Route::openapi:
      return {.summary = "This document", .request = "", .answer = "OpenApi"};
    case Route::balance:
      return {.summary = "What the key may still spend", .request = "", .answer = "Balance"};
    case Route::ledger:
      return {.summary = "What requests cost",
              .request = "",
              .answer = "LedgerRows",
              .query = {{"since", "integer"},
                        {"until", "integer"},
                        {"limit", "integer"},
                        {"model", "string"},
                        {"status", "ok|error|cancelled|aborted"},
                        {"user_id", "string"},
                        {"cursor", "string"},
                        {"group", "none|day|month|key|model|user_id|route|status"},
                        {"key", "string"}}};
    case Route::page:  // files for browsers, which are not in the table
      break;
  }
  fail(ErrorCode::internal, "openapi: expected a route of the table, found another");
}

JsonValue reference(std::string_view schema) {
  return Object{{"$ref", fmt::format("#/components/schemas/{}", schema)}};
}

JsonValue content(std::string_view type, std::string_view schema) {
  return Object{{std::string(type), Object{{"schema", reference(schema)}}}};
}

JsonValue query_schema(std::string_view type) {
  if (type.find('|') == std::string_view::npos) return Object{{"type", std::string(type)}};
  Array words;
  for (size_t begin = 0; begin <= type.size();) {
    const size_t end = std::min(type.find('|', begin), type.size());
    words.emplace_back(std::string(type.substr(begin, end - begin)));
    begin = end + 1;
  }
  return Object{{"enum", std::move(words)}};
}

JsonValue parameter(std::string_view name, const char* in, JsonValue schema, bool required) {
  return Object{
      {"name", std::string(name)}, {"in", in}, {"required", required}, {"schema", std::move(schema)}};
}

JsonValue operation_object(const PathRow& row, const std::string& method) {
  const Operation operation = operation_of(row.route, method);
  Object ok_content{{std::string(operation.content_type), Object{{"schema", reference(operation.answer)}}}};
  if (operation.streams) ok_content.push_back({"text/event-stream", Object{{"schema", reference("Events")}}});
  const bool anthropic = error_shape(row.path) == ErrorShape::anthropic;
  const JsonValue error = content("application/json", anthropic ? "AnyError" : "Error");
  Object out{{"operationId", fmt::format("{}_{}", method, row.path)},
             {"summary", std::string(operation.summary)}};
  Array parameters;
  if (row.path.find("{id}") != std::string::npos) {
    const Object id{{"type", "string"}, {"pattern", "^[A-Za-z0-9._:/-]{1,128}$"}};
    parameters.push_back(parameter("id", "path", id, true));
  }
  for (const Query& query : operation.query)
    parameters.push_back(parameter(query.name, "query", query_schema(query.type), false));
  if (!parameters.empty()) out.push_back({"parameters", std::move(parameters)});
  if (!operation.request.empty() && method == "post") {
    out.push_back({"requestBody",
                   Object{{"required", true}, {"content", content("application/json", operation.request)}}});
  }
  out.push_back({"responses", Object{{"200", Object{{"description", "The answer."}, {"content", ok_content}}},
                                     {"4XX", Object{{"description", "It is refused."}, {"content", error}}},
                                     {"5XX", Object{{"description", "It fails."}, {"content", error}}}}});
  return out;
}

std::string lowered(std::string_view text) {
  std::string out;
  for (const char c : text) out += c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
  return out;
}

// "GET, HEAD" as its words, without HEAD, which equals GET.
std::vector<std::string> methods_of(std::string_view text) {
  std::vector<std::string> methods;
  while (true) {
    const size_t comma = text.find(", ");
    const std::string word = lowered(text.substr(0, comma));
    if (word != "head") methods.push_back(word);
    if (comma == std::string_view::npos) return methods;
    text.remove_prefix(comma + 2);
  }
}

bool is_aliases(const JsonMember& member) { return member.key == "x-aliases"; }

Object paths_object() {
  Object paths;
  std::map<std::string, Array, std::less<>> aliases;
  for (const PathRow& row : all_paths()) {
    if (row.path != row.name) aliases[std::string(row.name)].emplace_back(row.path);
  }
  for (const PathRow& row : all_paths()) {
    if (row.path != row.name) continue;
    Object item;
    for (const JsonMember& member : paths) {  // two rows of one path: further methods
      if (member.key == row.path) item = *member.value.as_object();
    }
    for (const std::string& method : methods_of(row.methods))
      item.push_back({method, operation_object(row, method)});
    const auto other = aliases.find(row.path);
    if (other != aliases.end() && std::ranges::none_of(item, is_aliases))
      item.push_back({"x-aliases", other->second});
    std::erase_if(paths, [&](const JsonMember& member) { return member.key == row.path; });
    paths.push_back({row.path, std::move(item)});
  }
  return paths;
}

}  // namespace

JsonValue openapi_document(const std::string& version, const std::vector<std::string>& models) {
  Object schemas;
  for (const std::string_view text : {shared_schemas(), request_schemas(), answer_schemas()}) {
    const JsonValue part = parse_json_value(text);
    schemas.insert(schemas.end(), part.as_object()->begin(), part.as_object()->end());
  }
  Array names;
  for (const std::string& name : models) names.emplace_back(name);
  const Object any_name{{"type", "string"}, {"minLength", JsonValue::Integer{"1"}}};
  const Object model{{"anyOf", Array{Object{{"enum", std::move(names)}}, any_name}}};
  for (JsonMember& member : schemas) {
    if (member.key == "Model") member.value = model;
  }
  const Object bearer{{"type", "http"}, {"scheme", "bearer"}};
  const Object plain{{"type", "apiKey"}, {"in", "header"}, {"name", "x-api-key"}};
  return Object{{"openapi", "3.1.0"},
                {"info", Object{{"title", "fathom"}, {"version", version}}},
                {"servers", Array{Object{{"url", "/"}}}},
                {"security", Array{Object{}, Object{{"bearer", Array{}}}, Object{{"key", Array{}}}}},
                {"paths", paths_object()},
                {"components", Object{{"schemas", std::move(schemas)},
                                      {"securitySchemes", Object{{"bearer", bearer}, {"key", plain}}}}}};
}

}  // namespace fathom::server
