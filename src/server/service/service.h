#pragma once
/// The service: what an HTTP request means. Routes, keys, dialects, models; no sockets and no arithmetic.

#include <memory>
#include <string>
#include <vector>

#include "engine/price_list.h"
#include "server/http/http.h"
#include "server/service/request_log.h"
#include "server/service/response_store.h"
#include "server/service/served_model.h"

namespace fathom::server {

class Keys;
class Ledger;

struct ServiceOptions {
  std::string version;
  std::string bind_host = "127.0.0.1";
  std::vector<std::string> allowed_hosts;  ///< Host headers accepted beside loopback while there are no keys
  std::vector<std::string> cors_origins;   ///< "*": any
  bool any_host = false;                   ///< the bind address is not loopback, and nobody asks for keys
  bool strict_fields = false;              ///< ignored fields are refused
  bool extensions = true;                  ///< cost and fathom in answers
  PriceList prices;
  ResponseStoreOptions store;
  bool any_model = false;    ///< an unknown name means the first model
  RequestLog log;            ///< told of each request when it ends, on any thread; or none
  bool log_prompts = false;  ///< with their bodies
};

class Service final : public HttpHandler {
 public:
  /// keys and ledger may be null: everybody may ask; nothing is written down.
  Service(ServiceOptions options, std::vector<std::unique_ptr<ServedModel>> models,
          std::unique_ptr<Keys> keys, std::unique_ptr<Ledger> ledger);
  ~Service() override;

  HttpReply handle(HttpRequest request) override;
  HttpReply fault(int status, const std::string& code, const std::string& message) override;

  /// Where the metrics have the number of connections from.
  void watch_connections(std::function<int64_t()> count);
  /// No new requests; those that run go on.
  void drain();
  /// Nothing runs.
  bool idle() const;
  /// Ends what runs; the answers say so.
  void cancel_all();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace fathom::server
