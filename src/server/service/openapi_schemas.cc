// The schemas of the document that the server publishes: requests and answers as api.md has them.
#include "server/service/openapi.h"

namespace fathom::server {
namespace {

// What several dialects take.
constexpr std::string_view kShared = R"json({
"Model": {"type": "string", "minLength": 1},
"Sampling": {"type": "object", "properties": {
  "temperature": {"type": ["number", "null"], "minimum": 0, "maximum": 2},
  "top_p": {"type": ["number", "null"], "exclusiveMinimum": 0, "maximum": 1},
  "top_k": {"type": ["integer", "null"], "minimum": 0},
  "min_p": {"type": ["number", "null"], "minimum": 0, "maximum": 1},
  "repetition_penalty": {"type": ["number", "null"], "minimum": 0.01, "maximum": 10},
  "frequency_penalty": {"type": ["number", "null"], "minimum": -2, "maximum": 2},
  "presence_penalty": {"type": ["number", "null"], "minimum": -2, "maximum": 2},
  "logit_bias": {"type": ["object", "null"], "maxProperties": 1024, "propertyNames": {"pattern": "^[0-9]+$"},
    "additionalProperties": {"type": "number", "minimum": -100, "maximum": 100}},
  "seed": {"type": ["integer", "null"], "minimum": 0, "maximum": 9223372036854775807},
  "thinking_budget": {"type": ["integer", "null"], "minimum": 0},
  "answer_reserve": {"type": ["integer", "null"], "minimum": 0},
  "sampling": {"enum": ["deepseek", "as_given", null]},
  "loop_guard": {"type": ["boolean", "null"]},
  "cache": {"type": ["object", "null"], "properties": {"read": {"type": ["boolean", "null"]},
    "write": {"type": ["boolean", "null"]}}},
  "user": {"type": ["string", "null"], "maxLength": 512},
  "user_id": {"type": ["string", "null"], "maxLength": 512},
  "stream": {"type": ["boolean", "null"]}}},
"Thinking": {"type": ["object", "null"], "required": ["type"], "properties": {
  "type": {"enum": ["enabled", "disabled", "adaptive"]},
  "budget_tokens": {"type": ["integer", "null"], "minimum": 1}}},
"Effort": {"enum": ["none", "minimal", "low", "medium", "high", "xhigh", "max", "ultra", null]},
"Stop": {"anyOf": [{"type": "null"}, {"type": "string", "minLength": 1, "maxLength": 1024},
  {"type": "array", "maxItems": 16, "items": {"type": "string", "minLength": 1, "maxLength": 1024}}]},
"StreamOptions": {"type": ["object", "null"], "properties": {"include_usage": {"type": ["boolean", "null"]}}},
"JsonSchema": {"type": ["object", "boolean"]},
"FlatFormat": {"type": ["object", "null"], "required": ["type"], "properties": {
  "type": {"enum": ["text", "json_object", "json_schema", "regex", "grammar"]},
  "schema": {"$ref": "#/components/schemas/JsonSchema"}, "strict": {"type": ["boolean", "null"]},
  "regex": {"type": "string"}, "grammar": {"type": "string"}}},
"Format": {"type": ["object", "null"], "required": ["type"], "properties": {
  "type": {"enum": ["text", "json_object", "json_schema", "regex", "grammar"]},
  "json_schema": {"type": "object", "required": ["schema"], "properties": {
    "schema": {"$ref": "#/components/schemas/JsonSchema"}, "strict": {"type": ["boolean", "null"]}}},
  "regex": {"type": "string"}, "grammar": {"type": "string"}}}
})json";

constexpr std::string_view kRequests = R"json({
"ContentParts": {"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "object", "required": ["type"],
  "properties": {"type": {"enum": ["text", "refusal", "image_url", "file"]}, "text": {"type": "string"},
    "refusal": {"type": "string"}}}}]},
"ChatMessage": {"type": "object", "required": ["role"], "properties": {
  "role": {"enum": ["system", "developer", "user", "assistant", "tool", "latest_reminder"]},
  "content": {"anyOf": [{"type": "null"}, {"$ref": "#/components/schemas/ContentParts"}]},
  "reasoning_content": {"type": ["string", "null"]}, "prefix": {"type": ["boolean", "null"]},
  "tool_calls": {"type": ["array", "null"], "minItems": 1, "items": {"type": "object",
    "required": ["id", "type", "function"], "properties": {"id": {"type": "string"}, "type": {"const": "function"},
      "function": {"type": "object", "required": ["name", "arguments"],
        "properties": {"name": {"type": "string"}, "arguments": {"type": "string"}}}}}},
  "tool_call_id": {"type": ["string", "null"]}}},
