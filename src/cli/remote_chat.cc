#include "cli/remote_chat.h"

#include <fmt/core.h>

#include <CLI/CLI.hpp>
#include <chrono>
#include <cstdlib>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "cli/answer_view.h"
#include "cli/chat_file.h"
#include "cli/interrupt.h"
#include "cli/remote_answer.h"
#include "server/http/client.h"

namespace fathom::cli {
namespace {

using server::ClientReply;
using server::ServerUrl;
constexpr size_t kMostBody = size_t{64} << 20;  // of an answer that is no stream

double seconds_since(std::chrono::steady_clock::time_point begin) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

// A base without a path is a server; one with a path is its API.
ServerUrl api_of(const RemoteChatOptions& remote) {
  ServerUrl url = server::parse_server_url(remote.url);
  if (url.path.empty()) url.path = "/v1";
  return url;
}

server::HeaderFields fields_of(const RemoteChatOptions& remote) {
  server::HeaderFields fields{{"content-type", "application/json"}, {"accept", "application/json"}};
  if (remote.key.empty()) return fields;
  for (const char c : remote.key) {
    if (c <= ' ' || c >= 0x7F) bad_input("key: expected visible ASCII characters, found others");
  }
  fields.emplace_back("authorization", "Bearer " + remote.key);
  return fields;
}

server::ClientOptions client_options(const RemoteChatOptions& remote) {
  server::ClientOptions options;
  options.ca_file = remote.ca_file;
  options.stopped = interrupted;
  return options;
}

// Any reply but 200.
[[noreturn]] void refused(const ServerUrl& url, const ClientReply& reply, const std::string& body) {
  const std::string said = printable(error_message(body), 400);
  const std::string* wait = reply.find("retry-after");
  const std::string where = printable(url.origin(), 200);
  switch (reply.status) {
    case 401:
      fail(ErrorCode::io, "{}: expected a key that it knows (--key), found 401: {}", where, said);
    case 402:
      fail(ErrorCode::io, "{}: expected a balance, found 402: {}", where, said);
    case 429:
    case 503:
      fail(ErrorCode::io, "{}: busy ({}{}): {}", where, reply.status,
           wait ? ", try again in " + printable(*wait, 20) + " s" : "", said);
    default:
      fail(ErrorCode::io, "{}: expected an answer, found {}: {}", where, reply.status, said);
  }
}

template <class T>
void put(nlohmann::ordered_json& body, const char* key, const std::optional<T>& value) {
  if (value) body[key] = *value;
}

std::string stats_of(const RemoteAnswer& answer, double first, double total) {
  const RemoteUsage& u = answer.usage;
  std::string out;
  if (u.prompt >= 0) out = fmt::format("{} tokens read", u.prompt);
  if (u.prompt >= 0 && u.cached >= 0) out += fmt::format(" ({} cached)", u.cached);
  if (u.completion >= 0) {
    out += fmt::format("{}{} written", out.empty() ? "" : "; ", u.completion);
    if (u.reasoning >= 0) out += fmt::format(" ({} thinking)", u.reasoning);
    if (total > first) out += fmt::format(", {:.1f}/s", static_cast<double>(u.completion) / (total - first));
  }
  out +=
      fmt::format("{}first text after {:.3f} s, all after {:.3f} s", out.empty() ? "" : "; ", first, total);
  if (!u.cost.empty()) out += "; " + printable(u.cost, 60);
  const std::string& reason = answer.finish_reason();
  if (!reason.empty() && reason != "stop") out += "; ended by " + printable(reason, 60);
  return out;
}

}  // namespace

void RemoteChatOptions::add_to(CLI::App& command) {
  command.add_option(
      "--url", url,
      "Talk to a server with OpenAI's API: http://HOST:PORT, https://HOST, or with its path; -m "
      "is then a model's name there");
  command.add_option("--key", key, "API key of that server")->envname("FATHOM_API_KEY");
  command.add_option("--ca", ca_file, "PEM file with a certificate to trust beside the system's")
      ->check(CLI::ExistingFile);
}

RemoteChat::RemoteChat(RemoteChatOptions remote, GenerationOptions options)
    : remote_(std::move(remote)), options_(std::move(options)) {
  if (remote_.think) set_think(*remote_.think);
  if (!remote_.model.empty()) return;
  const std::vector<std::string> names = models();
  if (names.empty()) bad_input("{}: expected models, found none (name one with -m)", printable(remote_.url));
  remote_.model = names.front();
}

std::vector<std::string> RemoteChat::models() const {
  const ServerUrl url = api_of(remote_);
  std::string body;
  const ClientReply reply =
      server::request(url, client_options(remote_), "GET", "/models", fields_of(remote_), "",
                      [&](const ClientReply&, std::string_view bytes) {
                        body += bytes;
                        return body.size() < kMostBody;
                      });
  check_interrupt();
  if (reply.status != 200) refused(url, reply, body);
  const auto parsed = nlohmann::json::parse(body, nullptr, false);
  std::vector<std::string> names;
  if (parsed.is_object() && parsed.contains("data") && parsed["data"].is_array()) {
    for (const auto& model : parsed["data"]) {
      if (model.is_object() && model.contains("id") && model["id"].is_string()) names.push_back(model["id"]);
    }
  }
  return names;
}

std::string RemoteChat::banner() const {
  return fmt::format("{} at {}, thinking {}. /help lists the commands.", printable(remote_.model, 128),
                     printable(api_of(remote_).origin(), 200),
                     remote_.think.value_or("as the server has it"));
}

std::string RemoteChat::help() {
  return chat_help("/models, /model NAME     what the server offers; another one\n");
}

void RemoteChat::set_think(const std::string& word) {
  parse_think(word, Generation::v2026_08);  // an unknown word is an error here already
  remote_.think = word;
}

bool RemoteChat::command(const std::string& line) {
  const std::string name = line.substr(0, line.find_first_of(" \t")), argument = argument_of(line);
  if (name == "/exit" || name == "/quit") return false;
  if (name == "/help") {
    fmt::print("{}", help());
  } else if (name == "/think") {
    if (!argument.empty()) set_think(argument);
    fmt::print("thinking {}\n", remote_.think.value_or("as the server has it"));
  } else if (name == "/system") {
    options_.system = argument;
    fmt::print("{}\n", argument.empty() ? "no system message" : "system message set");
  } else if (name == "/save") {
    const int64_t count = save_chat(argument, {options_.system, messages_, remote_.think});
    fmt::print("{} messages saved to {}\n", count, printable(argument, 400));
  } else if (name == "/load") {
    SavedChat loaded = load_chat(argument);
    if (loaded.think) in_context(printable(argument), [&] { set_think(*loaded.think); });
    options_.system = std::move(loaded.system);
    messages_ = std::move(loaded.messages);
    fmt::print("{} messages loaded from {}\n", messages_.size() + (options_.system.empty() ? 0 : 1),
               printable(argument, 400));
  } else if (name == "/models") {
    for (const std::string& each : models()) fmt::print("{}\n", printable(each, 200));
  } else if (name == "/model") {
    if (!argument.empty()) remote_.model = argument;
    fmt::print("model {}\n", printable(remote_.model, 200));
  } else if (name == "/stats") {
    fmt::print("{}\n", last_stats_.empty() ? "no answer yet" : last_stats_);
  } else if (name == "/reasoning") {
    fmt::print("{}\n", last_reasoning_.empty() ? "no thinking in the last answer" : last_reasoning_);
  } else if (name == "/clear") {
    messages_.clear();
    fmt::print("a new conversation\n");
  } else {
    bad_input("chat: expected a command that /help lists, found '{}'", printable(name));
  }
  return true;
}

// Only what was asked for: a server of another make may refuse what it does not know.
std::string RemoteChat::request_body() const {
  nlohmann::ordered_json list = nlohmann::ordered_json::array();
  if (!options_.system.empty()) list.push_back({{"role", "system"}, {"content", options_.system}});
  for (const ChatMessage& m : messages_)
    list.push_back({{"role", name(m.role)}, {"content", m.content.value_or("")}});
  nlohmann::ordered_json body = {{"model", remote_.model},
                                 {"messages", std::move(list)},
                                 {"stream", true},
                                 {"stream_options", {{"include_usage", true}}}};
  if (remote_.think) {
    const bool off = *remote_.think == "off" || *remote_.think == "none";
    body["thinking"] = {{"type", off ? "disabled" : "enabled"}};
    if (!off) body["reasoning_effort"] = *remote_.think;
  }
  put(body, "max_tokens", options_.max_tokens);
  put(body, "temperature", options_.temperature);
  put(body, "top_p", options_.top_p);
  put(body, "top_k", options_.top_k);
  put(body, "min_p", options_.min_p);
  put(body, "repetition_penalty", options_.repetition_penalty);
  put(body, "presence_penalty", options_.presence_penalty);
  put(body, "frequency_penalty", options_.frequency_penalty);
  if (options_.seed) body["seed"] = (*options_.seed + turn_) & INT64_MAX;
  for (const std::string& item : options_.logit_bias) {
    const size_t at = item.find_first_of("=:");
    char* end = nullptr;
    const double value = at == std::string::npos ? 0 : std::strtod(item.c_str() + at + 1, &end);
    if (!end || *end != '\0' || end == item.c_str() + at + 1)
      bad_input("logit-bias: expected ID=VALUE, found '{}'", printable(item));
    body["logit_bias"][item.substr(0, at)] = value;
  }
  if (!options_.stops.empty()) body["stop"] = options_.stops;
  return body.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

void RemoteChat::answer(const std::string& text, bool terminal) {
  messages_.push_back({Role::user, text});
  try {
    const ServerUrl url = api_of(remote_);
    const auto begin = std::chrono::steady_clock::now();
    double first = 0;
    AnswerView view(terminal);
    RemoteAnswer answer([&](const CompletionEvent& e) {
      if (first == 0) first = seconds_since(begin);
      view.event(e);
    });
    std::string other;  // the body of what is no answer
    std::optional<Error> broken;
    ClientReply reply;
    try {
      reply = server::request(url, client_options(remote_), "POST", "/chat/completions", fields_of(remote_),
                              request_body(), [&](const ClientReply& head, std::string_view bytes) {
                                if (head.status == 200) {
                                  answer.feed(bytes);
                                  if (terminal) std::fflush(stdout);
                                } else {
                                  other += bytes;
                                }
                                return other.size() < kMostBody;
                              });
    } catch (const Error& error) {
      broken = error;
    }
    ++turn_;
    view.finish();
    const bool stopped = reply.stopped || interrupted();
    clear_interrupt();
    if (broken && !stopped) throw Error(*broken);
    if (!stopped && reply.status != 200) refused(url, reply, other);
    if (!stopped && !answer.ended())
      fail(ErrorCode::io, "{}: expected the end of the answer, found that it broke off",
           printable(url.origin(), 200));
    last_stats_ = stats_of(answer, first, seconds_since(begin)) + (stopped ? "; stopped" : "");
    last_reasoning_ = answer.reasoning;
    ChatMessage said{Role::assistant, answer.content};
    said.reasoning_content = answer.reasoning;
    messages_.push_back(std::move(said));
    if (terminal) fmt::print("\033[2m{}\033[0m\n", last_stats_);
  } catch (...) {
    messages_.pop_back();  // the question was not answered: the conversation is as before
    throw;
  }
}

}  // namespace fathom::cli
