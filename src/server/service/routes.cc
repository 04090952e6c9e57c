#include "server/service/routes.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <cctype>

#include "server/page/page.h"

namespace fathom::server {
namespace {

struct Row {
  std::string_view path;  // without prefix
  Route route;
  std::string_view name, methods;
};

constexpr std::string_view kPost = "POST", kGet = "GET, HEAD";

constexpr std::array<std::string_view, 4> kOpenAiPrefixes = {"/beta/v1", "/beta", "/v1", ""};
constexpr std::array<std::string_view, 3> kAnthropicPrefixes = {"/anthropic/v1", "/anthropic", "/v1"};

// Under kOpenAiPrefixes.
constexpr std::array kOpenAi = {
    Row{"/chat/completions", Route::chat, "/v1/chat/completions", kPost},
    Row{"/completions", Route::completions, "/v1/completions", kPost},
    Row{"/responses", Route::responses, "/v1/responses", kPost},
    Row{"/responses/input_tokens", Route::input_tokens, "/v1/responses/input_tokens", kPost},
    Row{"/models", Route::models, "/v1/models", kGet},
};
// Under kAnthropicPrefixes.
constexpr std::array kAnthropic = {
    Row{"/messages", Route::messages, "/v1/messages", kPost},
    Row{"/messages/count_tokens", Route::count_tokens, "/v1/messages/count_tokens", kPost},
};
constexpr std::array kLocal = {
    Row{"/tokenize", Route::tokenize, "/tokenize", kPost},
    Row{"/detokenize", Route::detokenize, "/detokenize", kPost},
    Row{"/apply_template", Route::apply_template, "/apply_template", kPost},
    Row{"/apply-template", Route::apply_template, "/apply_template", kPost},
    Row{"/inside", Route::inside, "/inside", kPost},
    Row{"/plan", Route::plan_request, "/plan", "GET, HEAD, POST"},
    Row{"/openapi.json", Route::openapi, "/openapi.json", kGet},
    Row{"/health", Route::health, "/health", kGet},
    Row{"/ready", Route::ready, "/ready", kGet},
    Row{"/metrics", Route::metrics, "/metrics", kGet},
    Row{"/props", Route::props, "/props", kGet},
    Row{"/user/balance", Route::balance, "/user/balance", kGet},
    Row{"/ledger", Route::ledger, "/ledger", kGet},
    Row{"/anthropic/v1/models", Route::models, "/v1/models", kGet},
};

constexpr std::string_view kAnthropicModels = "/anthropic/v1";

// Followed by an id.
constexpr std::array kWithId = {
    Row{"/models/", Route::model, "/v1/models/{id}", kGet},
    Row{"/responses/", Route::response, "/v1/responses/{id}", "DELETE, GET, HEAD"},
};
// The same, and more after the id.
struct InnerRow {
  Row row;
  std::string_view end;
};
constexpr std::array kInner = {
    InnerRow{{"/responses/", Route::response_items, "/v1/responses/{id}/input_items", kGet}, "/input_items"},
    InnerRow{{"/responses/", Route::response_cancel, "/v1/responses/{id}/cancel", kPost}, "/cancel"},
};

template <class Rows>
std::optional<RouteMatch> look_up(const Rows& rows, std::string_view path) {
  for (const Row& row : rows) {
    if (row.path == path) return RouteMatch{row.route, row.name, row.methods, ""};
  }
  return std::nullopt;
}

int hex(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  const char low = static_cast<char>(c | 0x20);
  return low >= 'a' && low <= 'f' ? low - 'a' + 10 : -1;
}

// An {id}: decoded once, then of known characters.
std::optional<std::string> decoded_id(std::string_view text) {
  std::string id;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      id += text[i];
    } else {
      if (i + 2 >= text.size() || hex(text[i + 1]) < 0 || hex(text[i + 2]) < 0) return std::nullopt;
      id += static_cast<char>(hex(text[i + 1]) * 16 + hex(text[i + 2]));
      i += 2;
    }
  }
  const auto known = [](char c) {
    return std::isalnum(static_cast<unsigned char>(c)) ||
           std::string_view("._:/-").find(c) != std::string_view::npos;
  };
  if (id.empty() || id.size() > 128 || !std::ranges::all_of(id, known)) return std::nullopt;
  if (id.find("..") != std::string::npos) return std::nullopt;
  return id;
}

std::optional<RouteMatch> with_id(std::string_view path) {
  for (const auto& [row, end] : kInner) {
    if (!path.starts_with(row.path) || !path.ends_with(end) || path.size() <= row.path.size() + end.size())
      continue;
    if (auto id = decoded_id(path.substr(row.path.size(), path.size() - row.path.size() - end.size())))
      return RouteMatch{row.route, row.name, row.methods, std::move(*id)};
  }
  for (const Row& row : kWithId) {
    if (!path.starts_with(row.path)) continue;
    if (auto id = decoded_id(path.substr(row.path.size())))
      return RouteMatch{row.route, row.name, row.methods, std::move(*id)};
  }
  return std::nullopt;
}

}  // namespace

std::optional<RouteMatch> find_route(std::string_view path) {
  if (path.find("//") != std::string_view::npos) return std::nullopt;
  if (path.size() > 1 && path.ends_with('/')) path.remove_suffix(1);
  if (is_page_path(path))
    return RouteMatch{Route::page, path.starts_with("/assets/") ? "/assets" : "/", kGet, std::string(path)};
  if (auto found = look_up(kLocal, path)) return found;
  for (const std::string_view prefix : kAnthropicPrefixes) {
    if (!path.starts_with(prefix)) continue;
    if (auto found = look_up(kAnthropic, path.substr(prefix.size()))) return found;
  }
  for (const std::string_view prefix : kOpenAiPrefixes) {
    if (!path.starts_with(prefix)) continue;
    const std::string_view rest = path.substr(prefix.size());
    if (auto found = look_up(kOpenAi, rest)) return found;
    if (auto found = with_id(rest)) return found;
  }
  if (path.starts_with(kAnthropicModels)) {
    if (auto found = with_id(path.substr(kAnthropicModels.size())); found && found->route == Route::model)
      return found;
  }
  return std::nullopt;
}

std::vector<PathRow> all_paths() {
  std::vector<PathRow> rows;
  const auto add = [&](std::string_view prefix, const Row& row, const char* end) {
    rows.push_back({std::string(prefix) + std::string(row.path) + end, row.route, row.name, row.methods});
  };
  for (const std::string_view prefix : kOpenAiPrefixes) {
    for (const Row& row : kOpenAi) add(prefix, row, "");
    for (const Row& row : kWithId) add(prefix, row, "{id}");
    for (const auto& [row, end] : kInner) add(prefix, row, fmt::format("{{id}}{}", end).c_str());
  }
  for (const std::string_view prefix : kAnthropicPrefixes) {
    for (const Row& row : kAnthropic) add(prefix, row, "");
  }
  for (const Row& row : kLocal) add("", row, "");
  for (const Row& row : kWithId) {
    if (row.route == Route::model) add(kAnthropicModels, row, "{id}");
  }
  return rows;
}

ErrorShape error_shape(std::string_view path) {
  const bool anthropic = path.starts_with("/anthropic") || path.starts_with("/v1/messages");
  return anthropic ? ErrorShape::anthropic : ErrorShape::deepseek;
}

}  // namespace fathom::server
