#pragma once
/// What the log says of a request: no prompt text, unless it is asked for.

#include <chrono>
#include <functional>
#include <string>

#include "engine/price.h"
#include "engine/serving/request.h"
#include "server/http/http.h"

namespace fathom::server {

struct RequestRecord {
  std::string request_id, client_request_id;
  std::string trace_id, parent_id, tracestate;  ///< W3C trace context, if the client sent a good one
  std::string method, route, key, user, model, mode, status;
  int code = 200;
  std::string error;  ///< the code of a refusal, or what failed
  bool stream = false;
  bool joined = false;  ///< an answer that another request has asked for (Idempotency-Key)
  AnswerStats stats;
  double seconds = 0;  ///< from the whole request to the end of the answer
  std::string cost;    ///< decimal text; empty: none
  Picos price = 0;     ///< the same
  std::string body;    ///< only with --log-prompts
};

using RequestLog = std::function<void(const RequestRecord&)>;

/// Takes `traceparent`, `tracestate` and `x-client-request-id` where they are well formed.
void read_trace(const HttpRequest& request, RequestRecord& out);
/// The record's members as JSON, without braces: "\"request_id\":\"req_...\",...". Empty ones are left out.
std::string record_members(const RequestRecord& record);

}  // namespace fathom::server
