#pragma once
/// Fields that several dialects share.

#include "server/api/call.h"

namespace fathom::server {

/// temperature, top_p, top_k, min_p, penalties, logit_bias, seed, sampling, cache, loop_guard,
/// thinking_budget, answer_reserve.
void read_sampling(Fields& fields, ApiCall& call);
/// A string or a list of at most 16, each of 1..1024 bytes.
void read_stops(Fields& fields, std::string_view key, ApiCall& call);
/// user_id and its alias user.
void read_user(Fields& fields, ApiCall& call);
/// thinking: {type, budget_tokens, display}.
void read_thinking(Fields& fields, ApiCall& call);
void read_effort(Fields& fields, std::string_view key, ApiCall& call);
void read_stream(Fields& fields, ApiCall& call);

/// Checks a tool's name and adds it. `parameters` may be null. strict: members missing in its objects are
/// filled in.
/// @param where path of the tool; `parameters_key` names its schema in messages
void add_tool(ApiCall& call, ToolInfo info, const JsonValue* description, const JsonValue* parameters,
              const std::string& where, std::string_view parameters_key);
/// tool_choice as a word, or the mode of allowed tools. `given` is the field's value, for the message.
void set_tool_choice(ApiCall& call, const std::string& word, const JsonValue& given);
/// Index of the tool `name`. Throws at `path` if there is none.
size_t tool_index(const ApiCall& call, const std::string& name, const std::string& path);

/// Whether a JSON Schema is well formed as far as the prompt's reader needs it. Throws ApiError at `path`.
void check_schema(const JsonValue& schema, const std::string& path);
/// The schema with `additionalProperties` false and `required` complete in every object. Throws ApiError if
/// it says otherwise.
JsonValue strict_schema(const JsonValue& schema, const std::string& path);

/// Each call has exactly one result right after its turn, and the other way round. `path(i)` names message i.
void check_results(const std::vector<ChatMessage>& messages, const std::vector<std::string>& paths,
                   std::string_view result_key);

}  // namespace fathom::server
