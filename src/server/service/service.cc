#include "server/service/service.h"

#include <sodium.h>

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "server/api/json_text.h"
#include "server/http/listener.h"
#include "server/service/ids.h"
#include "server/service/openapi.h"
#include "server/service/service_state.h"

namespace fathom::server {
namespace {

std::string lowered(std::string text) {
  std::ranges::transform(text, text.begin(),
                         [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
  return text;
}

// The host of a Host header, without its port.
std::string host_of(const std::string& header) {
  if (header.starts_with('[')) return header.substr(1, header.find(']') - 1);
  return header.substr(0, header.find(':'));
}

// application/json or application/*+json, in UTF-8.
bool is_json(const std::string& content_type) {
  const std::string type = lowered(content_type);
  const std::string media = type.substr(0, type.find_first_of("; \t"));
  if (media != "application/json" && !(media.starts_with("application/") && media.ends_with("+json")))
    return false;
  const size_t charset = type.find("charset=");
  if (charset == std::string::npos) return true;
  std::string value = type.substr(charset + 8);
  std::erase(value, '"');
  return value.substr(0, value.find_first_of("; \t")) == "utf-8";
}

void check_content(const HttpRequest& request) {
  if (request.find("content-encoding"))
    throw ApiError(415, "unsupported_media_type", "Content-Encoding: expected none, found one");
  const std::string* type = request.find("content-type");
  if (!type || !is_json(*type)) {
    throw ApiError(415, "unsupported_media_type",
                   "Content-Type: expected application/json in UTF-8, found " +
                       (type ? "'" + printable(*type, 64) + "'" : std::string("none")));
  }
}

bool is_answer(Route route) {
  return route == Route::chat || route == Route::completions || route == Route::responses ||
         route == Route::messages || route == Route::inside;
}

std::string limits_text(const KeyEntry& key) {
  std::string text;
  if (key.requests_per_minute > 0) text = fmt::format("{} requests", key.requests_per_minute);
  if (key.tokens_per_minute > 0)
    text += fmt::format("{}{} tokens", text.empty() ? "" : " and ", key.tokens_per_minute);
  return text;
}

constexpr const char* kExposed =
    "x-request-id, request-id, retry-after, retry-after-ms, x-ratelimit-limit-requests, "
    "x-ratelimit-remaining-requests, x-ratelimit-reset-requests, x-ratelimit-limit-tokens, "
    "x-ratelimit-remaining-tokens, x-ratelimit-reset-tokens";

bool is_open(Route route) {
  return route == Route::health || route == Route::ready || route == Route::openapi || route == Route::page;
}

}  // namespace

HttpReply json_reply(const JsonValue& body, int status) {
  HttpReply reply;
  reply.status = status;
  reply.body = compact_json(body);
  return reply;
}

std::optional<std::string> query_value(const std::string& query, std::string_view name) {
  std::string_view rest = query;
  while (!rest.empty()) {
    const size_t end = rest.find('&');
    const std::string_view pair = rest.substr(0, end);
    const size_t equals = pair.find('=');
    if (pair.substr(0, equals) == name)
      return std::string(equals == std::string_view::npos ? std::string_view() : pair.substr(equals + 1));
    if (end == std::string_view::npos) break;
    rest.remove_prefix(end + 1);
  }
  return std::nullopt;
}

Service::Service(ServiceOptions options, std::vector<std::unique_ptr<ServedModel>> models,
                 std::unique_ptr<Keys> keys, std::unique_ptr<Ledger> ledger)
    : state_(std::make_unique<State>()) {
  if (sodium_init() < 0) fail(ErrorCode::internal, "libsodium: expected to start, found an error");
  state_->options = std::move(options);
  state_->models = std::move(models);
  state_->keys = std::move(keys);
  state_->ledger = std::move(ledger);
  if (!state_->options.store.off) state_->store = std::make_unique<ResponseStore>(state_->options.store);
}

// Engines end before the ledger that their last reports go to.
Service::~Service() {
  state_->idempotency.stop();
  state_->models.clear();
}

HttpReply Service::State::error_reply(const ApiError& error, ErrorShape shape, const std::string& hex) const {
  HttpReply reply = json_reply(error_body(error, shape, "req_" + hex), error.status);
  if (error.status == 401) reply.fields.emplace_back("www-authenticate", "Bearer");
  if (error.status == 429 || error.status == 503) {
    const double wait = error.retry_after > 0 ? std::min(error.retry_after, 60.0) : 1;
    reply.fields.emplace_back("retry-after", std::to_string(std::lround(std::ceil(wait))));
    reply.fields.emplace_back("retry-after-ms", std::to_string(std::lround(std::ceil(wait * 1000))));
    reply.fields.emplace_back("x-should-retry", "true");
  }
  if (error.status == 402) reply.fields.emplace_back("x-should-retry", "false");
  return reply;
}

// Without keys only names of this machine may be asked for, or a page elsewhere could ask by rebinding its
// name.
void Service::State::check_host(const HttpRequest& request) const {
  if (keys || options.any_host) return;
  const std::string* header = request.find("host");
  if (!header) return;
  const std::string host = lowered(host_of(*header));
  if (host == "localhost" || host.ends_with(".localhost") || is_loopback(host) || host == options.bind_host)
    return;
  if (std::ranges::find(options.allowed_hosts, host) != options.allowed_hosts.end()) return;
  throw ApiError(403, "host_not_allowed",
                 "Host: expected a name of this machine, found '" + printable(host, 64) + "'");
}

void Service::State::authenticate(Exchange& exchange) const {
  const std::string* bearer = exchange.http.find("authorization");
  const std::string* plain = exchange.http.find("x-api-key");
  if (!keys || is_open(exchange.route.route)) return;
  std::string key;
  if (bearer) {
    if (lowered(bearer->substr(0, 7)) == "bearer ") key = bearer->substr(7);
  } else if (plain) {
    key = *plain;
  }
  if (key.empty())
    throw ApiError(401, "missing_api_key", "Authorization: expected Bearer and a key, found none");
  const bool shaped =
      key.size() <= 512 && std::ranges::all_of(key, [](char c) { return c > 0x20 && c < 0x7F; });
  exchange.key = shaped ? keys->find(key) : nullptr;
  if (!exchange.key)
    throw ApiError(401, "invalid_api_key", "Authorization: expected a known key, found another");
}

void Service::State::check_scope(const Exchange& exchange) const {
  if (!exchange.key) return;
  const Route route = exchange.route.route;
  const bool ok = route == Route::metrics ? exchange.key->metrics || exchange.key->admin
                  : route == Route::balance || route == Route::ledger || is_open(route)
                      ? true
                      : exchange.key->inference;
  if (!ok) throw ApiError(403, "permission_denied", "key: expected the scope of this route, found others");
}

void Service::State::limit_rate(const Exchange& exchange) {
  if (!exchange.key || !is_answer(exchange.route.route)) return;
  const auto wait = rates.admit(*exchange.key, std::chrono::steady_clock::now());
  if (!wait) return;
  ApiError error(429, "rate_limit_exceeded",
                 fmt::format("key: expected at most {} in a minute, found more", limits_text(*exchange.key)));
  error.retry_after = *wait;
  throw error;
}

void Service::State::add_cors(const HttpRequest& request, HttpReply& reply) const {
  const std::string* origin = request.find("origin");
  if (!origin || options.cors_origins.empty()) return;
  const auto& allowed = options.cors_origins;
  const bool known = std::ranges::find(allowed, *origin) != allowed.end() ||
                     std::ranges::find(allowed, "*") != allowed.end();
  if (!known || origin->size() > 256) return;
  reply.fields.emplace_back("access-control-allow-origin", *origin);
  reply.fields.emplace_back("vary", "Origin");
  reply.fields.emplace_back("access-control-expose-headers", kExposed);
  if (request.method != "OPTIONS") return;
  reply.fields.emplace_back("access-control-allow-methods", "GET, POST, DELETE, OPTIONS");
  reply.fields.emplace_back("access-control-max-age", "600");
  if (const std::string* headers = request.find("access-control-request-headers")) {
    const bool plain =
        headers->size() <= 2048 && std::ranges::all_of(*headers, [](char c) {
          return std::isalnum(static_cast<unsigned char>(c)) || c == '-' || c == ',' || c == ' ' || c == '_';
        });
    if (plain) reply.fields.emplace_back("access-control-allow-headers", *headers);
  }
}

HttpReply Service::State::answer(Exchange& exchange) {
  const HttpRequest& http = exchange.http;
  check_host(http);
  const auto route = find_route(http.path);
  if (http.method == "OPTIONS" && (route || http.path == "*")) {
    HttpReply reply;
    reply.status = 204;
    reply.content_type.clear();
    if (route) reply.fields.emplace_back("allow", std::string(route->methods) + ", OPTIONS");
    return reply;
  }
  if (!route) {
    throw ApiError(
        404, "route_not_found",
        fmt::format("path: expected one of this server's routes, found '{}'", printable(http.path, 64)));
  }
  exchange.route = *route;
  const std::string listed = ", " + std::string(route->methods) + ",";
  if (listed.find(", " + http.method + ",") == std::string::npos) {
    HttpReply reply = error_reply(ApiError(405, "method_not_allowed",
                                           fmt::format("method: expected {}, found another", route->methods)),
                                  exchange.shape, exchange.hex);
    reply.fields.emplace_back("allow", std::string(route->methods) + ", OPTIONS");
    return reply;
  }
  authenticate(exchange);
  check_scope(exchange);
  limit_rate(exchange);
  if (http.method == "POST") check_content(http);
  switch (exchange.route.route) {
    case Route::chat:
    case Route::completions:
    case Route::responses:
    case Route::messages:
      return start_answer(exchange);
    case Route::input_tokens:
    case Route::count_tokens:
      return count_tokens(exchange);
    case Route::tokenize:
      return tokenize(exchange);
    case Route::detokenize:
      return detokenize(exchange);
    case Route::apply_template:
      return apply_template(exchange);
    case Route::inside:
      return inside(exchange);
    case Route::plan_request:
      return http.method == "POST" ? plan(exchange) : plan_table_of(exchange);
    case Route::openapi: {
      std::vector<std::string> names;
      for (const auto& model : models) {
        names.push_back(model->name);
        for (const std::string& alias : aliases_of(*model)) names.push_back(alias);
      }
      return json_reply(openapi_document(options.version, names));
    }
    case Route::models:
      return list_models(exchange);
    case Route::model:
      return one_model(exchange);
    case Route::response:
      return stored_response(exchange);
    case Route::response_items:
      return stored_items(exchange);
    case Route::response_cancel:
      return cancel_response(exchange);
    case Route::health:
      return json_reply(JsonValue::Object{{"status", draining ? "draining" : "ok"}});
    case Route::ready:
      if (draining) throw ApiError(503, "service_unavailable", "the server is shutting down");
      return json_reply(JsonValue::Object{{"status", "ready"}});
    case Route::metrics: {
      std::vector<SchedulerStats> stats;
      for (const auto& model : models) stats.push_back(model->engine->stats());
      HttpReply reply;
      reply.content_type = "text/plain; version=0.0.4";
      reply.body = metrics.text(stats, connections ? connections() : 0, options.prices.currency());
      return reply;
    }
    case Route::props:
      return properties();
    case Route::balance:
      return balance(exchange);
    case Route::ledger:
      return ledger_rows(exchange);
    case Route::page:
      return page.reply(exchange.route.id, http);
  }
  throw ApiError(500, "internal_error", "The server failed on this request");
}

RequestRecord Service::State::record_of(const Exchange& exchange) const {
  RequestRecord record;
  if (!options.log) return record;
  record.request_id = "req_" + exchange.hex;
  read_trace(exchange.http, record);
  record.method = printable(exchange.http.method, 16);
  record.route = exchange.route.name;
  record.key = exchange.key_id();
  if (options.log_prompts) record.body = printable(exchange.http.body, exchange.http.body.size());
  return record;
}

void Service::State::log(RequestRecord record, std::chrono::steady_clock::time_point began) const {
  if (!options.log) return;
  record.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count();
  options.log(record);
}

HttpReply Service::handle(HttpRequest request) {
  std::string error_code;
  Exchange exchange;
  exchange.http = std::move(request);
  exchange.hex = new_request_hex();
  exchange.shape = error_shape(exchange.http.path);
  HttpReply reply;
  try {
    reply = state_->answer(exchange);
  } catch (const ApiError& error) {
    reply = state_->error_reply(error, exchange.shape, exchange.hex);
    error_code = error.code.empty() ? std::string(error_type(error.status, exchange.shape)) : error.code;
  } catch (const std::bad_alloc&) {
    error_code = "out of memory";
    reply =
        state_->error_reply(ApiError(503, "service_unavailable", "the memory for this request cannot be had"),
                            exchange.shape, exchange.hex);
  } catch (const std::exception& error) {
    error_code = error.what();
    reply = state_->error_reply(ApiError(500, "internal_error", "The server failed on this request"),
                                exchange.shape, exchange.hex);
  }
  reply.fields.emplace_back("x-request-id", "req_" + exchange.hex);
  reply.fields.emplace_back("request-id", "req_" + exchange.hex);
  if (exchange.key && is_answer(exchange.route.route)) {
    const HeaderFields limits = state_->rates.fields(*exchange.key, exchange.shape == ErrorShape::anthropic,
                                                     std::chrono::steady_clock::now());
    reply.fields.insert(reply.fields.end(), limits.begin(), limits.end());
  }
  state_->add_cors(exchange.http, reply);
  if (!reply.source) {
    state_->metrics.count_request(std::string(exchange.route.name), reply.status);
    RequestRecord record = state_->record_of(exchange);
    record.code = reply.status;
    record.error = std::move(error_code);
    state_->log(std::move(record), exchange.began);
  }
  return reply;
}

HttpReply Service::fault(int status, const std::string& code, const std::string& message) {
  const std::string hex = new_request_hex();
  HttpReply reply = state_->error_reply(ApiError(status, code, message), ErrorShape::deepseek, hex);
  reply.fields.emplace_back("x-request-id", "req_" + hex);
  reply.fields.emplace_back("request-id", "req_" + hex);
  reply.close = true;
  state_->metrics.count_request("", status);
  RequestRecord record;
  record.request_id = "req_" + hex;
  record.code = status;
  record.error = code.empty() ? std::string(error_type(status, ErrorShape::deepseek)) : code;
  state_->log(std::move(record), std::chrono::steady_clock::now());
  return reply;
}

void Service::watch_connections(std::function<int64_t()> count) { state_->connections = std::move(count); }

void Service::drain() {
  state_->draining = true;
  for (const auto& model : state_->models) model->engine->drain();
}

bool Service::idle() const {
  return std::ranges::all_of(state_->models, [](const auto& model) { return model->engine->idle(); }) &&
         state_->unwritten == 0;
}

void Service::cancel_all() {
  for (const auto& model : state_->models) model->engine->cancel_all();
}

}  // namespace fathom::server