"ChatRequest": {"allOf": [{"$ref": "#/components/schemas/Sampling"}, {"type": "object",
  "required": ["model", "messages"], "properties": {
  "model": {"$ref": "#/components/schemas/Model"},
  "messages": {"type": "array", "minItems": 1, "maxItems": 100000,
    "items": {"$ref": "#/components/schemas/ChatMessage"}},
  "thinking": {"$ref": "#/components/schemas/Thinking"},
  "reasoning_effort": {"$ref": "#/components/schemas/Effort"},
  "max_tokens": {"type": ["integer", "null"], "minimum": 1, "maximum": 393216},
  "max_completion_tokens": {"type": ["integer", "null"], "minimum": 1, "maximum": 393216},
  "stop": {"$ref": "#/components/schemas/Stop"},
  "stream_options": {"$ref": "#/components/schemas/StreamOptions"},
  "response_format": {"$ref": "#/components/schemas/Format"},
  "tools": {"type": ["array", "null"], "maxItems": 1024, "items": {"type": "object", "required": ["type", "function"],
    "properties": {"type": {"const": "function"}, "function": {"$ref": "#/components/schemas/Function"}}}},
  "tool_choice": {"anyOf": [{"enum": ["none", "auto", "required", null]}, {"type": "object", "required": ["type"],
    "properties": {"type": {"enum": ["function", "allowed_tools"]}}}]},
  "parallel_tool_calls": {"type": ["boolean", "null"]},
  "logprobs": {"type": ["boolean", "null"]},
  "top_logprobs": {"type": ["integer", "null"], "minimum": 0, "maximum": 20},
  "return_token_ids": {"type": ["boolean", "null"]},
  "n": {"enum": [1, null]}, "service_tier": {"type": ["string", "null"]},
  "modalities": {"type": ["array", "null"], "items": {"const": "text"}}}}]},
"Function": {"type": "object", "required": ["name"], "properties": {
  "name": {"type": "string", "pattern": "^[A-Za-z0-9_-]{1,128}$"}, "description": {"type": ["string", "null"]},
  "parameters": {"type": ["object", "null"], "required": ["type"], "properties": {"type": {"const": "object"}}},
  "strict": {"type": ["boolean", "null"]}}},
"CompletionRequest": {"allOf": [{"$ref": "#/components/schemas/Sampling"}, {"type": "object",
  "required": ["model", "prompt"], "properties": {
  "model": {"$ref": "#/components/schemas/Model"},
  "prompt": {"anyOf": [{"type": "string"}, {"type": "array", "minItems": 1, "maxItems": 128,
      "items": {"type": "string"}},
    {"type": "array", "minItems": 1, "items": {"type": "integer", "minimum": 0}},
    {"type": "array", "minItems": 1, "maxItems": 128, "items": {"type": "array", "minItems": 1,
      "items": {"type": "integer", "minimum": 0}}}]},
  "suffix": {"type": ["string", "null"]},
  "max_tokens": {"type": ["integer", "null"], "minimum": 0, "maximum": 393216},
  "echo": {"type": ["boolean", "null"]},
  "logprobs": {"type": ["integer", "null"], "minimum": 0, "maximum": 20},
  "stop": {"$ref": "#/components/schemas/Stop"},
  "stream_options": {"$ref": "#/components/schemas/StreamOptions"},
  "response_format": {"$ref": "#/components/schemas/Format"},
  "parse_special": {"type": ["boolean", "null"]}, "return_token_ids": {"type": ["boolean", "null"]},
  "n": {"enum": [1, null]}, "best_of": {"enum": [1, null]}, "service_tier": {"type": ["string", "null"]}}}]},
"ResponseRequest": {"allOf": [{"$ref": "#/components/schemas/Sampling"}, {"type": "object", "required": ["model"],
  "properties": {
  "model": {"$ref": "#/components/schemas/Model"},
  "input": {"anyOf": [{"type": "null"}, {"type": "string"},
    {"type": "array", "maxItems": 100000, "items": {"type": "object"}}]},
  "instructions": {"type": ["string", "null"]},
  "previous_response_id": {"type": ["string", "null"]},
  "store": {"type": ["boolean", "null"]},
  "reasoning": {"type": ["object", "null"], "properties": {"effort": {"$ref": "#/components/schemas/Effort"},
    "summary": {"enum": ["auto", "concise", "detailed", null]}}},
  "max_output_tokens": {"type": ["integer", "null"], "minimum": 1, "maximum": 393216},
  "top_logprobs": {"type": ["integer", "null"], "minimum": 0, "maximum": 20},
  "stop": {"$ref": "#/components/schemas/Stop"},
  "text": {"type": ["object", "null"], "properties": {"format": {"$ref": "#/components/schemas/FlatFormat"}}},
  "tools": {"type": ["array", "null"], "maxItems": 1024, "items": {"type": "object", "required": ["type"],
    "properties": {"type": {"type": "string"}}}},
  "tool_choice": {"anyOf": [{"enum": ["none", "auto", "required", null]}, {"type": "object", "required": ["type"],
    "properties": {"type": {"enum": ["function", "custom", "allowed_tools"]}}}]},
  "parallel_tool_calls": {"type": ["boolean", "null"]},
  "include": {"type": ["array", "null"], "maxItems": 64, "items": {"type": "string"}},
  "metadata": {"type": ["object", "null"], "maxProperties": 16, "propertyNames": {"maxLength": 64},
    "additionalProperties": {"type": "string", "maxLength": 512}},
  "background": {"enum": [false, null]}, "service_tier": {"type": ["string", "null"]}}}]},
