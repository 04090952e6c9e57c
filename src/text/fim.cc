#include "text/fim.h"

#include "text/protocol_strings.h"

namespace fathom {

Prompt fim_prompt(std::string_view prefix, std::string_view suffix, bool add_bos) {
  Prompt prompt;
  if (add_bos) prompt.token(protocol::kBos);
  prompt.token(protocol::kFimBegin).text(prefix);
  prompt.token(protocol::kFimHole).text(suffix);
  prompt.token(protocol::kFimEnd);
  return prompt;
}

}  // namespace fathom
