// The schemas of answers in the document that the server publishes.
#include "server/service/openapi.h"

namespace fathom::server {
namespace {

constexpr std::string_view kAnswers = R"json({
"Error": {"type": "object", "required": ["error"], "properties": {"error": {"type": "object",
  "required": ["message", "type", "param", "code"], "properties": {"message": {"type": "string"},
    "type": {"type": "string"}, "param": {"type": ["string", "null"]}, "code": {"type": "string"}}}}},
"AnthropicError": {"type": "object", "required": ["type", "error", "request_id"], "properties": {
  "type": {"const": "error"}, "error": {"type": "object", "required": ["type", "message"],
    "properties": {"type": {"type": "string"}, "message": {"type": "string"}}},
  "request_id": {"type": "string", "pattern": "^req_[0-9a-f]{32}$"}}},
"AnyError": {"anyOf": [{"$ref": "#/components/schemas/Error"}, {"$ref": "#/components/schemas/AnthropicError"}]},
"Count": {"type": "integer", "minimum": 0},
"Cost": {"type": "object", "required": ["currency", "price_table", "input", "cached_input", "output", "total",
  "seconds", "energy_joules"], "properties": {"currency": {"type": "string"}, "price_table": {"type": "string"},
  "input": {"type": "number"}, "cached_input": {"type": "number"}, "output": {"type": "number"},
  "total": {"type": "number"}, "seconds": {"type": "number"}, "energy_joules": {"type": ["number", "null"]}}},
"Fathom": {"type": "object", "properties": {"seed": {"type": "integer"}, "max_tokens": {"type": "integer"},
  "ignored": {"type": "array", "items": {"type": "string"}},
  "unenforced": {"type": "array", "items": {"type": "string"}},
  "repairs": {"type": "array", "items": {"type": "string"}}, "thinking_ended_by": {"type": "string"},
  "reasoning_restored": {"$ref": "#/components/schemas/Count"},
  "matched_tokens": {"$ref": "#/components/schemas/Count"}, "stop_detail": {"type": "string"},
  "queue_ms": {"$ref": "#/components/schemas/Count"}, "prefill_ms": {"$ref": "#/components/schemas/Count"},
  "decode_ms": {"$ref": "#/components/schemas/Count"}}},
"Usage": {"type": "object", "required": ["prompt_tokens", "completion_tokens", "total_tokens",
  "prompt_tokens_details", "completion_tokens_details", "prompt_cache_hit_tokens", "prompt_cache_miss_tokens"],
  "properties": {"prompt_tokens": {"$ref": "#/components/schemas/Count"},
  "completion_tokens": {"$ref": "#/components/schemas/Count"},
  "total_tokens": {"$ref": "#/components/schemas/Count"},
  "prompt_tokens_details": {"type": "object", "required": ["cached_tokens"]},
  "completion_tokens_details": {"type": "object", "required": ["reasoning_tokens"]},
  "prompt_cache_hit_tokens": {"$ref": "#/components/schemas/Count"},
  "prompt_cache_miss_tokens": {"$ref": "#/components/schemas/Count"}, "cost": {"type": "number"}}},
"FinishReason": {"enum": ["stop", "length", "tool_calls", "insufficient_system_resource"]},
"Logprobs": {"type": ["object", "null"]},
"TokenIds": {"type": "array", "items": {"$ref": "#/components/schemas/Count"}},
"ChatCompletion": {"type": "object", "required": ["id", "object", "created", "model", "choices", "usage",
  "system_fingerprint"], "properties": {"id": {"type": "string", "pattern": "^chatcmpl-"},
  "object": {"const": "chat.completion"}, "created": {"type": "integer"}, "model": {"type": "string"},
  "system_fingerprint": {"type": "string"}, "service_tier": {"enum": ["default", "flex", "priority"]},
  "choices": {"type": "array", "minItems": 1, "maxItems": 1, "items": {"type": "object",
    "required": ["index", "message", "logprobs", "finish_reason"], "properties": {"index": {"const": 0},
    "message": {"type": "object", "required": ["role", "content"], "properties": {"role": {"const": "assistant"},
      "content": {"type": "string"}, "reasoning_content": {"type": "string"},
      "tool_calls": {"type": "array", "minItems": 1, "items": {"type": "object",
        "required": ["index", "id", "type", "function"], "properties": {"id": {"type": "string"},
          "type": {"const": "function"}, "function": {"type": "object", "required": ["name", "arguments"],
            "properties": {"name": {"type": "string"}, "arguments": {"type": "string"}}}}}}}},
    "logprobs": {"$ref": "#/components/schemas/Logprobs"},
    "finish_reason": {"$ref": "#/components/schemas/FinishReason"},
    "token_ids": {"$ref": "#/components/schemas/TokenIds"}}}},
  "prompt_token_ids": {"$ref": "#/components/schemas/TokenIds"},
  "usage": {"$ref": "#/components/schemas/Usage"}, "cost": {"$ref": "#/components/schemas/Cost"},
  "fathom": {"$ref": "#/components/schemas/Fathom"}}},
"Completion": {"type": "object", "required": ["id", "object", "created", "model", "choices", "usage"],
  "properties": {"id": {"type": "string", "pattern": "^cmpl-"}, "object": {"const": "text_completion"},
  "created": {"type": "integer"}, "model": {"type": "string"}, "system_fingerprint": {"type": "string"},
  "choices": {"type": "array", "minItems": 1, "items": {"type": "object",
    "required": ["index", "text", "logprobs", "finish_reason"], "properties": {
    "index": {"$ref": "#/components/schemas/Count"}, "text": {"type": "string"},
    "logprobs": {"$ref": "#/components/schemas/Logprobs"},
    "finish_reason": {"$ref": "#/components/schemas/FinishReason"},
    "prompt_token_ids": {"$ref": "#/components/schemas/TokenIds"},
    "token_ids": {"$ref": "#/components/schemas/TokenIds"}}}},
  "usage": {"$ref": "#/components/schemas/Usage"}, "cost": {"$ref": "#/components/schemas/Cost"},
  "fathom": {"$ref": "#/components/schemas/Fathom"}}},
"Response": {"type": "object", "required": ["id", "object", "created_at", "status", "model", "output", "usage",
  "store", "tools", "tool_choice", "text", "metadata", "error", "incomplete_details"], "properties": {
  "id": {"type": "string", "pattern": "^resp_"}, "object": {"const": "response"},
  "created_at": {"type": "integer"}, "completed_at": {"type": ["integer", "null"]},
  "status": {"enum": ["in_progress", "completed", "incomplete", "failed"]}, "model": {"type": "string"},
  "output": {"type": "array", "items": {"type": "object", "required": ["type", "id", "status"], "properties": {
    "type": {"enum": ["reasoning", "message", "function_call", "custom_tool_call"]}, "id": {"type": "string"},
    "status": {"enum": ["in_progress", "completed", "incomplete"]}}}},
  "error": {"type": ["object", "null"]}, "incomplete_details": {"type": ["object", "null"]},
  "store": {"type": "boolean"}, "metadata": {"type": "object"}, "text": {"type": "object"},
  "tools": {"type": "array"}, "usage": {"anyOf": [{"type": "null"}, {"type": "object",
    "required": ["input_tokens", "input_tokens_details", "output_tokens", "output_tokens_details", "total_tokens"]}]},
  "cost": {"$ref": "#/components/schemas/Cost"}, "fathom": {"$ref": "#/components/schemas/Fathom"}}},
"Message": {"type": "object", "required": ["id", "type", "role", "model", "content", "stop_reason", "stop_sequence",
  "usage"], "properties": {"id": {"type": "string", "pattern": "^msg_"}, "type": {"const": "message"},
  "role": {"const": "assistant"}, "model": {"type": "string"},
  "content": {"type": "array", "items": {"type": "object", "required": ["type"],
    "properties": {"type": {"enum": ["thinking", "text", "tool_use"]}}}},
  "stop_reason": {"enum": ["end_turn", "max_tokens", "stop_sequence", "tool_use"]},
  "stop_sequence": {"type": ["string", "null"]}, "usage": {"type": "object",
    "required": ["input_tokens", "cache_creation_input_tokens", "cache_read_input_tokens", "output_tokens"]},
  "cost": {"$ref": "#/components/schemas/Cost"}, "fathom": {"$ref": "#/components/schemas/Fathom"}}},
"Events": {"type": "string"},
"Text": {"type": "string"},
"ModelObject": {"anyOf": [{"type": "object", "required": ["id", "object", "created", "owned_by", "context_window",
    "max_output_tokens", "effort", "aliases"], "properties": {"object": {"const": "model"},
    "id": {"type": "string"}, "created": {"type": "integer"}, "owned_by": {"type": "string"},
    "aliases": {"type": "array", "items": {"type": "string"}}}},
  {"type": "object", "required": ["type", "id", "display_name", "created_at", "max_input_tokens", "max_tokens"],
    "properties": {"type": {"const": "model"}, "id": {"type": "string"}}}]},
"ModelList": {"type": "object", "required": ["data"], "properties": {
  "data": {"type": "array", "items": {"$ref": "#/components/schemas/ModelObject"}},
  "object": {"const": "list"}, "has_more": {"type": "boolean"}, "first_id": {"type": ["string", "null"]},
  "last_id": {"type": ["string", "null"]}}},
"InputTokens": {"type": "object", "required": ["input_tokens"], "properties": {
  "object": {"const": "response.input_tokens"}, "input_tokens": {"$ref": "#/components/schemas/Count"}}},
"Tokens": {"type": "object", "required": ["tokens", "count", "max_model_len"], "properties": {
  "tokens": {"type": "array", "items": {"$ref": "#/components/schemas/Count"}},
  "count": {"$ref": "#/components/schemas/Count"}, "max_model_len": {"$ref": "#/components/schemas/Count"},
  "pieces": {"type": "array", "items": {"type": "object", "required": ["id"]}}}},
"DetokenizedText": {"type": "object", "required": ["text", "content", "prompt"], "properties": {
  "text": {"type": "string"}, "content": {"type": "string"}, "prompt": {"type": "string"}}},
"Prompt": {"type": "object", "required": ["prompt", "count", "special_ranges", "starts_in", "encoding"],
  "properties": {"prompt": {"type": "string"}, "count": {"$ref": "#/components/schemas/Count"},
  "special_ranges": {"type": "array", "items": {"type": "array", "minItems": 2, "maxItems": 2,
    "items": {"$ref": "#/components/schemas/Count"}}},
  "starts_in": {"enum": ["reasoning", "content", "tool_calls"]}, "encoding": {"enum": ["2026-04", "2026-08"]}}},
"PlanCost": {"type": "object", "required": ["input", "cached_input", "output", "total"], "properties": {
  "input": {"type": "number"}, "cached_input": {"type": "number"}, "output": {"type": "number"},
  "total": {"type": "number"}}},
"Plan": {"type": "object", "required": ["model", "prompt_tokens", "cached_tokens", "max_tokens", "context_window",
  "fits", "kv_bytes", "flops", "seconds", "cost"], "properties": {"model": {"type": "string"},
  "prompt_tokens": {"$ref": "#/components/schemas/Count"}, "cached_tokens": {"$ref": "#/components/schemas/Count"},
  "max_tokens": {"$ref": "#/components/schemas/Count"}, "context_window": {"$ref": "#/components/schemas/Count"},
  "fits": {"type": "boolean"}, "kv_bytes": {"$ref": "#/components/schemas/Count"}, "flops": {"type": "number"},
  "seconds": {"type": "object", "required": ["queue", "prefill", "decode_max"], "additionalProperties":
    {"type": ["number", "null"]}},
  "cost": {"type": "object", "required": ["min", "max"], "properties": {
    "min": {"$ref": "#/components/schemas/PlanCost"}, "max": {"$ref": "#/components/schemas/PlanCost"}}}}},
"InsideToken": {"type": "object", "required": ["id", "text"], "properties": {
  "id": {"$ref": "#/components/schemas/Count"}, "text": {"type": "string"}}},
"InsideLayer": {"type": "object", "required": ["layer", "kind", "ratio", "hash_routing", "experts", "sink", "window",
  "entries_visible", "entries"], "properties": {"layer": {"$ref": "#/components/schemas/Count"},
  "kind": {"enum": ["swa", "csa", "hca"]}, "ratio": {"$ref": "#/components/schemas/Count"},
  "hash_routing": {"type": "boolean"}, "experts": {"type": "array", "items": {"type": "object",
    "required": ["id", "weight"], "properties": {"id": {"$ref": "#/components/schemas/Count"},
      "weight": {"type": "number"}}}},
  "sink": {"type": "number"}, "window": {"type": "object", "required": ["from", "weights"], "properties": {
    "from": {"$ref": "#/components/schemas/Count"}, "weights": {"type": "array", "items": {"type": "number"}}}},
  "entries_visible": {"$ref": "#/components/schemas/Count"}, "entries": {"type": "array", "items": {"type": "object",
    "required": ["id", "from", "to", "weight"], "properties": {"id": {"$ref": "#/components/schemas/Count"},
      "from": {"$ref": "#/components/schemas/Count"}, "to": {"$ref": "#/components/schemas/Count"},
      "weight": {"type": "number"}, "score": {"type": "number"}}}}}},
"Inside": {"anyOf": [{"type": "object", "required": ["object", "model", "prompt_tokens", "tokens"], "properties": {
    "object": {"const": "inside.tokens"}, "model": {"type": "string"},
    "prompt_tokens": {"$ref": "#/components/schemas/Count"},
    "tokens": {"type": "array", "items": {"$ref": "#/components/schemas/InsideToken"}}}},
  {"type": "object", "required": ["object", "model", "position", "token", "experts_total", "layers", "usage"],
    "properties": {"object": {"const": "inside"}, "model": {"type": "string"},
    "position": {"$ref": "#/components/schemas/Count"}, "token": {"$ref": "#/components/schemas/InsideToken"},
    "experts_total": {"$ref": "#/components/schemas/Count"},
    "layers": {"type": "array", "items": {"$ref": "#/components/schemas/InsideLayer"}},
    "usage": {"type": "object"}, "cost": {"$ref": "#/components/schemas/Cost"},
    "fathom": {"$ref": "#/components/schemas/Fathom"}}}]},
"PlanTable": {"type": ["object", "array"]},
"Status": {"type": "object", "required": ["status"], "properties": {
  "status": {"enum": ["ok", "ready", "loading", "draining"]}}},
"Properties": {"type": "object", "required": ["build", "models", "price_table", "currency"], "properties": {
  "build": {"type": "string"}, "models": {"type": "array", "minItems": 1, "items": {"type": "object"}},
  "price_table": {"type": "string"}, "currency": {"type": "string"}}},
"Balance": {"type": "object", "required": ["is_available", "balance_infos"], "properties": {
  "is_available": {"type": "boolean"}, "balance_infos": {"type": "array", "items": {"type": "object",
    "required": ["currency", "total_balance", "granted_balance", "topped_up_balance"]}}}},
"DeletedResponse": {"type": "object", "required": ["id", "object", "deleted"], "properties": {
  "object": {"const": "response.deleted"}, "deleted": {"const": true}}},
"ItemList": {"type": "object", "required": ["object", "data", "first_id", "last_id", "has_more"], "properties": {
  "object": {"const": "list"}, "data": {"type": "array", "items": {"type": "object"}},
  "has_more": {"type": "boolean"}}},
"LedgerRows": {"type": "object", "required": ["object", "data", "totals", "has_more", "next_cursor"], "properties": {
  "object": {"const": "list"}, "data": {"type": "array", "items": {"type": "object"}},
  "totals": {"type": "object"}, "has_more": {"type": "boolean"}, "next_cursor": {"type": ["string", "null"]}}},
"OpenApi": {"type": "object", "required": ["openapi", "info", "paths"]}
})json";

}  // namespace

std::string_view answer_schemas() { return kAnswers; }

}  // namespace fathom::server
