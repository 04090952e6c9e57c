#pragma once
/// Conversations as training documents: the assistant's turns are what is learned.
/// Source: architecture.md section 11 (the encoder).

#include <vector>

#include "text/encoding_lines.h"
#include "text/tokenizer.h"

namespace fathom {

struct TokenDocument {
  std::vector<int32_t> tokens;
  std::vector<uint8_t> learned;  ///< [tokens]: 1 where the token belongs to an assistant's turn
};

/// Each assistant turn as the encoder's prompt for it, then the turn itself with its EOS. Turns whose prompt
/// continues the document before extend it; where the encoder drops earlier reasoning, a new document begins.
/// Throws Error(bad_input) if there is no assistant turn.
std::vector<TokenDocument> conversation_documents(const Tokenizer& tokenizer,
                                                  const EncodingCase& conversation, Generation generation);
/// The same of an object {"messages", "options"}; without options the mode is thinking if a turn has
/// reasoning_content.
std::vector<TokenDocument> conversation_documents(const Tokenizer& tokenizer, const JsonValue& line,
                                                  Generation generation);
/// Bytes of the text of what is learned.
int64_t learned_bytes(const Tokenizer& tokenizer, const TokenDocument& document);

}  // namespace fathom
