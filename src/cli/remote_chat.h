#pragma once
/// A conversation with a server that speaks OpenAI's chat completions, as ChatSession is one with a model
/// here.

#include <optional>
#include <string>
#include <vector>

#include "cli/generation_options.h"
#include "text/chat_messages.h"

namespace CLI {
class App;
}

namespace fathom::cli {

struct RemoteChatOptions {
  std::string url;                   ///< http://host:port, or with the path of its API
  std::string key, ca_file;          ///< empty: none
  std::string model;                 ///< empty: the first that the server names
  std::optional<std::string> think;  ///< unset: the server's default
  /// Adds --url, --key, --ca.
  void add_to(CLI::App& command);
};

class RemoteChat {
 public:
  /// Asks the server for its models if none is named. Throws Error.
  RemoteChat(RemoteChatOptions remote, GenerationOptions options);

  bool command(const std::string& line);
  void answer(const std::string& text, bool terminal);
  std::string banner() const;
  static std::string help();

 private:
  std::vector<std::string> models() const;
  std::string request_body() const;
  void set_think(const std::string& word);

  RemoteChatOptions remote_;
  GenerationOptions options_;
  std::vector<ChatMessage> messages_;  // without the system message
  std::string last_stats_, last_reasoning_;
  uint64_t turn_ = 0;
};

}  // namespace fathom::cli
