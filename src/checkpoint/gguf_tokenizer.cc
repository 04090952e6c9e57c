#include <fmt/format.h>
#include <simdjson.h>

#include <algorithm>
#include <vector>

#include "base/error.h"
#include "checkpoint/gguf_model.h"

namespace fathom {
namespace {

// GGUF's token types.
constexpr int64_t kControl = 3, kUserDefined = 4;

constexpr std::string_view kRest = R"json(
"post_processor":{"type":"ByteLevel","add_prefix_space":true,"trim_offsets":false,"use_regex":true},
"decoder":{"type":"ByteLevel","add_prefix_space":true,"trim_offsets":true,"use_regex":true},
"model":{"type":"BPE","dropout":null,"unk_token":null,"continuing_subword_prefix":null,"end_of_word_suffix":null,
"fuse_unk":false,"byte_fallback":false,
)json";

void refuse_duplicates(const GgufMetadata& metadata, const std::string& key,
                       std::vector<std::string_view> tokens) {
  std::sort(tokens.begin(), tokens.end());
  const auto twice = std::adjacent_find(tokens.begin(), tokens.end());
  if (twice != tokens.end()) metadata.refuse(key, "each token once", printable(*twice) + " twice");
}

void refuse_broken_text(const GgufMetadata& metadata, const std::string& key) {
  for (const std::string_view text : metadata.strings(key)) {
    if (!simdjson::validate_utf8(text.data(), text.size())) {
      metadata.refuse(key, "UTF-8 text", "\"" + printable(text) + "\"");
    }
  }
}

/// Appends UTF-8 text as a JSON string.
void append_json_string(std::string& out, std::string_view text) {
  out += '"';
  for (const char c : text) {
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (static_cast<unsigned char>(c) < 0x20) {
      fmt::format_to(std::back_inserter(out), "\\u{:04x}", static_cast<unsigned>(c));
    } else {
      out += c;
    }
  }
  out += '"';
}

}  // namespace

std::string gguf_tokenizer_json(const GgufMetadata& metadata) {
  const std::string prefix = "tokenizer.ggml.", tokens_key = prefix + "tokens",
                    types_key = prefix + "token_type";
  const std::string model_key = prefix + "model", pre_key = prefix + "pre", merges_key = prefix + "merges";
  if (metadata.has("tokenizer.huggingface.json"))
    return std::string(metadata.text("tokenizer.huggingface.json"));
  if (!metadata.has(model_key) && !metadata.has(tokens_key)) return {};
  const std::string_view model = metadata.text(model_key), pre = metadata.text(pre_key);
  if (model != "gpt2") metadata.refuse(model_key, "gpt2 (byte-level BPE)", printable(model));
  if (pre != "joyai-llm" && pre != "deepseek-v3")
    metadata.refuse(pre_key, "joyai-llm or deepseek-v3", printable(pre));
  const auto& tokens = metadata.strings(tokens_key);
  std::vector<int64_t> types(tokens.size(), 1);
  if (metadata.has(types_key)) types = metadata.integers(types_key);
  if (types.size() != tokens.size()) {
    metadata.refuse(types_key, fmt::format("{} types, one per token", tokens.size()),
                    std::to_string(types.size()));
  }
  refuse_duplicates(metadata, tokens_key, tokens);
  refuse_broken_text(metadata, tokens_key);
  refuse_broken_text(metadata, merges_key);
  const auto added = [&](size_t id) { return types[id] == kControl || types[id] == kUserDefined; };
  // Added tokens behind the base vocabulary stay out of it, as in the published file.
  size_t base = tokens.size();
  while (base > 0 && added(base - 1)) --base;

  std::string out = "{\"version\":\"1.0\",\"truncation\":null,\"padding\":null,\"added_tokens\":[";
  bool first = true;
  const auto comma = [&] {
    if (!std::exchange(first, false)) out += ',';
    out += '\n';
  };
  for (size_t id = 0; id < tokens.size(); ++id) {
    if (!added(id)) continue;
    comma();
    fmt::format_to(std::back_inserter(out), "{{\"id\":{},\"content\":", id);
    append_json_string(out, tokens[id]);
    // As in the published file: special tokens are not normalised, others are (by a normaliser without
    // effect).
    fmt::format_to(
        std::back_inserter(out),
        ",\"single_word\":false,\"lstrip\":false,\"rstrip\":false,\"normalized\":{},\"special\":{}}}",
        types[id] != kControl, types[id] == kControl);
  }
  out += "],\n\"normalizer\":{\"type\":\"Sequence\",\"normalizers\":[]},\n\"pre_tokenizer\":";
  out += kGgufPreTokenizer;
  out += ',';
  out += kRest;
  out += "\"vocab\":{";
  first = true;
  for (size_t id = 0; id < base; ++id) {
    comma();
    append_json_string(out, tokens[id]);
    fmt::format_to(std::back_inserter(out), ":{}", id);
  }
  out += "},\n\"merges\":[";
  first = true;
  for (const std::string_view merge : metadata.strings(merges_key)) {
    comma();
    append_json_string(out, merge);
  }
  return out + "]}}\n";
}

}  // namespace fathom
