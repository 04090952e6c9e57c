#pragma once
/// The two generations of the prompt encoding, and what the API's effort words mean in each.
/// Source: architecture.md section 11, table "Two generations".

#include <optional>
#include <string_view>

namespace fathom {

enum class Generation { v2026_04, v2026_08 };

/// "2026-04", "2026-08".
std::string_view name(Generation generation);
/// @throws Error bad_input for another name.
Generation parse_generation(std::string_view name);

/// What marks a model folder: the text of its encoding/encoding_dsv4.py and of its config.json, empty where
/// it has none. The script decides by the constants that it defines, else dspark_* keys in the config mean
/// 2026-08.
/// @throws Error bad_input if config_text is neither empty nor a JSON object and the script does not decide.
Generation detect_generation(std::string_view script_text, std::string_view config_text);

enum class ThinkingMode { chat, thinking };
/// The encoder's values. `none` is the generation's default: 2026-04 high, 2026-08 low, both without a text.
enum class Effort { none, low, high, max };

/// "chat" or "thinking".
/// @throws Error bad_input for another word.
ThinkingMode parse_thinking_mode(std::string_view word);
/// A value of the encoder: high or max (2026-04); low, high or max (2026-08).
/// @throws Error bad_input for another word.
Effort parse_effort(std::string_view word, Generation generation);
/// The text after BOS in thinking mode; may be empty.
/// @throws Error bad_input for low in 2026-04.
std::string_view effort_text(Effort effort, Generation generation);

struct ThinkingSetting {
  ThinkingMode mode = ThinkingMode::thinking;
  Effort effort = Effort::high;
  bool operator==(const ThinkingSetting&) const = default;
};
/// What an API request asks for: `enabled` is its thinking switch (nothing: not given), `word` its effort
/// (empty: not given). Disabled beats any effort; enabled beats the effort none.
/// @throws Error bad_input for an unknown word.
ThinkingSetting api_thinking(std::optional<bool> enabled, std::string_view word, Generation generation);

}  // namespace fathom
