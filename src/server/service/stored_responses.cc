// Routes of stored responses, and what a request takes from them.
#include <algorithm>

#include "base/error.h"
#include "server/api/json_text.h"
#include "server/service/service_state.h"

namespace fathom::server {
namespace {

using Object = JsonValue::Object;

[[noreturn]] void not_found() {
  throw ApiError(404, "response_not_found", "id: expected a stored response, found none of that name");
}

std::string id_of(const JsonValue& item) {
  const JsonValue* id = item.find("id");
  return id && id->as_string() ? *id->as_string() : "";
}

}  // namespace

ResponseContext Service::State::response_context(const Exchange& exchange, const JsonValue& body) const {
  ResponseContext context;
  if (!store) return context;
  context.keeps = true;
  context.item = [this, key = exchange.key_id()](const std::string& id) { return store->find_item(key, id); };
  const JsonValue* previous = body.find("previous_response_id");
  if (!previous || !previous->as_string()) return context;
  const auto found = store->find(exchange.key_id(), *previous->as_string());
  if (!found) return context;
  context.before = found->input;
  const JsonValue* output = found->body.find("output");
  if (output && output->as_array())
    context.before->insert(context.before->end(), output->as_array()->begin(), output->as_array()->end());
  return context;
}

std::function<void(JsonValue)> Service::State::keep_response(const Exchange& exchange, ApiCall& call) {
  if (!store || !call.store) return nullptr;
  StoredResponse response;
  response.id = "resp_" + exchange.hex;
  response.key = exchange.key_id();
  response.created = std::time(nullptr);
  response.input = std::move(call.input_items);
  for (size_t i = 0; i < response.input.size(); ++i) {
    JsonValue& item = response.input[i];
    if (item.as_object() && id_of(item).empty()) {
      Object named = *item.as_object();
      std::erase_if(named, [](const JsonMember& member) { return member.key == "id"; });
      named.insert(named.begin(), {"id", fmt::format("item_{}_{}", exchange.hex, i)});
      item = std::move(named);
    }
  }
  return [this, response = std::move(response)](JsonValue body) mutable {
    response.body = std::move(body);
    store->put(std::move(response));
  };
}

HttpReply Service::State::stored_response(const Exchange& exchange) {
  const std::string& id = exchange.route.id;
  if (exchange.http.method == "DELETE") {
    if (!store || !store->erase(exchange.key_id(), id)) not_found();
    return json_reply(Object{{"id", id}, {"object", "response.deleted"}, {"deleted", true}});
  }
  if (query_value(exchange.http.query, "stream") == "true")
    refuse("stream", "expected false, found true: a stored response is given whole");
  const auto found = store ? store->find(exchange.key_id(), id) : std::nullopt;
  if (!found) not_found();
  return json_reply(found->body);
}

HttpReply Service::State::stored_items(const Exchange& exchange) {
  const std::string& query = exchange.http.query;
  const auto limit = static_cast<size_t>(query_number(query, "limit", 1, 100, 20));
  const std::string order = query_value(query, "order").value_or("desc");
  if (order != "asc" && order != "desc")
    refuse("order", "expected asc or desc, found '{}'", printable(order, 64));
  auto found = store ? store->find(exchange.key_id(), exchange.route.id) : std::nullopt;
  if (!found) not_found();
  JsonValue::Array& items = found->input;
  if (order == "desc") std::ranges::reverse(items);
  auto first = items.begin();
  if (const auto after = query_value(query, "after")) {
    const auto at = std::ranges::find_if(items, [&](const JsonValue& item) { return id_of(item) == *after; });
    if (at == items.end()) refuse("after", "expected the id of an item, found '{}'", printable(*after, 64));
    first = at + 1;
  }
  const bool more = static_cast<size_t>(items.end() - first) > limit;
  JsonValue::Array data(first, more ? first + static_cast<std::ptrdiff_t>(limit) : items.end());
  const JsonValue first_id = data.empty() ? JsonValue() : json_or_null(id_of(data.front()));
  const JsonValue last_id = data.empty() ? JsonValue() : json_or_null(id_of(data.back()));
  return json_reply(Object{{"object", "list"},
                           {"data", std::move(data)},
                           {"first_id", first_id},
                           {"last_id", last_id},
                           {"has_more", more}});
}

HttpReply Service::State::cancel_response(const Exchange& exchange) {
  if (!store || !store->find(exchange.key_id(), exchange.route.id)) not_found();
  refuse("id", "expected a response that runs in the background, found one that does not");
}

}  // namespace fathom::server
