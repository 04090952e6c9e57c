#pragma once
/// The table of paths. Source: api.md section 1.

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "server/api/api_error.h"

namespace fathom::server {

enum class Route {
  chat,
  completions,
  responses,
  response,  ///< a stored one
  response_items,
  response_cancel,
  input_tokens,
  messages,
  count_tokens,
  models,
  model,
  tokenize,
  detokenize,
  apply_template,
  inside,        ///< what the model did with a token
  plan_request,  ///< what a request would take (POST); GET: the table of a model
  health,
  ready,
  metrics,
  props,
  openapi,
  balance,
  ledger,
  page,  ///< `/` and its files; id: the path
};

struct RouteMatch {
  Route route;
  std::string_view name;     ///< for metrics and the ledger: "/v1/chat/completions"
  std::string_view methods;  ///< "GET, HEAD", "POST", ...
  std::string id;            ///< of models, responses and the page
};

/// A path as it may be asked for; {id} stands for an id.
struct PathRow {
  std::string path;
  Route route;
  std::string_view name, methods;  ///< as of RouteMatch
};
/// Every path of the table.
std::vector<PathRow> all_paths();

/// Nothing: no such path.
std::optional<RouteMatch> find_route(std::string_view path);
/// Whose errors a path speaks.
ErrorShape error_shape(std::string_view path);

}  // namespace fathom::server
