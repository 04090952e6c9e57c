// The route of the inside view: a request whose prompt ends with the token that is looked into. It goes the
// way of an answer, with its checks, limits, price and ledger row, and writes nothing.
#include <algorithm>

#include "base/error.h"
#include "server/api/json_text.h"
#include "server/service/service_state.h"

namespace fathom::server {
namespace {

// Prompt and answer as ids. Throws ApiError.
std::vector<int32_t> all_ids(std::vector<int32_t> prompt, const std::vector<int64_t>& answer,
                             const ServedModel& model) {
  const int64_t vocab = model.model->config().vocab_size;
  for (size_t i = 0; i < answer.size(); ++i) {
    const int64_t id = answer[i];
    if (id >= vocab) refuse(fmt::format("answer_ids[{}]", i), "expected an id below {}, found {}", vocab, id);
    prompt.push_back(static_cast<int32_t>(id));
  }
  if (std::ssize(prompt) > model.context()) {
    throw ApiError(400, "context_length_exceeded",
                   fmt::format("answer_ids: expected at most {} tokens with the prompt, found {}",
                               model.context(), prompt.size()),
                   "answer_ids");
  }
  return prompt;
}

HttpReply token_list(const ServedModel& model, const std::vector<int32_t>& ids, int64_t prompt) {
  JsonValue::Array tokens;
  tokens.reserve(ids.size());
  for (const int32_t id : ids) tokens.push_back(inside_token(id, model.tokenizer->token_bytes(id)));
  return json_reply(JsonValue::Object{{"object", "inside.tokens"},
                                      {"model", model.name},
                                      {"prompt_tokens", json_integer(prompt)},
                                      {"tokens", std::move(tokens)}});
}

}  // namespace

HttpReply Service::State::inside(Exchange& exchange) {
  JsonValue body = read_body(exchange.http.body);
  ApiCall::Inside wanted = take_inside(body);
  ApiCall call = read_any(body, exchange);
  check_fields(call);
  if (call.stream) refuse("stream", "expected false, found true: an inside view comes whole");
  if (call.prompts.size() > 1) refuse("prompt", "expected one prompt, found {}", call.prompts.size());
  ServedModel& model = resolve(call, exchange);
  PreparedCall prepared = prepare(call, model, /*counting=*/true);
  EngineRequest& request = prepared.requests.front();
  const auto prompt = std::ssize(request.prompt);
  std::vector<int32_t> ids = all_ids(std::move(request.prompt), wanted.answer_ids, model);
  if (!wanted.position) return token_list(model, ids, prompt);
  if (*wanted.position >= std::ssize(ids))
    refuse("position", "expected one of {} tokens, found {}", ids.size(), *wanted.position);
  ids.resize(static_cast<size_t>(*wanted.position) + 1);
  call.inside = std::move(wanted);
  request.prompt = std::move(ids);
  request.inside = true;
  request.options.max_tokens = 0;
  request.options.raw = true;
  request.prompt_logprobs = -1;
  call.max_tokens = 0;
  prepared.mode = "inside";  // its times are no answer's
  return run_answer(exchange, std::move(call), std::move(prepared), model);
}

}  // namespace fathom::server
