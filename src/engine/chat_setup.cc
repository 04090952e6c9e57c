#include "engine/chat_setup.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/file.h"
#include "base/json_reader.h"
#include "text/chat_encoding.h"

namespace fathom {
namespace {

constexpr int64_t kMaxTextBytes = 16 << 20;
constexpr int kMaxDepth = 64;

std::string read_if_there(const std::filesystem::path& path) {
  std::error_code error;
  return std::filesystem::is_regular_file(path, error) ? read_text(path, kMaxTextBytes) : std::string();
}

}  // namespace

ChatSetup read_chat_setup(const std::filesystem::path& folder, const std::string& config_json,
                          const ModelConfig& config) {
  ChatSetup setup;
  setup.generation = detect_generation(read_if_there(folder / "encoding" / "encoding_dsv4.py"), config_json);
  setup.bos = config.bos_token_id;
  setup.stop_tokens = config.eos_token_ids;
  const std::filesystem::path path = folder / "generation_config.json";
  const std::string text = read_if_there(path);
  if (text.empty()) return setup;
  const std::string where = printable(path.string());
  const auto json = in_context(where, [&] { return parse_json(text, kMaxDepth, size_t{kMaxTextBytes}); });
  if (!json.is_object()) bad_input("{}: expected a JSON object, found something else", where);
  const auto number = [&](const char* key, double& value) {
    const auto found = json.find(key);
    if (found == json.end() || found->is_null()) return;
    if (!found->is_number())
      bad_input("{}: {}: expected a number, found {}", where, key, printable(found->dump(), 60));
    value = found->get<double>();
  };
  number("temperature", setup.sampling.temperature);
  number("top_p", setup.sampling.top_p);
  number("min_p", setup.sampling.min_p);
  number("repetition_penalty", setup.sampling.repetition_penalty);
  double top_k = 0;
  number("top_k", top_k);
  if (!(top_k >= 0 && top_k < 1e9)) bad_input("{}: top_k: expected 0 or more, found {}", where, top_k);
  setup.sampling.top_k = static_cast<int64_t>(top_k);
  if (const auto found = json.find("do_sample");
      found != json.end() && found->is_boolean() && !found->get<bool>()) {
    setup.sampling = {};
    setup.sampling.temperature = 0;
  }
  if (const auto found = json.find("eos_token_id"); found != json.end() && !found->is_null()) {
    const nlohmann::json list = found->is_array() ? *found : nlohmann::json::array({*found});
    setup.stop_tokens.clear();
    for (const auto& id : list) {
      if (!id.is_number_integer() || id.get<int64_t>() < 0 || id.get<int64_t>() >= config.vocab_size) {
        bad_input("{}: eos_token_id: expected ids below {}, found {}", where, config.vocab_size,
                  printable(id.dump(), 60));
      }
      setup.stop_tokens.push_back(id.get<int32_t>());
    }
  }
  in_context(where, [&] { setup.sampling.check(config.vocab_size); });
  return setup;
}

std::vector<int32_t> prompt_ids(const Tokenizer& tokenizer, const Prompt& prompt) {
  std::vector<TextSegment> segments;
  for (const Segment& s : prompt.segments()) segments.push_back({s.text, s.special});
  return tokenizer.encode_segments(segments);
}

ChatPrompt chat_prompt(const Tokenizer& tokenizer, const std::vector<ChatMessage>& messages,
                       const ThinkingSetting& thinking, Generation generation) {
  EncodeOptions options;
  options.thinking_mode = thinking.mode;
  if (thinking.mode == ThinkingMode::thinking) options.effort = thinking.effort;
  const Prompt prompt = encode_messages(messages, options, generation);
  return {prompt_ids(tokenizer, prompt), thinking.mode == ThinkingMode::thinking
                                             ? CompletionOptions::Start::reasoning
                                             : CompletionOptions::Start::content};
}

std::vector<int32_t> raw_prompt(const Tokenizer& tokenizer, std::string_view text, int32_t bos) {
  std::vector<int32_t> ids = tokenizer.encode(text, true);
  if (ids.empty() || ids.front() != bos) ids.insert(ids.begin(), bos);
  return ids;
}

int64_t default_max_tokens(const ThinkingSetting& thinking) {
  if (thinking.mode == ThinkingMode::chat) return 8192;
  return thinking.effort == Effort::max ? 131072 : 65536;
}

ThinkingSetting parse_think(std::string_view word, Generation generation) {
  constexpr std::string_view kWords[] = {"off",  "none",  "minimal", "low",  "medium",
                                         "high", "xhigh", "max",     "ultra"};
  if (std::find(std::begin(kWords), std::end(kWords), word) == std::end(kWords)) {
    bad_input("think: expected off, low, high or max, found '{}'", printable(word));
  }
  return api_thinking(std::nullopt, word == "off" ? "none" : word, generation);
}

}  // namespace fathom
