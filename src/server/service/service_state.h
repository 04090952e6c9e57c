#pragma once
/// The inside of Service, for its .cc files.

#include <atomic>
#include <chrono>
#include <map>
#include <mutex>

#include "server/page/page.h"
#include "server/service/booking.h"
#include "server/service/idempotency.h"
#include "server/service/keys.h"
#include "server/service/ledger.h"
#include "server/service/metrics.h"
#include "server/service/rate_limits.h"
#include "server/service/routes.h"
#include "server/service/service.h"

namespace fathom::server {

/// One request on its way through the service.
struct Exchange {
  HttpRequest http;
  RouteMatch route;
  ErrorShape shape = ErrorShape::deepseek;
  std::string hex;                ///< its id
  const KeyEntry* key = nullptr;  ///< null: nobody asks for keys
  std::chrono::steady_clock::time_point began = std::chrono::steady_clock::now();
  std::string key_id() const { return key ? key->id : ""; }
};

struct Service::State {
  ServiceOptions options;
  std::vector<std::unique_ptr<ServedModel>> models;
  std::unique_ptr<Keys> keys;
  std::unique_ptr<Ledger> ledger;
  std::unique_ptr<ResponseStore> store;  // or none
  Metrics metrics;
  Page page;
  RateLimits rates;
  Idempotency idempotency;
  std::function<int64_t()> connections;
  std::atomic<bool> draining = false;
  std::atomic<int64_t> unwritten = 0;  ///< answers that have ended, but not in the ledger
  std::mutex mutex;
  std::map<std::string, int64_t> running;                      // answers per key; guarded by mutex
  std::map<std::string, std::shared_ptr<KeyFunds>> key_funds;  // guarded by mutex

  // service.cc
  HttpReply answer(Exchange& exchange);
  void check_host(const HttpRequest& request) const;
  void authenticate(Exchange& exchange) const;
  void check_scope(const Exchange& exchange) const;
  void limit_rate(const Exchange& exchange);
  HttpReply error_reply(const ApiError& error, ErrorShape shape, const std::string& hex) const;
  /// What is known of it before it is answered.
  RequestRecord record_of(const Exchange& exchange) const;
  void log(RequestRecord record, std::chrono::steady_clock::time_point began) const;
  void add_cors(const HttpRequest& request, HttpReply& reply) const;

  // answers.cc
  HttpReply start_answer(Exchange& exchange);
  HttpReply new_answer(Exchange& exchange);
  ApiCall read_call(const Exchange& exchange) const;
  /// A body of any dialect, for the routes that only look at it: by the query's `as`, else by its members.
  /// Throws ApiError.
  ApiCall read_any(const JsonValue& body, const Exchange& exchange) const;
  HttpReply run_answer(Exchange& exchange, ApiCall call, PreparedCall prepared, ServedModel& model);
  HttpReply inside(Exchange& exchange);
  void check_fields(const ApiCall& call) const;
  ServedModel& resolve(ApiCall& call, const Exchange& exchange);
  HttpReply count_tokens(Exchange& exchange);
  HttpReply tokenize(Exchange& exchange);
  HttpReply detokenize(Exchange& exchange);
  HttpReply apply_template(Exchange& exchange);

  // stored_responses.cc
  ResponseContext response_context(const Exchange& exchange, const JsonValue& body) const;
  /// Takes the whole answer to a call; null: it is not kept. Takes the call's items.
  std::function<void(JsonValue)> keep_response(const Exchange& exchange, ApiCall& call);
  HttpReply stored_response(const Exchange& exchange);
  HttpReply stored_items(const Exchange& exchange);
  HttpReply cancel_response(const Exchange& exchange);

  // plan.cc
  HttpReply plan(Exchange& exchange);
  HttpReply plan_table_of(const Exchange& exchange);

  // information.cc
  HttpReply list_models(const Exchange& exchange);
  HttpReply one_model(const Exchange& exchange);
  HttpReply properties();
  HttpReply balance(const Exchange& exchange);
  HttpReply ledger_rows(const Exchange& exchange);
  HttpReply ledger_groups(const LedgerQuery& ask, const std::string& group) const;
  struct Funds {
    Picos left = 0;
    Picos granted = 0;  ///< of these by the key file, which is spent before credits
  };
  /// What the exchange's key may still spend; nothing: as much as it likes.
  std::optional<Funds> funds_of(const Exchange& exchange) const;
  /// Those that its running answers share; null: no limit, or no ledger.
  std::shared_ptr<KeyFunds> shared_funds(const Exchange& exchange);
  ServedModel* find_model(const std::string& name, bool anthropic);
  bool may_use(const Exchange& exchange, const ServedModel& model) const;
  std::vector<std::string> aliases_of(const ServedModel& model) const;
};

HttpReply json_reply(const JsonValue& body, int status = 200);
/// A value of the query string, decoded; nothing if absent.
std::optional<std::string> query_value(const std::string& query, std::string_view name);
/// A number of the query, or `otherwise`. Throws ApiError.
int64_t query_number(const std::string& query, std::string_view name, int64_t low, int64_t high,
                     int64_t otherwise);

}  // namespace fathom::server
