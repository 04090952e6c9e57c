#include "server/service/served_model.h"

#include <algorithm>

#include "base/error.h"
#include "server/service/constraints.h"
#include "server/service/ids.h"
#include "text/fim.h"

namespace fathom::server {
namespace {

void check_bias(const ApiCall& call, const ServedModel& model, SamplingParams& out) {
  const int64_t vocab = model.model->config().vocab_size;
  for (const auto& [id, bias] : call.logit_bias) {
    if (id >= vocab)
      refuse(fmt::format("logit_bias.{}", id), "expected a token id below {}, found {}", vocab, id);
    out.logit_bias.emplace_back(static_cast<int32_t>(id), bias);
  }
}

// DeepSeek's rule: in thinking mode temperature, penalties and the rest are not the caller's.
SamplingParams sampling_of(const ApiCall& call, const ServedModel& model, bool thinking, PreparedCall& out) {
  SamplingParams params;
  check_bias(call, model, params);
  if (thinking && !call.sampling_as_given) {
    params.top_p =
        call.tools.empty() || call.request.tool_choice == ApiRequest::ToolChoice::none ? 1.0 : 0.95;
    const std::pair<const char*, bool> given[] = {{"temperature", call.temperature.has_value()},
                                                  {"top_p", call.top_p.has_value()},
                                                  {"top_k", call.top_k.has_value()},
                                                  {"min_p", call.min_p.has_value()},
                                                  {"repetition_penalty", call.repetition_penalty.has_value()},
                                                  {"presence_penalty", call.presence_penalty.has_value()},
                                                  {"frequency_penalty", call.frequency_penalty.has_value()}};
    for (const auto& [name, is_given] : given) {
      if (is_given) out.ignored.emplace_back(name);
    }
    return params;
  }
  params.temperature = call.temperature.value_or(1);
  params.top_p = call.top_p.value_or(1);
  params.top_k = call.top_k.value_or(0);
  params.min_p = call.min_p.value_or(0);
  params.repetition_penalty = call.repetition_penalty.value_or(1);
  params.presence_penalty = call.presence_penalty.value_or(0);
  params.frequency_penalty = call.frequency_penalty.value_or(0);
  return params;
}

// Of the effort that the encoder takes; none is its default.
const char* mode_name(Effort effort, Generation generation) {
  switch (effort) {
    case Effort::low:
      return "low";
    case Effort::high:
      return "high";
    case Effort::max:
      return "max";
    case Effort::none:
      break;
  }
  return generation == Generation::v2026_04 ? "high" : "low";
}

std::vector<int32_t> completion_ids(const ApiCall& call, const ServedModel& model,
                                    const ApiCall::RawPrompt& prompt, size_t index) {
  const int32_t bos = model.setup.bos;
  std::vector<int32_t> ids;
  if (const auto* text = std::get_if<std::string>(&prompt)) {
    if (call.suffix) return prompt_ids(*model.tokenizer, fim_prompt(*text, *call.suffix));
    ids = model.tokenizer->encode(*text, call.parse_special);
  } else {
    const int64_t vocab = model.model->config().vocab_size;
    for (const int64_t id : std::get<std::vector<int64_t>>(prompt)) {
      if (id >= vocab) {
        throw ApiError(400, "",
                       fmt::format("prompt[{}]: expected token ids below {}, found {}", index, vocab, id),
                       "prompt");
      }
      ids.push_back(static_cast<int32_t>(id));
    }
  }
  if (ids.empty() || ids.front() != bos) ids.insert(ids.begin(), bos);
  return ids;
}

void limit_tokens(const ApiCall& call, const ServedModel& model, int64_t most, EngineRequest& request,
                  PreparedCall& out) {
  const auto prompt = static_cast<int64_t>(request.prompt.size());
  if (prompt > model.context()) {
    throw ApiError(400, "context_length_exceeded",
                   fmt::format("messages: expected at most {} tokens, found {}", model.context(), prompt),
                   "messages");
  }
  const int64_t room = std::max<int64_t>(model.context() - prompt, 1);
  if (most > room) {
    most = room;
    if (call.max_tokens) out.lowered_max_tokens = room;
  }
  request.options.max_tokens = most;
}

}  // namespace

PreparedCall prepare(const ApiCall& call, const ServedModel& model, bool counting) {
  PreparedCall out;
  out.seed = call.seed ? static_cast<uint64_t>(*call.seed) : random_seed();
  EngineRequest base;
  base.user = call.user;
  base.cache_read = call.cache_read;
  base.cache_write = call.cache_write;
  AnswerOptions& options = base.options;
  options.seed = out.seed;
  options.stop_tokens = model.setup.stop_tokens;
  options.stops = call.stops;
  options.logprobs = call.logprobs ? call.top_logprobs : -1;
  options.token_ids = call.return_token_ids;
  options.loop_guard = call.loop_guard;
  options.single_call = call.single_call;

  if (call.dialect == Dialect::completions) {
    options.raw = true;
    out.asked_tokens = call.max_tokens.value_or(4096);
    options.sampling = sampling_of(call, model, false, out);
    if (call.echo && call.logprobs) base.prompt_logprobs = call.top_logprobs;
    for (size_t i = 0; i < call.prompts.size(); ++i) {
      EngineRequest request = base;
      if (!counting) request.options.constraint = make_constraint(call, model, {}, out.unenforced);
      request.prompt = completion_ids(call, model, call.prompts[i], i);
      if (call.echo) {
        const auto* text = std::get_if<std::string>(&call.prompts[i]);
        out.echoed.push_back(text ? *text : model.tokenizer->decode(request.prompt, true));
      }
      if (!counting) limit_tokens(call, model, out.asked_tokens, request, out);
      out.requests.push_back(std::move(request));
    }
    return out;
  }

  ApiRequest request = call.request;
  request.thinking = api_thinking(call.thinking_enabled, call.effort, model.setup.generation);
  try {
    out.prompt = render_api_request(request, model.setup.generation);
  } catch (const Error& error) {
    const std::string path = error.message().substr(0, error.message().find(':'));
    throw ApiError(400, "", error.message(), path);
  }
  const bool thinking = request.thinking.mode == ThinkingMode::thinking;
  if (thinking) out.mode = mode_name(request.thinking.effort, model.setup.generation);
  out.starts_reasoning = out.prompt.completion.start == CompletionOptions::Start::reasoning;
  // Before the prompt is tokenized: a schema beyond all bounds is in it too.
  if (!counting) options.constraint = make_constraint(call, model, out.prompt, out.unenforced);
  base.prompt = prompt_ids(*model.tokenizer, out.prompt.prompt);
  options.completion = out.prompt.completion;
  options.sampling = sampling_of(call, model, thinking, out);
  options.forced_after_thinking = prompt_ids(*model.tokenizer, out.prompt.forced_after_thinking);
  out.asked_tokens = call.max_tokens.value_or(default_max_tokens(request.thinking));
  if (!counting) limit_tokens(call, model, out.asked_tokens, base, out);
  options.thinking_budget = call.thinking_budget.value_or(-1);
  if (out.starts_reasoning && options.max_tokens >= 64)
    options.answer_reserve = call.answer_reserve.value_or(std::min<int64_t>(options.max_tokens / 4, 4096));
  out.requests.push_back(std::move(base));
  return out;
}

std::string fingerprint_of(const Model& model, const Runtime<float>& runtime, Generation generation,
                           std::string_view version) {
  uint64_t hash = 0xCBF29CE484222325;
  const auto add = [&](std::string_view text) {
    for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001B3;
  };
  add(version);
  add(model.weights().checkpoint().config_json());
  add(name(runtime.numerics().mode));
  add(name(runtime.target()));
  add(name(generation));
  return fmt::format("fp_{:012x}", hash >> 16);
}

}  // namespace fathom::server
