#include "train/conversation.h"

#include <algorithm>

#include "base/error.h"

namespace fathom {
namespace {

std::vector<int32_t> ids_of(const Tokenizer& tokenizer, const std::vector<Segment>& segments) {
  std::vector<TextSegment> parts;
  for (const Segment& segment : segments) parts.push_back({segment.text, segment.special});
  return tokenizer.encode_segments(parts);
}

// What `full` has beyond `start`.
std::vector<Segment> rest_of(const Prompt& full, const Prompt& start) {
  std::vector<Segment> rest(full.segments());
  size_t i = 0;
  for (const Segment& segment : start.segments()) {
    if (i >= rest.size() || rest[i].special != segment.special || !rest[i].text.starts_with(segment.text)) {
      bad_input("messages: expected a turn that continues its prompt, found another prompt");
    }
    if (rest[i].text.size() == segment.text.size()) {
      ++i;
    } else {
      rest[i].text.erase(0, segment.text.size());  // a plain text that goes on: the prompt's last segment
    }
  }
  rest.erase(rest.begin(), rest.begin() + static_cast<std::ptrdiff_t>(i));
  return rest;
}

}  // namespace

std::vector<TokenDocument> conversation_documents(const Tokenizer& tokenizer,
                                                  const EncodingCase& conversation, Generation generation) {
  const auto& messages = conversation.messages;
  std::vector<TokenDocument> documents;
  for (size_t i = 0; i < messages.size(); ++i) {
    if (messages[i].role != Role::assistant) continue;
    const auto until = [&](size_t count) {
      return encode_messages({messages.begin(), messages.begin() + static_cast<std::ptrdiff_t>(count)},
                             conversation.options, generation);
    };
    const Prompt prompt = until(i);
    const auto before = ids_of(tokenizer, prompt.segments());
    const auto turn = ids_of(tokenizer, rest_of(until(i + 1), prompt));
    const bool extends =
        !documents.empty() && documents.back().tokens.size() <= before.size() &&
        std::equal(documents.back().tokens.begin(), documents.back().tokens.end(), before.begin());
    if (!extends) documents.emplace_back();
    TokenDocument& document = documents.back();
    document.tokens.insert(document.tokens.end(),
                           before.begin() + static_cast<std::ptrdiff_t>(document.tokens.size()),
                           before.end());
    document.learned.resize(document.tokens.size(), 0);
    document.tokens.insert(document.tokens.end(), turn.begin(), turn.end());
    document.learned.resize(document.tokens.size(), 1);
  }
  if (documents.empty()) bad_input("messages: expected an assistant's turn, found none");
  return documents;
}

std::vector<TokenDocument> conversation_documents(const Tokenizer& tokenizer, const JsonValue& line,
                                                  Generation generation) {
  EncodingCase conversation = read_encoding_case(line, EncodeOptions{}, generation);
  const JsonValue* given = line.find("options");
  if (given == nullptr || given->find("thinking_mode") == nullptr) {
    const bool thinks = std::ranges::any_of(
        conversation.messages, [](const ChatMessage& m) { return !m.reasoning_content.empty(); });
    conversation.options.thinking_mode = thinks ? ThinkingMode::thinking : ThinkingMode::chat;
  }
  return conversation_documents(tokenizer, conversation, generation);
}

int64_t learned_bytes(const Tokenizer& tokenizer, const TokenDocument& document) {
  int64_t bytes = 0;
  for (size_t i = 0; i < document.tokens.size(); ++i) {
    if (document.learned[i]) bytes += static_cast<int64_t>(tokenizer.token_bytes(document.tokens[i]).size());
  }
  return bytes;
}

}  // namespace fathom
