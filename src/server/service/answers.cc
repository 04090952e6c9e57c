// Routes that read a prompt: answers, counts of tokens, the prompt itself.
#include <sodium.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <ctime>

#include "base/error.h"
#include "server/api/json_text.h"
#include "server/service/ids.h"
#include "server/service/service_state.h"

namespace fathom::server {
namespace {

Dialect dialect_of(Route route) {
  switch (route) {
    case Route::completions:
      return Dialect::completions;
    case Route::responses:
    case Route::input_tokens:
      return Dialect::responses;
    case Route::messages:
    case Route::count_tokens:
      return Dialect::messages;
    default:
      return Dialect::chat;
  }
}

ApiCall read_as(Dialect dialect, const JsonValue& body, bool counting, const ResponseContext& context) {
  switch (dialect) {
    case Dialect::completions:
      return read_completions(body);
    case Dialect::responses:
      return read_responses(body, context);
    case Dialect::messages:
      return read_messages_request(body, counting);
    case Dialect::chat:
      break;
  }
  return read_chat(body);
}

// Whose body it is: by the query, else by its members.
Dialect guessed_dialect(const JsonValue& body, const HttpRequest& http) {
  const auto as = query_value(http.query, "as");
  if (as == "responses") return Dialect::responses;
  if (as == "messages") return Dialect::messages;
  if (as == "completions") return Dialect::completions;
  if (as && *as != "chat")
    refuse("as", "expected chat, completions, responses or messages, found '{}'", printable(*as, 64));
  return body.find("messages") ? Dialect::chat
         : body.find("prompt") ? Dialect::completions
                               : Dialect::responses;
}

constexpr std::array<const char*, kPriorities> kTiers = {"priority", "default", "flex"};

// What was asked for, by the header or the body, but no more than the key may have.
Priority granted_priority(const Exchange& exchange, const std::string& tier) {
  Priority asked = tier == "priority" ? Priority::high : tier == "flex" ? Priority::low : Priority::normal;
  if (const std::string* header = exchange.http.find("x-fathom-priority")) {
    if (*header != "high" && *header != "normal" && *header != "low") {
      refuse("x-fathom-priority", "expected high, normal or low, found '{}'", printable(*header, 64));
    }
    asked = *header == "high" ? Priority::high : *header == "low" ? Priority::low : Priority::normal;
  }
  return exchange.key ? std::max(asked, exchange.key->priority) : asked;
}

bool is_visible(char c) { return c > 0x20 && c < 0x7F; }

// Two requests with one digest are the same request.
std::string digest_of(const Exchange& exchange) {
  const std::string text = std::string(exchange.route.name) + '\n' + exchange.http.body;
  std::string digest(crypto_generichash_BYTES, '\0');
  crypto_generichash(reinterpret_cast<unsigned char*>(digest.data()), digest.size(),
                     reinterpret_cast<const unsigned char*>(text.data()), text.size(), nullptr, 0);
  return digest;
}

HttpReply source_reply(std::shared_ptr<ReplySource> source) {
  HttpReply reply;
  if (source->streams()) {
    reply.content_type = "text/event-stream; charset=utf-8";
    reply.fields = {{"cache-control", "no-cache"}, {"x-accel-buffering", "no"}};
  }
  reply.source = std::move(source);
  return reply;
}

}  // namespace

ApiCall Service::State::read_any(const JsonValue& body, const Exchange& exchange) const {
  return read_as(guessed_dialect(body, exchange.http), body, /*counting=*/true,
                 response_context(exchange, body));
}

ApiCall Service::State::read_call(const Exchange& exchange) const {
  const bool counting =
      exchange.route.route == Route::count_tokens || exchange.route.route == Route::input_tokens;
  const Dialect dialect = dialect_of(exchange.route.route);
  const JsonValue body = read_body(exchange.http.body);
  ApiCall call =
      read_as(dialect, body, counting,
              dialect == Dialect::responses ? response_context(exchange, body) : ResponseContext{});
  check_fields(call);
  return call;
}

void Service::State::check_fields(const ApiCall& call) const {
  if (options.strict_fields && !call.ignored.paths().empty())
    refuse(call.ignored.paths().front(), "expected fields that have an effect, found one that has none");
}

ServedModel& Service::State::resolve(ApiCall& call, const Exchange& exchange) {
  ServedModel* model = find_model(call.model, call.dialect == Dialect::messages);
  if (!model) {
    throw ApiError(404, "model_not_found",
                   "model: expected one that GET /models lists, found '" + printable(call.model, 64) + "'",
                   "model");
  }
  if (!may_use(exchange, *model))
    throw ApiError(403, "permission_denied", "model: expected one that this key may use, found another",
                   "model");
  std::string lower = call.model;
  std::ranges::transform(lower, lower.begin(),
                         [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  if (lower == "deepseek-chat" && !call.thinking_enabled && call.effort.empty())
    call.thinking_enabled = false;
  return *model;
}

HttpReply Service::State::start_answer(Exchange& exchange) {
  const std::string* name = exchange.http.find("idempotency-key");
  if (!name) return new_answer(exchange);
  if (name->empty() || name->size() > 255 || !std::ranges::all_of(*name, is_visible))
    refuse("Idempotency-Key", "expected 1 to 255 visible ASCII characters, found others");
  const std::string entry = exchange.key_id() + '\0' + *name;
  if (auto again = idempotency.find(entry, digest_of(exchange))) {
    metrics.count_request(std::string(exchange.route.name), 200);
    RequestRecord record = record_of(exchange);
    record.joined = true;
    record.stream = again->streams();
    log(std::move(record), exchange.began);
    return source_reply(std::move(again));
  }
  try {
    HttpReply reply = new_answer(exchange);
    reply.source = idempotency.keep(entry, std::move(reply.source));
    return reply;
  } catch (...) {
    idempotency.forget(entry);
    throw;
  }
}

HttpReply Service::State::new_answer(Exchange& exchange) {
  ApiCall call = read_call(exchange);
  ServedModel& model = resolve(call, exchange);
  PreparedCall prepared = prepare(call, model);
  return run_answer(exchange, std::move(call), std::move(prepared), model);
}

HttpReply Service::State::run_answer(Exchange& exchange, ApiCall call, PreparedCall prepared,
                                     ServedModel& model) {
  JobSetup setup;
  setup.call = std::move(call);
  setup.prepared = std::move(prepared);
  if (draining) throw ApiError(503, "service_unavailable", "the server is shutting down");
  setup.model = &model;
  setup.keep = keep_response(exchange, setup.call);
  setup.shape = exchange.shape;
  setup.key = exchange.key_id();
  setup.route = exchange.route.name;
  setup.identity.id = exchange.hex;
  setup.identity.created = std::time(nullptr);
  // Messages repeat the name that was asked for, the others the model's own.
  setup.identity.model = setup.call.dialect == Dialect::messages ? setup.call.model : model.name;
  setup.identity.fingerprint = model.fingerprint;
  setup.identity.extensions = options.extensions;
  const Priority priority = granted_priority(exchange, setup.call.service_tier);
  for (EngineRequest& request : setup.prepared.requests) request.priority = priority;
  setup.identity.service_tier = kTiers[static_cast<size_t>(priority)];
  setup.identity.token_bytes = [tokenizer = model.tokenizer](int32_t id) {
    return std::string(tokenizer->token_bytes(id));
  };
  setup.identity.call_suffix = [](int64_t) { return new_call_suffix(); };
  setup.price = options.prices.at(model.name, setup.identity.created);

  JobReport opening;
  opening.request_hex = exchange.hex;
  opening.route = setup.route;
  opening.model = model.name;
  opening.key = setup.key;
  opening.user = setup.call.user;
  opening.created = setup.identity.created;
  opening.status = "running";
  for (const EngineRequest& request : setup.prepared.requests)
    opening.stats.prompt_tokens += std::ssize(request.prompt);
  opening.price = setup.price.of(opening.stats.prompt_tokens, 0, 0, 0, 0, 0);

  if (exchange.key) {
    const std::lock_guard lock(mutex);
    int64_t& count = running[setup.key];
    if (exchange.key->concurrency > 0 && count >= exchange.key->concurrency) {
      ApiError error(
          429, "rate_limit_exceeded",
          fmt::format("key: expected at most {} requests at once, found more", exchange.key->concurrency));
      error.retry_after = 1;
      throw error;
    }
    ++count;
  }
  const auto leave = [this, key = setup.key, counted = exchange.key != nullptr] {
    if (!counted) return;
    const std::lock_guard lock(mutex);
    if (--running[key] == 0) running.erase(key);
  };
  setup.mode = setup.prepared.mode;
  RequestRecord record = record_of(exchange);
  record.model = model.name;
  record.user = setup.call.user;
  record.mode = setup.mode;
  record.stream = setup.call.stream;
  const ModelPrice& price = setup.price;
  std::vector<EngineRequest>& requests = setup.prepared.requests;
  std::shared_ptr<Booking> booking;
  try {
    booking = std::make_shared<Booking>(ledger.get(), shared_funds(exchange));
    booking->open(opening, price, requests);
  } catch (...) {
    leave();
    throw;
  }
  setup.report = [this, leave, booking, key = exchange.key, record = std::move(record),
                  began = exchange.began](const JobReport& report, std::function<void()> written) {
    leave();
    metrics.count_request(report.route, report.code);
    metrics.count_answer(report,
                         std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count());
    if (key) {  // the prompt was taken when it was admitted
      rates.charge(*key, report.stats.completion_tokens, std::chrono::steady_clock::now());
    }
    RequestRecord entry = record;
    entry.status = report.status;
    entry.code = report.code;
    entry.error = report.error;
    entry.stats = report.stats;
    entry.cost = decimal(report.price.total);
    entry.price = report.price.total;
    log(std::move(entry), began);
    if (!ledger) return written();
    ++unwritten;
    booking->close(report, [this, written = std::move(written)] {
      written();
      --unwritten;
    });
  };
  auto job = std::make_shared<AnswerJob>(std::move(setup));
  try {
    job->submit();
  } catch (...) {
    leave();
    opening.status = "error";
    opening.code = 503;
    opening.stats = {};
    opening.price = {};
    booking->close(opening);
    throw;
  }
  if (exchange.key)
    rates.charge(*exchange.key, opening.stats.prompt_tokens, std::chrono::steady_clock::now());
  return source_reply(std::move(job));
}

HttpReply Service::State::count_tokens(Exchange& exchange) {
  ApiCall call = read_call(exchange);
  const PreparedCall prepared = prepare(call, resolve(call, exchange), /*counting=*/true);
  const JsonValue count = json_integer(std::ssize(prepared.requests.front().prompt));
  if (exchange.route.route == Route::count_tokens)
    return json_reply(JsonValue::Object{{"input_tokens", count}});
  return json_reply(JsonValue::Object{{"object", "response.input_tokens"}, {"input_tokens", count}});
}

HttpReply Service::State::apply_template(Exchange& exchange) {
  const JsonValue body = read_body(exchange.http.body);
  ApiCall call = read_any(body, exchange);
  if (call.dialect == Dialect::completions)
    refuse("messages", "expected messages or input, found the body of a completion");
  const ServedModel& model = resolve(call, exchange);
  const PreparedCall prepared = prepare(call, model, /*counting=*/true);
  JsonValue::Array ranges;
  int64_t position = 0;
  for (const Segment& segment : prepared.prompt.prompt.segments()) {
    const int64_t end = position + std::ssize(segment.text);
    if (segment.special) ranges.emplace_back(JsonValue::Array{json_integer(position), json_integer(end)});
    position = end;
  }
  using Start = CompletionOptions::Start;
  const Start start = prepared.prompt.completion.start;
  return json_reply(JsonValue::Object{{"prompt", prepared.prompt.prompt.joined()},
                                      {"count", json_integer(std::ssize(prepared.requests.front().prompt))},
                                      {"special_ranges", std::move(ranges)},
                                      {"starts_in", start == Start::reasoning    ? "reasoning"
                                                    : start == Start::tool_calls ? "tool_calls"
                                                                                 : "content"},
                                      {"encoding", std::string(name(model.setup.generation))}});
}

HttpReply Service::State::tokenize(Exchange& exchange) {
  const JsonValue body = read_body(exchange.http.body);
  if (body.find("messages") || body.find("input")) {
    ApiCall call = read_any(body, exchange);
    const ServedModel& model = resolve(call, exchange);
    const PreparedCall prepared = prepare(call, model, /*counting=*/true);
    JsonValue::Array tokens;
    for (const int32_t id : prepared.requests.front().prompt) tokens.push_back(json_integer(id));
    return json_reply(JsonValue::Object{{"tokens", tokens},
                                        {"count", json_integer(std::ssize(tokens))},
                                        {"max_model_len", json_integer(model.context())}});
  }
  ApiCall call;
  Fields fields(body, "", call.ignored);
  call.model = fields.text("model").value_or(models.front()->name);
  std::optional<std::string> text;
  for (const char* key : {"text", "content", "prompt"}) {
    const auto found = fields.text(key);
    if (found && text) refuse(key, "expected one of text, content and prompt, found several");
    if (found) text = found;
  }
  if (!text) refuse("text", "expected a string, found nothing");
  const ServedModel& model = resolve(call, exchange);
  std::vector<int32_t> ids = model.tokenizer->encode(*text, fields.flag("parse_special").value_or(false));
  if (fields.flag("add_special").value_or(false)) ids.insert(ids.begin(), model.setup.bos);
  JsonValue::Array tokens, pieces;
  for (const int32_t id : ids) {
    tokens.push_back(json_integer(id));
    const std::string_view bytes = model.tokenizer->token_bytes(id);
    if (is_valid_utf8(bytes)) {
      pieces.emplace_back(JsonValue::Object{{"id", json_integer(id)}, {"text", std::string(bytes)}});
    } else {
      JsonValue::Array list;
      for (const char c : bytes) list.push_back(json_integer(static_cast<unsigned char>(c)));
      pieces.emplace_back(JsonValue::Object{{"id", json_integer(id)}, {"bytes", std::move(list)}});
    }
  }
  JsonValue::Object out{{"tokens", tokens},
                        {"count", json_integer(std::ssize(tokens))},
                        {"max_model_len", json_integer(model.context())}};
  if (fields.flag("with_pieces").value_or(false)) out.push_back({"pieces", std::move(pieces)});
  return json_reply(out);
}

HttpReply Service::State::detokenize(Exchange& exchange) {
  const JsonValue body = read_body(exchange.http.body);
  ApiCall call;
  Fields fields(body, "", call.ignored);
  call.model = fields.text("model").value_or(models.front()->name);
  const ServedModel& model = resolve(call, exchange);
  const auto items = fields.list("tokens", SIZE_MAX);
  if (!items) refuse("tokens", "expected a list of ids, found nothing");
  std::vector<int32_t> ids;
  for (const Fields::Item& item : *items) {
    const auto* digits = item.value->as_integer();
    const bool whole = digits && digits->digits.size() <= 10 && digits->digits.front() != '-';
    const int64_t id = whole ? std::stoll(digits->digits) : -1;
    if (id < 0 || id >= model.tokenizer->vocab_size())
      throw ApiError(400, "",
                     fmt::format("{}: expected an id below {}, found {}", item.path,
                                 model.tokenizer->vocab_size(), quoted(*item.value)),
                     "tokens");
    ids.push_back(static_cast<int32_t>(id));
  }
  const std::string text = model.tokenizer->decode(ids, false);
  return json_reply(JsonValue::Object{{"text", text}, {"content", text}, {"prompt", text}});
}

}  // namespace fathom::server
