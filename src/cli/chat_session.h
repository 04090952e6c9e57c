#pragma once
/// A conversation in the terminal: messages, settings, the session that answers, and its slash commands.

#include <optional>
#include <string>
#include <vector>

#include "cli/common_options.h"
#include "cli/generation_options.h"
#include "engine/chat_setup.h"

namespace fathom::cli {

class ChatSession {
 public:
  /// The model must have its tokenizer.
  ChatSession(OpenedModel model, GenerationOptions options);

  /// Runs a line that begins with '/'. Returns false to leave. Throws Error for what it cannot do.
  bool command(const std::string& line);
  /// Answers a user message, shown on standard output as it is written. An interrupt ends the answer only:
  /// what is there stays in the conversation.
  void answer(const std::string& text, bool terminal);

  const std::vector<ChatMessage>& messages() const { return messages_; }
  /// Model, numerics and think mode in one line.
  std::string banner() const;
  static std::string help();

 private:
  std::vector<ChatMessage> prompt_messages() const;
  void save(const std::string& path) const;
  void load(const std::string& path);
  std::string context_line() const;

  OpenedModel model_;
  GenerationOptions options_;
  ChatSetup setup_;
  ThinkingSetting thinking_;
  PriceList prices_;
  Session session_;
  std::vector<ChatMessage> messages_;  // without the system message
  std::string last_stats_, last_reasoning_;
  uint64_t turn_ = 0;
};

}  // namespace fathom::cli
