#pragma once
/// Conversations as files: what /save writes and /load reads.

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

/// The words after a command's name; empty: none.
std::string argument_of(const std::string& line);

}  // namespace fathom::cli
