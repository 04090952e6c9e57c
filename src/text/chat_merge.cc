#include "text/chat_merge.h"

#include <algorithm>
#include <unordered_map>

#include "text/protocol_strings.h"

namespace fathom {

std::vector<Turn> merge_messages(const std::vector<ChatMessage>& messages) {
  std::vector<Turn> turns;
  for (const ChatMessage& message : messages) {
    const bool after_user = !turns.empty() && turns.back().message.role == Role::user;
    if (message.role == Role::tool) {
      if (!after_user) turns.push_back({{Role::user}, {}});
      turns.back().blocks.push_back({true, message.content.value_or("None"), message.tool_call_id});
    } else if (message.role == Role::user) {
      // A task closes its message to further user text; the joining message's own task is lost.
      if (!after_user || turns.back().message.task) turns.push_back({message, {}});
      turns.back().blocks.push_back({false, message.content.value_or(""), ""});
    } else {
      turns.push_back({message, {}});
    }
  }
  return turns;
}

void sort_tool_results(std::vector<Turn>& turns) {
  std::unordered_map<std::string, size_t> order;  // call id -> place among the calls
  for (Turn& turn : turns) {
    const std::vector<ToolCall>& calls = turn.message.tool_calls;
    if (turn.message.role == Role::assistant && !calls.empty()) {
      order.clear();
      for (size_t i = 0; i < calls.size(); ++i) {
        if (!calls[i].id.empty()) order[calls[i].id] = i;
      }
    }
    if (order.empty()) continue;

    std::vector<TurnBlock> results;
    std::ranges::copy_if(turn.blocks, std::back_inserter(results), &TurnBlock::is_result);
    std::ranges::stable_sort(results, {}, [&](const TurnBlock& block) {
      const auto known = order.find(block.call_id);
      return known == order.end() ? 0 : known->second;  // an unknown id sorts as the first call
    });
    auto next = results.begin();
    for (TurnBlock& block : turn.blocks) {
      if (block.is_result) block = std::move(*next++);
    }
  }
}

void append_blocks(const std::vector<TurnBlock>& blocks, Prompt& out) {
  for (const TurnBlock& block : blocks) {
    if (&block != blocks.data()) out.text("\n\n");
    if (block.is_result) {
      append_template(protocol::kToolResult, {{"content", Prompt().text(block.text)}}, out);
    } else {
      out.text(block.text);
    }
  }
}

int64_t last_user_index(const std::vector<Turn>& turns) {
  for (int64_t i = std::ssize(turns) - 1; i >= 0; --i) {
    const Role role = turns[static_cast<size_t>(i)].message.role;
    if (role == Role::user || role == Role::developer) return i;
  }
  return -1;
}

std::vector<Turn> drop_thinking(const std::vector<Turn>& turns) {
  const int64_t last_user = last_user_index(turns);
  std::vector<Turn> kept;
  for (int64_t i = 0; i < std::ssize(turns); ++i) {
    Turn turn = turns[static_cast<size_t>(i)];
    if (i < last_user) {
      if (turn.message.role == Role::developer) continue;
      turn.message.reasoning_content.clear();
    }
    kept.push_back(std::move(turn));
  }
  return kept;
}

}  // namespace fathom
