#pragma once
/// ApiCall: a request of any dialect, read and checked, before a model is looked at.

#include <functional>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "server/api/fields.h"
#include "text/api_prompt.h"

namespace fathom::server {

enum class Dialect { chat, completions, responses, messages };

/// The greatest answer that may be asked for.
inline constexpr int64_t kMaxAnswerTokens = 393216;

/// A tool as its caller named it.
struct ToolInfo {
  std::string name;        ///< in the prompt
  std::string local_name;  ///< what calls are reported under, with `space`
  std::string space;       ///< Responses: the namespace
  bool custom = false;     ///< Responses: one string, `input`
  bool strict = false;
  bool callable = true;
};

struct ApiCall {
  Dialect dialect = Dialect::chat;
  std::string model;
  ApiRequest request;  ///< but for thinking, which the model's encoding decides (below)
  std::vector<ToolInfo> tools;
  std::optional<bool> thinking_enabled;
  std::string effort;  ///< empty: not given

  std::optional<int64_t> max_tokens, thinking_budget, answer_reserve;
  std::optional<double> temperature, top_p, min_p, repetition_penalty, presence_penalty, frequency_penalty;
  std::optional<int64_t> top_k, seed;
  std::vector<std::pair<int64_t, double>> logit_bias;
  bool sampling_as_given = false;
  std::vector<std::string> stops;
  bool logprobs = false;
  int64_t top_logprobs = 0;
  bool return_token_ids = false;  ///< chat and completions

  bool stream = false, include_usage = false;
  bool single_call = false;
  bool thinking_hidden = false;  ///< Messages: display "omitted"
  std::string user;
  std::string service_tier;
  bool cache_read = true, cache_write = true;
  bool loop_guard = true;
  bool json_object = false;    ///< the answer must be a JSON object
  std::string regex, grammar;  ///< what the answer must match, or empty
  bool strict_schema = false;  ///< request.schema is to be completed before it is enforced

  // Completions.
  using RawPrompt = std::variant<std::string, std::vector<int64_t>>;
  std::vector<RawPrompt> prompts;
  std::optional<std::string> suffix;
  bool echo = false, parse_special = false;

  // Responses: the settings as they were asked for, which the object repeats.
  JsonValue::Object settings;
  bool store = false;            ///< the answer is kept
  JsonValue::Array input_items;  ///< if so: all of them, those of earlier responses first

  /// The inside view is wanted, not an answer: of the token at a position of prompt and answer, or the list
  /// of all tokens.
  struct Inside {
    std::vector<int64_t> answer_ids;
    std::optional<int64_t> position;
  };
  std::optional<Inside> inside;

  IgnoredFields ignored;
};

/// Reads a body (an object). Throws ApiError naming the field.
ApiCall read_chat(const JsonValue& body);
ApiCall read_completions(const JsonValue& body);
ApiCall read_messages_request(const JsonValue& body, bool counting = false);
/// What a store of earlier responses adds to a request.
struct ResponseContext {
  bool keeps = false;                      ///< there is a store
  std::optional<JsonValue::Array> before;  ///< items of previous_response_id, if it was found
  /// The item of an item_reference.
  std::function<std::optional<JsonValue>(const std::string& id)> item;
};
ApiCall read_responses(const JsonValue& body, const ResponseContext& context = {});
/// Takes the members of the inside view out of a body.
ApiCall::Inside take_inside(JsonValue& body);

}  // namespace fathom::server
