// Routes that tell: models, properties, balance, ledger.
#include <algorithm>
#include <array>

#include "base/error.h"
#include "server/api/json_text.h"
#include "server/service/service_state.h"

namespace fathom::server {
namespace {

using Object = JsonValue::Object;

constexpr int64_t kReleased = 1785456000;  // 2026-07-31, as DeepSeek's list has it
constexpr std::array<std::string_view, 4> kFlash = {"deepseek-v4-flash", "deepseek-flash", "deepseek-chat",
                                                    "deepseek-reasoner"};
constexpr std::array<std::string_view, 2> kPro = {"deepseek-v4-pro", "deepseek-pro"};

std::string lowered(std::string text) {
  std::ranges::transform(text, text.begin(),
                         [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return text;
}

bool is_pro(const ServedModel& model) { return lowered(model.name).find("pro") != std::string::npos; }

JsonValue texts(const std::vector<std::string>& list) {
  JsonValue::Array out;
  for (const std::string& text : list) out.emplace_back(text);
  return out;
}

}  // namespace

int64_t query_number(const std::string& query, std::string_view name, int64_t low, int64_t high,
                     int64_t otherwise) {
  const auto text = query_value(query, name);
  if (!text) return otherwise;
  const bool digits = !text->empty() && text->size() <= 15 &&
                      std::ranges::all_of(*text, [](char c) { return c >= '0' && c <= '9'; });
  const int64_t value = digits ? std::stoll(*text) : -1;
  if (value < low || value > high)
    refuse(std::string(name), "expected an integer from {} to {}, found '{}'", low, high,
           printable(*text, 64));
  return value;
}

std::vector<std::string> Service::State::aliases_of(const ServedModel& model) const {
  std::vector<std::string> aliases;
  const bool only = models.size() == 1;
  if (only || !is_pro(model)) aliases.insert(aliases.end(), kFlash.begin(), kFlash.end());
  if (only || is_pro(model)) aliases.insert(aliases.end(), kPro.begin(), kPro.end());
  std::erase(aliases, model.name);
  return aliases;
}

ServedModel* Service::State::find_model(const std::string& name, bool anthropic) {
  for (const auto& model : models) {
    if (model->name == name) return model.get();
  }
  const std::string lower = lowered(name);
  const auto first = [&](bool pro) -> ServedModel* {
    for (const auto& model : models) {
      if (models.size() == 1 || is_pro(*model) == pro) return model.get();
    }
    return nullptr;
  };
  if (std::ranges::find(kFlash, lower) != kFlash.end()) return first(false);
  if (std::ranges::find(kPro, lower) != kPro.end()) return first(true);
  if (anthropic && lower.starts_with("claude")) return first(lower.starts_with("claude-opus"));
  for (const auto& model : models) {
    if (lowered(model->name) == lower) return model.get();
  }
  return options.any_model ? models.front().get() : nullptr;
}

bool Service::State::may_use(const Exchange& exchange, const ServedModel& model) const {
  if (!exchange.key || exchange.key->models.empty()) return true;
  return std::ranges::find(exchange.key->models, model.name) != exchange.key->models.end();
}

namespace {

JsonValue model_object(const ServedModel& model, const std::vector<std::string>& aliases) {
  const bool early = model.setup.generation == Generation::v2026_04;
  return Object{
      {"id", model.name},
      {"object", "model"},
      {"created", json_integer(kReleased)},
      {"owned_by", "deepseek"},
      {"name", model.name},
      {"context_window", json_integer(model.context())},
      {"max_output_tokens", json_integer(std::min(model.context(), kMaxAnswerTokens))},
      {"input_modalities", JsonValue::Array{"text"}},
      {"output_modalities", JsonValue::Array{"text"}},
      {"effort", Object{{"supported_levels", early ? JsonValue::Array{"none", "high", "max"}
                                                   : JsonValue::Array{"none", "low", "high", "max"}},
                        {"default_level", "high"}}},
      {"aliases", texts(aliases)}};
}

JsonValue anthropic_model(const ServedModel& model) {
  return Object{{"type", "model"},
                {"id", model.name},
                {"display_name", model.name},
                {"created_at", "2026-07-31T00:00:00Z"},
                {"lifecycle", "active"},
                {"max_input_tokens", json_integer(model.context())},
                {"max_tokens", json_integer(std::min(model.context(), kMaxAnswerTokens))}};
}

bool wants_anthropic(const Exchange& exchange) {
  return exchange.http.find("anthropic-version") != nullptr || exchange.http.path.starts_with("/anthropic");
}

}  // namespace

HttpReply Service::State::list_models(const Exchange& exchange) {
  JsonValue::Array data;
  std::string first, last;
  const bool anthropic = wants_anthropic(exchange);
  for (const auto& model : models) {
    if (!may_use(exchange, *model)) continue;
    data.push_back(anthropic ? anthropic_model(*model) : model_object(*model, aliases_of(*model)));
    if (first.empty()) first = model->name;
    last = model->name;
  }
  if (!anthropic) return json_reply(Object{{"object", "list"}, {"data", std::move(data)}});
  return json_reply(Object{{"data", std::move(data)},
                           {"has_more", false},
                           {"first_id", json_or_null(first)},
                           {"last_id", json_or_null(last)}});
}

HttpReply Service::State::one_model(const Exchange& exchange) {
  const bool anthropic = wants_anthropic(exchange);
  const ServedModel* model = find_model(exchange.route.id, anthropic);
  if (!model || !may_use(exchange, *model)) {
    throw ApiError(
        404, "model_not_found",
        "model: expected one that GET /models lists, found '" + printable(exchange.route.id, 64) + "'",
        "model");
  }
  return json_reply(anthropic ? anthropic_model(*model) : model_object(*model, aliases_of(*model)));
}

HttpReply Service::State::properties() {
  JsonValue::Array list;
  for (const auto& model : models) {
    Object one = *model_object(*model, aliases_of(*model)).as_object();
    one.push_back({"prompt_encoding", std::string(name(model->setup.generation))});
    one.push_back({"numerics", std::string(name(model->engine->runtime().numerics().mode))});
    one.push_back({"target", std::string(name(model->engine->runtime().target()))});
    one.push_back({"system_fingerprint", model->fingerprint});
    one.push_back({"vocab_size", json_integer(model->model->config().vocab_size)});
    list.emplace_back(std::move(one));
  }
  return json_reply(Object{{"build", options.version},
                           {"models", std::move(list)},
                           {"price_table", options.prices.name()},
                           {"currency", options.prices.currency()},
                           {"keys", keys != nullptr},
                           {"ledger", ledger != nullptr}});
}

std::optional<Service::State::Funds> Service::State::funds_of(const Exchange& exchange) const {
  if (!exchange.key) return std::nullopt;
  const std::optional<Picos>& granted = exchange.key->balance;
  const LedgerBalance booked = ledger ? ledger->balance(exchange.key->id) : LedgerBalance{};
  if (!granted && !booked.has_credits) return std::nullopt;
  const Picos unspent = granted.value_or(0) - booked.spent - booked.running;
  Funds funds;
  funds.left = unspent + booked.credits;
  funds.granted = std::clamp(unspent, Picos{0}, std::max(funds.left, Picos{0}));
  return funds;
}

std::shared_ptr<KeyFunds> Service::State::shared_funds(const Exchange& exchange) {
  if (!ledger || !funds_of(exchange)) return nullptr;
  std::shared_ptr<KeyFunds> funds;
  {
    const std::lock_guard lock(mutex);
    std::shared_ptr<KeyFunds>& known = key_funds[exchange.key_id()];
    if (!known) known = std::make_shared<KeyFunds>();
    funds = known;
  }
  funds->refresh([&] { return funds_of(exchange).value_or(Funds{}).left; });
  return funds;
}

HttpReply Service::State::balance(const Exchange& exchange) {
  Object info{{"currency", options.prices.currency()}};
  bool available = true;
  const auto money = [](Picos amount) {
    std::string text = decimal(amount);
    if (text.find('.') == std::string::npos) text += '.';
    while (text.size() - text.find('.') < 3) text += '0';
    return text;
  };
  if (const auto funds = funds_of(exchange)) {
    available = funds->left > 0;
    info.push_back({"total_balance", money(funds->left)});
    info.push_back({"granted_balance", money(funds->granted)});
    info.push_back({"topped_up_balance", money(funds->left - funds->granted)});
  } else {
    for (const char* key : {"total_balance", "granted_balance", "topped_up_balance"})
      info.push_back({key, "0.00"});
    info.push_back({"unlimited", true});
  }
  return json_reply(
      Object{{"is_available", available}, {"balance_infos", JsonValue::Array{std::move(info)}}});
}

HttpReply Service::State::ledger_groups(const LedgerQuery& ask, const std::string& group) const {
  const auto grouping = ledger_grouping(group);
  if (!grouping) {
    refuse("group", "expected none, day, month, key, model, user_id, route or status, found '{}'",
           printable(group, 64));
  }
  const auto members = [](const LedgerSum& sum) {
    return Object{{"requests", json_integer(sum.requests)},
                  {"running", json_integer(sum.running)},
                  {"failed", json_integer(sum.failed)},
                  {"usage", Object{{"prompt_tokens", json_integer(sum.stats.prompt_tokens)},
                                   {"cached_tokens", json_integer(sum.stats.cached_tokens)},
                                   {"completion_tokens", json_integer(sum.stats.completion_tokens)},
                                   {"reasoning_tokens", json_integer(sum.stats.reasoning_tokens)}}},
                  {"cost", Object{{"input", json_decimal(decimal(sum.price.input))},
                                  {"cached_input", json_decimal(decimal(sum.price.cached_input))},
                                  {"output", json_decimal(decimal(sum.price.output))},
                                  {"total", json_decimal(decimal(sum.price.total))},
                                  {"seconds", sum.stats.engine_seconds}}}};
  };
  JsonValue::Array data;
  for (const LedgerSum& sum : ledger->sums(ask, std::span(&*grouping, 1))) {
    Object one = members(sum);
    one.insert(one.begin(), {group, sum.groups.front()});
    data.emplace_back(std::move(one));
  }
  return json_reply(Object{{"object", "list"},
                           {"data", std::move(data)},
                           {"totals", members(ledger->sums(ask, {}).at(0))},
                           {"has_more", false},
                           {"next_cursor", JsonValue()}});
}

HttpReply Service::State::ledger_rows(const Exchange& exchange) {
  if (!ledger)
    throw ApiError(404, "route_not_found",
                   "ledger: expected a server that keeps one, found one that does not");
  const std::string& query = exchange.http.query;
  LedgerQuery ask;
  ask.since = query_number(query, "since", 0, INT64_MAX, 0);
  ask.until = query_number(query, "until", 0, INT64_MAX, INT64_MAX);
  ask.limit = query_number(query, "limit", 1, 1000, 100);
  ask.model = query_value(query, "model").value_or("");
  ask.status = query_value(query, "status").value_or("");
  ask.user = query_value(query, "user_id").value_or("");
  ask.before = query_value(query, "cursor").value_or("");
  ask.key = query_value(query, "key").value_or("");
  if (exchange.key && !exchange.key->admin) ask.key = exchange.key->id;
  if (const std::string group = query_value(query, "group").value_or("none"); group != "none")
    return ledger_groups(ask, group);
  const std::vector<LedgerRow> rows = ledger->rows(ask);
  JsonValue::Array data;
  AnswerStats totals;
  Picos total = 0;
  for (const LedgerRow& row : rows) {
    const JobReport& r = row.report;
    data.emplace_back(Object{{"request_id", "req_" + r.request_hex},
                             {"created", json_integer(r.created)},
                             {"finished", row.finished > 0 ? json_integer(row.finished) : JsonValue()},
                             {"key_id", r.key},
                             {"user_id", r.user},
                             {"route", r.route},
                             {"model", r.model},
                             {"status", r.status},
                             {"code", json_integer(r.code)},
                             {"usage", Object{{"prompt_tokens", json_integer(r.stats.prompt_tokens)},
                                              {"cached_tokens", json_integer(r.stats.cached_tokens)},
                                              {"completion_tokens", json_integer(r.stats.completion_tokens)},
                                              {"reasoning_tokens", json_integer(r.stats.reasoning_tokens)}}},
                             {"cost", Object{{"input", json_decimal(decimal(r.price.input))},
                                             {"cached_input", json_decimal(decimal(r.price.cached_input))},
                                             {"output", json_decimal(decimal(r.price.output))},
                                             {"total", json_decimal(decimal(r.price.total))},
                                             {"seconds", r.stats.engine_seconds}}}});
    totals.prompt_tokens += r.stats.prompt_tokens;
    totals.completion_tokens += r.stats.completion_tokens;
    total += r.price.total;
  }
  const bool more = std::ssize(rows) == ask.limit;
  return json_reply(Object{{"object", "list"},
                           {"data", std::move(data)},
                           {"totals", Object{{"prompt_tokens", json_integer(totals.prompt_tokens)},
                                             {"completion_tokens", json_integer(totals.completion_tokens)},
                                             {"cost", json_decimal(decimal(total))}}},
                           {"has_more", more},
                           {"next_cursor", more ? JsonValue(rows.back().report.request_hex) : JsonValue()}});
}

}  // namespace fathom::server
