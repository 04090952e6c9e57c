#include "cli/chat_file.h"

#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/file.h"

namespace fathom::cli {
namespace {

constexpr int64_t kMaxChatBytes = int64_t{256} << 20;

}  // namespace

std::string chat_help(const std::string& own) {
  return "/think off|low|high|max  how much to think\n"
         "/system TEXT             the system message (empty: none)\n"
         "/save FILE, /load FILE   the conversation as JSON\n" +
         own +
         "/stats                   figures of the last answer\n"
         "/reasoning               the last thinking, unfolded\n"
         "/clear                   a new conversation\n"
         "/help, /exit\n"
         "A line ending in \\ goes on in the next; \"\"\" begins and ends a block of lines. Ctrl-C stops an "
         "answer.\n";
}

std::string argument_of(const std::string& line) {
  const size_t space = line.find_first_of(" \t");
  if (space == std::string::npos) return {};
  const size_t first = line.find_first_not_of(" \t", space);
  return first == std::string::npos ? std::string() : line.substr(first);
}

int64_t save_chat(const std::string& path, const SavedChat& chat) {
  if (path.empty()) bad_input("/save: expected a file name, found none");
  nlohmann::ordered_json list = nlohmann::ordered_json::array();
  if (!chat.system.empty()) list.push_back({{"role", "system"}, {"content", chat.system}});
  for (const ChatMessage& m : chat.messages) {
    nlohmann::ordered_json item = {{"role", name(m.role)}, {"content", m.content.value_or("")}};
    if (!m.reasoning_content.empty()) item["reasoning_content"] = m.reasoning_content;
    for (const ToolCall& call : m.tool_calls) {
      item["tool_calls"].push_back(
          {{"type", "function"}, {"function", {{"name", call.name}, {"arguments", call.arguments}}}});
    }
    list.push_back(item);
  }
  const auto count = static_cast<int64_t>(list.size());
  nlohmann::ordered_json out = {{"messages", std::move(list)}};
  if (chat.think) out["think"] = *chat.think;
  write_atomically(path, out.dump(1, ' ', false, nlohmann::json::error_handler_t::replace) + "\n");
  return count;
}

SavedChat load_chat(const std::string& path) {
  if (path.empty()) bad_input("/load: expected a file name, found none");
  const std::string text = read_text(path, kMaxChatBytes);
  SavedChat chat;
  chat.messages = in_context(printable(path), [&] { return read_chat_file(text); });
  if (!chat.messages.empty() && chat.messages.front().role == Role::system) {
    chat.system = chat.messages.front().content.value_or("");
    chat.messages.erase(chat.messages.begin());
  }
  const auto json = nlohmann::json::parse(text, nullptr, false);
  if (json.is_object() && json.contains("think") && json["think"].is_string())
    chat.think = json["think"].get<std::string>();
  return chat;
}

}  // namespace fathom::cli
