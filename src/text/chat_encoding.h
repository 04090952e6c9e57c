#pragma once
/// Messages -> prompt, as the official encoder of the published checkpoints does it.
/// Source: architecture.md section 11, "The encoder"; what an API request renders to differs:
/// text/api_prompt.h.

#include <vector>

#include "text/chat_messages.h"
#include "text/generation.h"
#include "text/prompt.h"

namespace fathom {

struct EncodeOptions {
  ThinkingMode thinking_mode = ThinkingMode::thinking;
  /// Thinking mode: reasoning before the last user or developer message is left out. Off as soon as a message
  /// has tools.
  bool drop_thinking = true;
  bool add_default_bos = true;
  Effort effort = Effort::none;
  /// Messages that a prompt was already made of: the result continues it.
  std::vector<ChatMessage> context;
};

/// @throws Error bad_input naming the message: an unknown task, empty developer content, an effort that the
/// generation does not have.
Prompt encode_messages(const std::vector<ChatMessage>& messages, const EncodeOptions& options,
                       Generation generation);

}  // namespace fathom
