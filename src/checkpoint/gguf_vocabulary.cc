#include "checkpoint/gguf_vocabulary.h"

#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/json_reader.h"
#include "checkpoint/gguf_model.h"

namespace fathom {
namespace {

constexpr size_t kMaxTokenizerBytes = size_t{256} << 20;
constexpr size_t kMaxMerges = 10'000'000;
constexpr int32_t kNormal = 1, kControl = 3, kUserDefined = 4, kUnused = 5;  // GGUF's token types

struct Vocabulary {
  std::vector<std::string> tokens;
  std::vector<int32_t> types;

  explicit Vocabulary(int64_t size) : tokens(static_cast<size_t>(size)) {
    types.assign(tokens.size(), kUnused);
    for (size_t id = 0; id < tokens.size(); ++id) tokens[id] = "[PAD" + std::to_string(id) + "]";
  }
  void set(const JsonField& id_field, std::string text, int32_t type) {
    const auto id = static_cast<size_t>(id_field.integer(0, std::ssize(tokens) - 1));
    if (types[id] != kUnused && tokens[id] != text) id_field.refuse("an id that no other token has");
    tokens[id] = std::move(text);
    types[id] = type;
  }
};

std::string merge_text(const JsonField& merge) {
  if (merge.is_string()) return merge.text();
  const auto parts = merge.elements(2);
  if (parts.size() != 2) merge.refuse("two tokens");
  return parts[0].text() + " " + parts[1].text();
}

// Whether the regular expressions of the splits are the family's own.
bool known_splits(const JsonField& root) {
  const nlohmann::json family = parse_json(kGgufPreTokenizer);
  const auto own = root.find("pre_tokenizer");
  const auto patterns = [](const nlohmann::json& pre) {
    std::vector<std::string> out;
    if (!pre.is_object() || !pre.contains("pretokenizers")) return out;
    for (const auto& each : pre["pretokenizers"]) {
      const auto pattern = each.find("pattern");
      if (pattern != each.end()) out.push_back(pattern->dump());
    }
    return out;
  };
  return own && patterns(own->json()) == patterns(family);
}

}  // namespace

bool add_gguf_vocabulary(GgufKeyValues& out, std::string_view tokenizer_json, int64_t vocab_size,
                         int32_t bos_id, int32_t eos_id) {
  const nlohmann::json document = parse_json(tokenizer_json, 64, kMaxTokenizerBytes);
  const JsonField root(document, "");
  const JsonField model = root.at("model"), vocab = model.at("vocab");
  if (!vocab.is_object()) vocab.refuse("an object of tokens and ids");
  Vocabulary words(vocab_size);
  for (const auto& [text, id] : vocab.json().items()) {
    words.set(JsonField(id, "model.vocab." + printable(text)), text, kNormal);
  }
  int32_t pad_id = -1;
  if (const auto added = root.find("added_tokens")) {
    for (const JsonField& token : added->elements(static_cast<size_t>(vocab_size))) {
      const auto special = token.find("special");
      const std::string text = token.at("content").text();
      words.set(token.at("id"), text, special && special->boolean() ? kControl : kUserDefined);
      if (text == "<｜▁pad▁｜>") pad_id = static_cast<int32_t>(token.at("id").integer(0, vocab_size - 1));
    }
  }
  std::vector<std::string> merges;
  for (const JsonField& merge : model.at("merges").elements(kMaxMerges)) merges.push_back(merge_text(merge));

  const std::string prefix = "tokenizer.ggml.";
  out.add(prefix + "model", std::string_view("gpt2"));
  out.add(prefix + "pre", std::string_view("joyai-llm"));
  out.add(prefix + "tokens", words.tokens);
  out.add(prefix + "token_type", words.types);
  out.add(prefix + "merges", merges);
  out.add(prefix + "bos_token_id", static_cast<uint32_t>(bos_id));
  out.add(prefix + "eos_token_id", static_cast<uint32_t>(eos_id));
  if (pad_id >= 0) out.add(prefix + "padding_token_id", static_cast<uint32_t>(pad_id));
  out.add(prefix + "add_bos_token", true);
  out.add(prefix + "add_eos_token", false);
  out.add("tokenizer.huggingface.json", tokenizer_json);
  return known_splits(root);
}

}  // namespace fathom
