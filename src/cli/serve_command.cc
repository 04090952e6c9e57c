// fathom serve: the API on this machine.
#include <fmt/core.h>
#include <toml++/toml.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cctype>
#include <chrono>
#include <cstdlib>
#include <ctime>
#include <filesystem>
#include <memory>
#include <thread>

#include "base/error.h"
#include "base/file.h"
#include "cli/command.h"
#include "cli/interrupt.h"
#include "cli/number_checks.h"
#include "cli/price_options.h"
#include "cli/say.h"
#include "cli/serve_models.h"
#include "cli/server_log.h"
#include "cli/service_manager.h"
#include "server/http/listener.h"
#include "server/service/keys.h"
#include "server/service/ledger.h"
#include "server/service/service.h"

namespace fathom::cli {
namespace {

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

struct ServeArguments {
  ServeModelOptions models;
  std::string log = "-";
  std::string tls_cert, tls_key;
  std::string host = "127.0.0.1", keys, config, ledger;
  std::vector<std::string> allow_hosts, cors_origins;
  PriceOptions prices;
  bool no_auth = false, any_model = false, log_prompts = false, strict_fields = false, no_extensions = false;
  int port = 8080, io_threads = 2, drain_seconds = 30;
  int64_t max_connections = 16'384;
  std::string max_body = "64M", store, store_size = "1G";
  double store_ttl = 86'400;
  bool no_store = false;
};

// Options that the command line does not give are taken from the environment: FATHOM_SERVE_MAX_ROWS is
// --max-rows. Lists are divided by commas.
void read_environment(CLI::App& command) {
  for (CLI::Option* option : command.get_options()) {
    const std::string name = option->get_single_name();
    if (option->count() > 0 || name == "help") continue;
    std::string variable = "FATHOM_SERVE_" + name;
    for (char& c : variable)
      c = c == '-' ? '_' : static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
    const char* value = std::getenv(variable.c_str());
    if (!value || !*value) continue;
    std::string_view rest = value;
    while (option->get_expected_max() > 1 && rest.find(',') != std::string_view::npos) {
      option->add_result(std::string(rest.substr(0, rest.find(','))));
      rest.remove_prefix(rest.find(',') + 1);
    }
    option->add_result(std::string(rest));
    option->run_callback();
  }
}

// Options that neither it nor the environment gives are taken from the file, under their own names.
void read_config(CLI::App& command, const std::string& path) {
  if (path.empty()) return;
  const std::string where = printable(path);
  toml::table file;
  try {
    file = toml::parse(read_text(path, 16 << 20));
  } catch (const toml::parse_error& error) {
    bad_input("{}: expected TOML, found: {} at line {}", where, error.description(),
              error.source().begin.line);
  }
  for (const auto& [key, node] : file) {
    const std::string name(key.str());
    CLI::Option* option = command.get_option_no_throw("--" + name);
    if (!option || name == "config" || name == "help")
      bad_input("{}: expected the name of an option of serve, found '{}'", where, printable(name));
    if (option->count() > 0) continue;
    const auto add = [&](const toml::node& value) {
      if (const auto text = value.value_exact<std::string>()) {
        option->add_result(*text);
      } else if (const auto number = value.value_exact<int64_t>()) {
        option->add_result(std::to_string(*number));
      } else if (const auto real = value.value_exact<double>()) {
        option->add_result(fmt::format("{}", *real));
      } else if (const auto flag = value.value_exact<bool>()) {
        option->add_result(*flag ? "true" : "false");
      } else {
        bad_input("{}: {}: expected a text, a number, true or false, found something else", where,
                  printable(name));
      }
    };
    if (const auto* list = node.as_array()) {
      for (const auto& item : *list) add(item);
    } else {
      add(node);
    }
    option->run_callback();
  }
}

// What to do next, for people.
void say_hello(const std::string& url, const std::string& model, bool keys) {
  if (::isatty(STDERR_FILENO) == 0) return;
  say("the page:  {}/\n", url);
  say("try:       curl {}/v1/chat/completions {}-H 'Content-Type: application/json' -d '{{\"model\": \"{}\", "
      "\"messages\": [{{\"role\": \"user\", \"content\": \"Compute 123 + 456.\"}}]}}'\n",
      url, keys ? "-H \"Authorization: Bearer $KEY\" " : "", model);
  say("Ctrl-C ends it; a chat here: fathom chat\n");
}

// New connections are refused; what runs may end, then is ended.
void shut_down(server::Listener& listener, server::Service& service, int drain_seconds) {
  service.drain();
  listener.drain();
  const auto done = [&] { return service.idle() && listener.connections() == 0; };
  for (auto until = Clock::now() + std::chrono::seconds(drain_seconds); !done() && Clock::now() < until;)
    std::this_thread::sleep_for(20ms);
  service.cancel_all();
  for (auto until = Clock::now() + 2s; !done() && Clock::now() < until;) std::this_thread::sleep_for(20ms);
  while (!service.idle()) std::this_thread::sleep_for(20ms);  // engines end between two steps
  listener.stop();
}

// An unset variable in `--keys "$KEYS"` must not open the server to everybody, nor in --tls-cert drop TLS.
void refuse_empty_names(CLI::App& command) {
  for (const char* name : {"keys", "tls-cert", "tls-key", "ledger", "cache-dir", "price-table"}) {
    const CLI::Option* option = command.get_option(std::string("--") + name);
    for (const std::string& value : option->results()) {
      if (value.empty()) bad_input("{}: expected the name of a file, found an empty one", name);
    }
  }
}

// A mistyped path must not become a tree of folders somewhere else.
void refuse_missing_folders(const ServeArguments& arguments) {
  const auto check = [](const char* option, const std::string& path) {
    std::filesystem::path name = path;
    if (name.filename().empty()) name = name.parent_path();  // "states/"
    const std::filesystem::path folder = name.parent_path();
    std::error_code error;
    if (path.empty() || folder.empty() || std::filesystem::is_directory(folder, error)) return;
    fail(ErrorCode::not_found, "{}: expected a folder {} to write into, found none", option,
         printable(folder.string(), 400));
  };
  if (arguments.log != "-" && arguments.log != "none") check("log", arguments.log);
  check("ledger", arguments.ledger);
  check("store", arguments.store);
  check("cache-dir", arguments.models.cache_dir);
}

void serve(CLI::App& command, ServeArguments& arguments) {
  read_environment(command);
  read_config(command, arguments.config);
  refuse_empty_names(command);
  refuse_missing_folders(arguments);
  const bool loopback = server::is_loopback(arguments.host);
  if (!loopback && arguments.keys.empty() && !arguments.no_auth) {
    bad_input("host: expected a loopback address, --keys or --no-auth, found {} for everybody",
              printable(arguments.host));
  }
  if (arguments.tls_cert.empty() != arguments.tls_key.empty()) {
    const bool cert = arguments.tls_key.empty();
    bad_input("{}: expected a file beside --{}, found none", cert ? "tls-key" : "tls-cert",
              cert ? "tls-cert" : "tls-key");
  }
  server::ServiceOptions options;
  options.version = FATHOM_VERSION;
  options.bind_host = arguments.host;
  options.allowed_hosts = arguments.allow_hosts;
  options.cors_origins = arguments.cors_origins;
  options.any_host = !loopback && arguments.no_auth;
  options.strict_fields = arguments.strict_fields;
  options.extensions = !arguments.no_extensions;
  options.prices = arguments.prices.list();
  options.store.off = arguments.no_store;
  options.store.path = arguments.store;
  options.store.seconds = arguments.store_ttl;
  options.store.bytes = parse_bytes(arguments.store_size, "--store-size");
  options.any_model = arguments.any_model;
  options.log_prompts = arguments.log_prompts;
  std::unique_ptr<ServerLog> log;  // ends after the service
  if (arguments.log != "none") log = std::make_unique<ServerLog>(arguments.log);
  if (log) options.log = [&log](const server::RequestRecord& record) { log->write(record); };
  std::unique_ptr<server::Keys> keys;
  if (!arguments.keys.empty()) keys = server::Keys::open(arguments.keys);
  std::unique_ptr<server::Ledger> ledger;
  if (!arguments.ledger.empty())
    ledger = std::make_unique<server::Ledger>(arguments.ledger, options.prices.currency());
  std::vector<std::unique_ptr<server::ServedModel>> models = serve_models(arguments.models);
  for (const auto& model : models) (void)options.prices.at(model->name, std::time(nullptr));
  const std::string first = models.front()->name;
  const bool has_keys = keys != nullptr;
  server::Service service(std::move(options), std::move(models), std::move(keys), std::move(ledger));

  server::ListenerOptions listen;
  listen.host = arguments.host;
  listen.port = static_cast<uint16_t>(arguments.port);
  listen.threads = arguments.io_threads;
  listen.name = "fathom/" FATHOM_VERSION;
  listen.tls_cert = arguments.tls_cert;
  listen.tls_key = arguments.tls_key;
  listen.limits.body = static_cast<size_t>(parse_bytes(arguments.max_body, "--max-body"));
  listen.limits.connections = arguments.max_connections;
  server::Listener listener(listen, service);
  service.watch_connections([&listener] { return listener.connections(); });
  listener.start();
  const bool v6 = arguments.host.find(':') != std::string::npos;
  const std::string url = fmt::format("{}://{}{}{}:{}", arguments.tls_cert.empty() ? "http" : "https",
                                      v6 ? "[" : "", arguments.host, v6 ? "]" : "", listener.port());
  fmt::print("ready {}\n", url);
  std::fflush(stdout);
  say_hello(url, first, has_keys);
  notify_manager("READY=1");
  while (!interrupted()) std::this_thread::sleep_for(50ms);
  notify_manager("STOPPING=1");
  say("fathom: shutting down\n");
  shut_down(listener, service, arguments.drain_seconds);
}

}  // namespace

void register_serve(CLI::App& app) {
  auto* command = app.add_subcommand("serve", "the API of DeepSeek, OpenAI and Anthropic on this machine");
  auto arguments = std::make_shared<ServeArguments>();
  arguments->models.add_to(*command);
  command->add_flag("--any-model", arguments->any_model, "an unknown model's name means the first one");
  command->add_option("--log", arguments->log,
                      "file for a line of JSON per request; - is standard error, none is none (default: -)");
  command->add_flag("--log-prompts", arguments->log_prompts, "with the bodies of requests");
  command->add_option("--host", arguments->host, "numeric address to listen on (default: 127.0.0.1)");
  command->add_option("--port", arguments->port, "port; 0 takes a free one (default: 8080)")
      ->check(CLI::Range(0, 65535));
  command->add_option("--tls-cert", arguments->tls_cert,
                      "PEM file of a certificate and its chain: HTTPS in place of HTTP");
  command->add_option("--tls-key", arguments->tls_key, "PEM file of its private key, without a passphrase");
  command->add_option("--config", arguments->config, "TOML file with options by their names");
  command->add_option("--keys", arguments->keys, "file of API keys (fathom keys makes one)");
  command->add_flag("--no-auth", arguments->no_auth, "listen beyond loopback without keys");
  command->add_option("--ledger", arguments->ledger, "SQLite file of what every request cost");
  command->add_option("--store", arguments->store,
                      "SQLite file of stored responses (default: in memory, until the server ends)");
  command
      ->add_option("--store-ttl", arguments->store_ttl, "seconds that a response is stored (default: a day)")
      ->check(finite_number(1, 1e9));
  command->add_option("--store-size", arguments->store_size,
                      "most bytes of stored responses; the oldest go first (default: 1G)");
  command->add_flag("--no-store", arguments->no_store, "store no responses");
  command->add_option("--allow-host", arguments->allow_hosts, "a name that clients may ask for (repeatable)");
  command->add_option("--cors-origin", arguments->cors_origins,
                      "a web origin that may ask, or * (repeatable)");
  arguments->prices.add_to(*command);
  command->add_flag("--strict-fields", arguments->strict_fields, "refuse fields that have no effect");
  command->add_flag("--no-extensions", arguments->no_extensions, "leave cost and fathom out of answers");
  command->add_option("--max-queue", arguments->models.max_queue, "requests that may wait")
      ->check(CLI::Range(1, 1000000));
  command
      ->add_option("--queue-seconds", arguments->models.queue_seconds,
                   "longest wait of a request in the queue (default: 600)")
      ->check(finite_number(0.001, 1e6));
  command
      ->add_option("--max-seconds", arguments->models.max_seconds,
                   "longest time of an answer, its wait included; 0: any (default: 0)")
      ->check(finite_number(0, 1e6));
  command->add_option("--max-body", arguments->max_body, "largest request body (default: 64M)");
  command->add_option("--max-connections", arguments->max_connections, "connections at once")
      ->check(CLI::Range(1, 1000000));
  command->add_option("--io-threads", arguments->io_threads, "threads for connections")
      ->check(CLI::Range(1, 64));
  command->add_option("--drain-seconds", arguments->drain_seconds, "time for running answers at the end")
      ->check(CLI::Range(0, 86400));
  command->callback([command, arguments] { serve(*command, *arguments); });
}

}  // namespace fathom::cli
