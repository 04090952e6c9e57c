#include "server/api/api_error.h"

namespace fathom::server {

std::string_view error_type(int status, ErrorShape shape) {
  const bool anthropic = shape == ErrorShape::anthropic;
  switch (status) {
    case 401:
      return "authentication_error";
    case 402:
      return "billing_error";
    case 403:
      return "permission_error";
    case 404:
      return "not_found_error";
    case 408:
      return "timeout_error";
    case 413:
    case 414:
    case 431:
      return anthropic ? "request_too_large" : "invalid_request_error";
    case 429:
      return "rate_limit_error";
    case 500:
      return anthropic ? "api_error" : "server_error";
    case 503:
      return "overloaded_error";
    default:
      return "invalid_request_error";
  }
}

JsonValue error_body(const ApiError& error, ErrorShape shape, const std::string& request_id) {
  const std::string type(error_type(error.status, shape));
  if (shape == ErrorShape::anthropic) {
    return JsonValue::Object{{"type", "error"},
                             {"error", JsonValue::Object{{"type", type}, {"message", error.message}}},
                             {"request_id", request_id}};
  }
  return JsonValue::Object{
      {"error", JsonValue::Object{{"message", error.message},
                                  {"type", type},
                                  {"param", error.param.empty() ? JsonValue() : JsonValue(error.param)},
                                  {"code", error.code.empty() ? type : error.code}}}};
}

}  // namespace fathom::server