"MessagesRequest": {"allOf": [{"$ref": "#/components/schemas/Sampling"}, {"type": "object",
  "required": ["model", "messages"], "properties": {
  "model": {"$ref": "#/components/schemas/Model"},
  "messages": {"type": "array", "minItems": 1, "maxItems": 100000, "items": {"type": "object",
    "required": ["role", "content"], "properties": {"role": {"enum": ["user", "assistant", "system"]},
      "content": {"anyOf": [{"type": "string"}, {"type": "array", "minItems": 1, "items": {"type": "object",
        "required": ["type"], "properties": {"type": {"type": "string"}}}}]}}}},
  "system": {"anyOf": [{"type": "null"}, {"type": "string"}, {"type": "array", "items": {"type": "object",
    "required": ["type", "text"], "properties": {"type": {"const": "text"}, "text": {"type": "string"}}}}]},
  "max_tokens": {"type": ["integer", "null"], "minimum": 0},
  "thinking": {"$ref": "#/components/schemas/Thinking"},
  "output_config": {"type": ["object", "null"], "properties": {"effort": {"$ref": "#/components/schemas/Effort"},
    "format": {"$ref": "#/components/schemas/FlatFormat"}}},
  "stop_sequences": {"type": ["array", "null"], "maxItems": 16,
    "items": {"type": "string", "minLength": 1, "maxLength": 1024}},
  "tools": {"type": ["array", "null"], "maxItems": 1024, "items": {"type": "object", "required": ["name"],
    "properties": {"name": {"type": "string", "pattern": "^[A-Za-z0-9_-]{1,128}$"},
      "description": {"type": ["string", "null"]}, "input_schema": {"type": ["object", "null"]},
      "type": {"enum": ["custom", null]}}}},
  "tool_choice": {"type": ["object", "null"], "required": ["type"], "properties": {
    "type": {"enum": ["auto", "any", "tool", "none"]}, "name": {"type": ["string", "null"]},
    "disable_parallel_tool_use": {"type": ["boolean", "null"]}}},
  "metadata": {"type": ["object", "null"], "properties": {"user_id": {"type": ["string", "null"], "maxLength": 512}}},
  "service_tier": {"enum": ["auto", "standard_only", null]}}}]},
"PromptRequest": {"anyOf": [{"$ref": "#/components/schemas/ChatRequest"},
  {"$ref": "#/components/schemas/ResponseRequest"}, {"$ref": "#/components/schemas/MessagesRequest"}]},
"PlanRequest": {"anyOf": [{"$ref": "#/components/schemas/PromptRequest"},
  {"$ref": "#/components/schemas/CompletionRequest"}]},
"InsideRequest": {"allOf": [{"$ref": "#/components/schemas/PlanRequest"}, {"type": "object", "properties": {
  "answer_ids": {"type": ["array", "null"], "items": {"type": "integer", "minimum": 0, "maximum": 2147483647}},
  "position": {"type": ["integer", "null"], "minimum": 0}}}]},
"TokenizeRequest": {"anyOf": [{"type": "object", "properties": {"text": {"type": "string"},
    "content": {"type": "string"}, "prompt": {"type": "string"}, "model": {"$ref": "#/components/schemas/Model"},
    "add_special": {"type": "boolean"}, "parse_special": {"type": "boolean"}, "with_pieces": {"type": "boolean"}}},
  {"$ref": "#/components/schemas/PromptRequest"}]},
"DetokenizeRequest": {"type": "object", "required": ["tokens"], "properties": {
  "tokens": {"type": "array", "items": {"type": "integer", "minimum": 0, "maximum": 2147483647}},
  "model": {"$ref": "#/components/schemas/Model"}}}
})json";

}  // namespace

std::string_view shared_schemas() { return kShared; }
std::string_view request_schemas() { return kRequests; }

}  // namespace fathom::server
