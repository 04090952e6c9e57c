// What a request would take: tokens, state, work, time and money, without running the model.
#include <algorithm>
#include <charconv>

#include "base/error.h"
#include "engine/plan_report.h"
#include "server/api/json_text.h"
#include "server/service/service_state.h"

namespace fathom::server {
namespace {

using Object = JsonValue::Object;

JsonValue cost_object(const AnswerPrice& price) {
  return Object{{"input", json_decimal(decimal(price.input))},
                {"cached_input", json_decimal(decimal(price.cached_input))},
                {"output", json_decimal(decimal(price.output))},
                {"total", json_decimal(decimal(price.total))}};
}

JsonValue seconds_or_null(double seconds) { return seconds < 0 ? JsonValue() : JsonValue(seconds); }

// Work of the tokens from `first` to before `end`, each at its own context.
double flops_between(const CostModel& model, int64_t first, int64_t end) {
  double sum = 0;
  constexpr int64_t kExact = 1024;  // beyond it, blocks: the cost of a token grows slowly
  for (int64_t at = first; at < end;) {
    const int64_t count = std::min(at < kExact ? int64_t{1} : at / 64, end - at);
    sum += model.flops(at + count / 2 + 1).plain() * static_cast<double>(count);
    at += count;
  }
  return sum;
}

}  // namespace

HttpReply Service::State::plan(Exchange& exchange) {
  const JsonValue body = read_body(exchange.http.body);
  ApiCall call = read_any(body, exchange);
  const ServedModel& model = resolve(call, exchange);
  const PreparedCall prepared = prepare(call, model, /*counting=*/true);
  const int64_t context = model.context();
  int64_t prompt = 0, output = 0, cached = 0, kv = 0;
  double flops = 0;
  bool fits = true;
  const CostModel cost = cost_of(model.model->config(), model.name);
  for (const EngineRequest& request : prepared.requests) {
    const auto own = std::ssize(request.prompt);
    const int64_t room = std::max<int64_t>(context - own, 0);
    const int64_t answer = std::min(prepared.asked_tokens, std::max<int64_t>(room, 1));
    fits = fits && own <= context;
    int64_t hit = 0;
    if (request.cache_read && own <= context) {
      const std::string scope = exchange.key_id() + '\0' + call.user;
      hit = model.engine->cached_tokens(scope, request.prompt).value_or(0);
    }
    prompt += own;
    output += answer;
    cached += hit;
    kv += kv_state_bytes(model.model->config(), model.engine->runtime().numerics(), model.model->mtp_blocks(),
                         std::min(own + answer, context), 0)
              .total();
    flops += flops_between(cost, hit, std::min(own + answer, context));
  }
  const ModelPrice price = options.prices.at(model.name, std::time(nullptr));
  const SchedulerStats now = model.engine->stats();
  const AnswerSpeed speed = metrics.speed(model.name);
  const bool waits = std::ranges::any_of(now.queued, [](int64_t count) { return count > 0; });
  const auto known = [](double per_token, int64_t tokens) {
    return seconds_or_null(per_token < 0 ? -1 : per_token * static_cast<double>(tokens));
  };
  // By time: what the means say, or nothing while there are none.
  const double reading = std::max(speed.prompt_token, 0.0) * static_cast<double>(prompt - cached);
  const double writing = std::max(speed.answer_token, 0.0) * static_cast<double>(output);
  const auto cost_with = [&](int64_t tokens, double seconds) {
    return cost_object(price.of(prompt - cached, cached, tokens, reading + seconds, reading, seconds));
  };
  return json_reply(
      Object{{"model", model.name},
             {"prompt_tokens", json_integer(prompt)},
             {"cached_tokens", json_integer(cached)},
             {"max_tokens", json_integer(output)},
             {"context_window", json_integer(context)},
             {"fits", fits},
             {"kv_bytes", json_integer(kv)},
             {"flops", flops},
             {"seconds", Object{{"queue", waits ? seconds_or_null(speed.queue) : JsonValue(0.0)},
                                {"prefill", known(speed.prompt_token, prompt - cached)},
                                {"decode_max", known(speed.answer_token, output)}}},
             {"cost", Object{{"min", cost_with(0, 0)}, {"max", cost_with(output, writing)}}}});
}

HttpReply Service::State::plan_table_of(const Exchange& exchange) {
  const std::string& query = exchange.http.query;
  const std::string name = query_value(query, "model").value_or(models.front()->name);
  const ServedModel* model = find_model(name, false);
  if (!model || !may_use(exchange, *model)) {
    throw ApiError(404, "model_not_found",
                   "model: expected one that GET /models lists, found '" + printable(name, 64) + "'",
                   "model");
  }
  const int64_t context = query_number(query, "context", 0, kMaxPlanContext, model->context());
  const int64_t output = query_number(query, "output", 0, kMaxPlanContext, 0);
  PlanOptions plan_options;
  plan_options.contexts = {context};
  if (output > 0) plan_options.contexts.push_back(std::min(context + output, kMaxPlanContext));
  const CostModel cost = cost_of(model->model->config(), model->name);
  HttpReply reply;
  reply.body = plan_json(std::span(&cost, 1), plan_options);
  return reply;
}

}  // namespace fathom::server
