#pragma once
/// What the chats share: conversations as files (what /save writes and /load reads), the help, commands.

#include <optional>
#include <string>
#include <vector>

#include "text/chat_messages.h"

namespace fathom::cli {

struct SavedChat {
  std::string system;
  std::vector<ChatMessage> messages;  ///< without the system message
  std::optional<std::string> think;   ///< the word of /think
};

/// Writes {"messages", "think"}; the number of messages. Throws Error.
int64_t save_chat(const std::string& path, const SavedChat& chat);
/// Reads what save_chat() wrote, or any chat file. Throws Error.
SavedChat load_chat(const std::string& path);

/// What /help prints: the commands of every chat, and the line of a kind's own.
std::string chat_help(const std::string& own);

/// The words after a command's name; empty: none.
std::string argument_of(const std::string& line);

}  // namespace fathom::cli
