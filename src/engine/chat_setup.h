#pragma once
/// What a model folder says about chatting with it, and messages made into prompt ids.

#include <filesystem>
#include <vector>

#include "engine/generate.h"
#include "engine/sampler.h"
#include "text/chat_messages.h"
#include "text/generation.h"
#include "text/prompt.h"
#include "text/tokenizer.h"

namespace fathom {

struct ChatSetup {
  Generation generation = Generation::v2026_04;
  SamplingParams sampling;           ///< generation_config.json: do_sample false = greedy; else temperature 1
  std::vector<int32_t> stop_tokens;  ///< EOS ids of generation_config.json or config.json
  int32_t bos = 0;
};

/// Reads encoding/encoding_dsv4.py, config.json and generation_config.json of the folder as far as they are
/// there.
/// @param config_json text of the checkpoint's config. Throws Error(bad_input) naming file and field.
ChatSetup read_chat_setup(const std::filesystem::path& folder, const std::string& config_json,
                          const ModelConfig& config);

/// Ids of a prompt: plain text without added tokens, markup as its tokens.
std::vector<int32_t> prompt_ids(const Tokenizer& tokenizer, const Prompt& prompt);

struct ChatPrompt {
  std::vector<int32_t> ids;
  CompletionOptions::Start start;  ///< how the answer begins
};
/// Messages as the official encoder renders them, ending in an open assistant turn.
ChatPrompt chat_prompt(const Tokenizer& tokenizer, const std::vector<ChatMessage>& messages,
                       const ThinkingSetting& thinking, Generation generation);

/// Ids of --raw text: special strings are recognised, BOS is put first unless it is there already.
std::vector<int32_t> raw_prompt(const Tokenizer& tokenizer, std::string_view text, int32_t bos);

/// Answer tokens if nothing is said: 8,192 in chat mode, 65,536 thinking, 131,072 at max effort
/// (architecture.md 11).
int64_t default_max_tokens(const ThinkingSetting& thinking);

/// --think's word (off, low, high, max, or any effort word of the API). Throws Error(bad_input).
ThinkingSetting parse_think(std::string_view word, Generation generation);

}  // namespace fathom
