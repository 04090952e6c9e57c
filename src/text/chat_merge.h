#pragma once
/// The first half of the encoder: messages become turns, with tool results inside user turns.
/// Source: architecture.md section 11, "Merging" and "drop_thinking".

#include <cstdint>
#include <string>
#include <vector>

#include "text/chat_messages.h"
#include "text/prompt.h"

namespace fathom {

/// A text or a tool result of a user turn.
struct TurnBlock {
  bool is_result = false;
  std::string text;     ///< without the tags of a result
  std::string call_id;  ///< of a result
};

/// A message of any role but tool. A user turn's text is its blocks, not message.content.
struct Turn {
  ChatMessage message;
  std::vector<TurnBlock> blocks;
};

/// Joins tool messages and neighbouring user messages.
std::vector<Turn> merge_messages(const std::vector<ChatMessage>& messages);

/// Puts the results of each user turn into the order of the calls of the last assistant turn that had calls.
void sort_tool_results(std::vector<Turn>& turns);

/// The text of a user turn, results in their tags.
void append_blocks(const std::vector<TurnBlock>& blocks, Prompt& out);

/// Index of the last user or developer turn, -1 if there is none.
int64_t last_user_index(const std::vector<Turn>& turns);

/// Before the last user or developer turn: takes developer turns out, and reasoning out of assistant turns.
std::vector<Turn> drop_thinking(const std::vector<Turn>& turns);

}  // namespace fathom
