#include "text/tokenizer_json.h"

#include <fmt/format.h>
#include <simdjson.h>

#include "base/error.h"
#include "text/byte_level.h"
#include "text/simdjson_field.h"
#include "text/token_table.h"

namespace fathom {

namespace {

using namespace simdjson_field;

constexpr size_t kMaxJsonBytes = size_t{256} << 20;
constexpr size_t kMaxAddedBytes = 512;  // of one added token; V4's longest has 48
constexpr int64_t kMaxTokens = BytePairEncoder::kMaxTokens;

// GPT-2's pattern, which ByteLevel applies when use_regex is set.
constexpr std::string_view kByteLevelPattern =
    R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)";

[[noreturn]] void unsupported(std::string_view path, std::string_view expected, std::string_view found) {
  fail(ErrorCode::unsupported, "{}: expected {}, found {}", path, expected, found);
}

void must_be_false(const Object& o, std::string_view path, std::string_view key) {
  if (optional<bool>(o, path, key, false)) unsupported(fmt::format("{}.{}", path, key), "false", "true");
}
void must_be_empty(const Object& o, std::string_view path, std::string_view key) {
  const auto text = optional<std::string_view>(o, path, key, "");
  if (!text.empty()) unsupported(fmt::format("{}.{}", path, key), "null", printable(text));
}

// ---- pre_tokenizer ----

void read_split(const Object& o, std::string_view path, std::vector<SplitRule>& splits) {
  const auto behavior = required<std::string_view>(o, path, "behavior");
  if (behavior != "Isolated") unsupported(fmt::format("{}.behavior", path), "Isolated", printable(behavior));
  must_be_false(o, path, "invert");
  const auto pattern_path = fmt::format("{}.pattern", path);
  const auto pattern = required<Object>(o, path, "pattern");
  const bool literal = has(pattern, "String");
  const auto text = required<std::string_view>(pattern, pattern_path, literal ? "String" : "Regex");
  if (text.empty()) bad_input("{}: expected a pattern, found an empty string", pattern_path);
  splits.push_back({std::string(text), literal});
}

void read_pre_tokenizer(const Object& o, const std::string& path, bool last, std::vector<SplitRule>& splits) {
  const auto type = required<std::string_view>(o, path, "type");
  if (type == "Split") return read_split(o, path, splits);
  if (type == "Digits") {
    splits.push_back({optional<bool>(o, path, "individual_digits", false) ? R"(\p{N})" : R"(\p{N}+)"});
  } else if (type == "ByteLevel" && last) {
    if (optional<bool>(o, path, "add_prefix_space", true)) {
      unsupported(path + ".add_prefix_space", "false", "true");
    }
    if (optional<bool>(o, path, "use_regex", true)) splits.push_back({std::string(kByteLevelPattern)});
  } else {
    unsupported(path + ".type", "Split, Digits, or ByteLevel at the end", printable(type));
  }
}

std::vector<SplitRule> read_splits(const Object& root) {
  std::vector<SplitRule> splits;
  const std::string path = "pre_tokenizer";
  const auto pre_tokenizer = required<Object>(root, "", path);
  const auto type = required<std::string_view>(pre_tokenizer, path, "type");
  if (type != "Sequence") {
    if (type != "ByteLevel") unsupported(path + ".type", "Sequence or ByteLevel", printable(type));
    read_pre_tokenizer(pre_tokenizer, path, true, splits);
    return splits;
  }
  const auto steps = required<Array>(pre_tokenizer, path, "pretokenizers");
  if (steps.size() == 0 || steps.size() > 32) {
    bad_input("{}.pretokenizers: expected 1 to 32 entries, found {}", path, steps.size());
  }
  std::string_view last_type;
  size_t i = 0;
  for (const Element step : steps) {
    const auto step_path = fmt::format("{}.pretokenizers[{}]", path, i);
    const auto step_object = as<Object>(step, step_path);
    last_type = required<std::string_view>(step_object, step_path, "type");
    read_pre_tokenizer(step_object, step_path, ++i == steps.size(), splits);
  }
  if (last_type != "ByteLevel") {
    unsupported(path + ".pretokenizers", "ByteLevel at the end", printable(last_type));
  }
  return splits;
}

// ---- what surrounds the model ----

void check_normalizer(const Object& root) {
  if (!has(root, "normalizer")) return;
  const auto normalizer = required<Object>(root, "", "normalizer");
  const auto type = required<std::string_view>(normalizer, "normalizer", "type");
  if (type != "Sequence") unsupported("normalizer.type", "no normalizer", printable(type));
  const auto steps = required<Array>(normalizer, "normalizer", "normalizers");
  if (steps.size() != 0)
    unsupported("normalizer.normalizers", "none", fmt::format("{} of them", steps.size()));
}

void check_decoder(const Object& root) {
  if (!has(root, "decoder")) return;
  const auto type = required<std::string_view>(required<Object>(root, "", "decoder"), "decoder", "type");
  if (type != "ByteLevel") unsupported("decoder.type", "ByteLevel", printable(type));
}

void check_model(const Object& model) {
  const auto type = optional<std::string_view>(model, "model", "type", "BPE");
  if (type != "BPE") unsupported("model.type", "BPE", printable(type));
  if (has(model, "dropout")) unsupported("model.dropout", "null", "a value");
  must_be_false(model, "model", "byte_fallback");
  must_be_empty(model, "model", "continuing_subword_prefix");
  must_be_empty(model, "model", "end_of_word_suffix");
}

// ---- tokens ----

// Texts by id, as they stand in the file; views into the parser's memory.
class TokenList {
 public:
  explicit TokenList(size_t tokens) : table_(static_cast<int64_t>(tokens)) {}

  void add(std::string_view text, int64_t id, std::string_view path) {
    if (id < 0 || id >= kMaxTokens) {
      bad_input("{}: expected an id in 0..{}, found {} for '{}'", path, kMaxTokens - 1, id,
                printable(text, 40));
    }
    const auto at = static_cast<size_t>(id);
    if (at >= texts_.size()) texts_.resize(at + 1);
    if (texts_[at].data() != nullptr) {
      bad_input("{}: expected an id of its own for '{}', found {}, the id of '{}'", path, printable(text, 40),
                id, printable(texts_[at], 40));
    }
    texts_[at] = text;
    const int32_t known =
        in_context(std::string(path), [&] { return table_.insert(text, static_cast<int32_t>(id)); });
    if (known >= 0) {
      bad_input("{}: expected '{}' once, found it with ids {} and {}", path, printable(text, 40), known, id);
    }
  }
  int32_t find(std::string_view text) const { return table_.find(text); }
  const std::vector<std::string_view>& texts() const { return texts_; }

 private:
  TokenTable table_;
  std::vector<std::string_view> texts_;
};

void read_vocabulary(const Object& vocabulary, TokenList& tokens) {
  for (const auto& [text, value] : vocabulary) {
    int64_t id = 0;
    if (value.get(id) != simdjson::SUCCESS) {
      bad_input("model.vocab['{}']: expected an integer, found {}", printable(text, 40), kind(value));
    }
    tokens.add(text, id, "model.vocab");
  }
}

std::vector<AddedToken> read_added_tokens(const Object& root, TokenList& tokens) {
  std::vector<AddedToken> added;
  if (!has(root, "added_tokens")) return added;
  TokenTable seen(static_cast<int64_t>(required<Array>(root, "", "added_tokens").size()));
  for (const Element element : required<Array>(root, "", "added_tokens")) {
    const auto path = fmt::format("added_tokens[{}]", added.size());
    const auto entry = as<Object>(element, path);
    const auto content = required<std::string_view>(entry, path, "content");
    const auto id = required<int64_t>(entry, path, "id");
    if (content.empty() || content.size() > kMaxAddedBytes) {
      bad_input("{}.content: expected 1 to {} bytes, found {}", path, kMaxAddedBytes, content.size());
    }
    for (const std::string_view flag : {"single_word", "lstrip", "rstrip"}) must_be_false(entry, path, flag);
    if (seen.insert(content, 0) >= 0) {
      bad_input("{}.content: expected a token named once, found '{}' again", path, printable(content, 40));
    }
    const int32_t base = tokens.find(content);
    if (base < 0) {
      tokens.add(content, id, path + ".id");
    } else if (base != id) {
      bad_input("{}.id: expected {}, the id of '{}' in model.vocab, found {}", path, base,
                printable(content, 40), id);
    }
    added.push_back(
        {std::string(content), static_cast<int32_t>(id), optional<bool>(entry, path, "special", false)});
  }
  return added;
}

// ---- merges ----

struct MergeReader {
  const TokenList& tokens;
  std::string joined;

  int32_t id_of(std::string_view text, size_t index) const {
    const int32_t id = tokens.find(text);
    if (id < 0)
      bad_input("model.merges[{}]: expected tokens of model.vocab, found '{}'", index, printable(text, 40));
    return id;
  }

  Merge read(const Element& element, size_t index) {
    std::string_view left, right;
    Array pair;
    if (std::string_view text; element.get(text) == simdjson::SUCCESS) {
      const size_t space = text.find(' ');
      if (space == std::string_view::npos || text.find(' ', space + 1) != std::string_view::npos) {
        bad_input("model.merges[{}]: expected two tokens and a space between, found '{}'", index,
                  printable(text, 40));
      }
      left = text.substr(0, space);
      right = text.substr(space + 1);
    } else if (element.get(pair) == simdjson::SUCCESS) {
      if (pair.size() != 2)
        bad_input("model.merges[{}]: expected a pair, found {} entries", index, pair.size());
      const auto path = fmt::format("model.merges[{}]", index);
      left = as<std::string_view>(pair.at(0).value_unsafe(), path);
      right = as<std::string_view>(pair.at(1).value_unsafe(), path);
    } else {
      bad_input("model.merges[{}]: expected a string or a pair, found {}", index, kind(element));
    }
    joined.assign(left);
    joined += right;
    return {id_of(left, index), id_of(right, index), id_of(joined, index)};
  }
};

// What only tokens of model.vocab have; to be called before the added ones join the list.
void fill_base(const TokenList& tokens, TokenizerData& data) {
  const auto& texts = tokens.texts();
  data.byte_ids.fill(-1);
  data.byte_level.resize(texts.size());
  std::string bytes;
  for (size_t id = 0; id < texts.size(); ++id) {
    bytes.clear();
    if (texts[id].empty() || !append_byte_level(texts[id], bytes)) continue;
    data.byte_level[id] = true;
    if (bytes.size() == 1) data.byte_ids[static_cast<unsigned char>(bytes[0])] = static_cast<int32_t>(id);
  }
  for (size_t byte = 0; byte < 256; ++byte) {
    if (data.byte_ids[byte] < 0)
      bad_input("model.vocab: expected a token for each byte, found none for 0x{:02x}", byte);
  }
}

void fill_bytes(const TokenList& tokens, TokenizerData& data) {
  const auto& texts = tokens.texts();
  data.byte_level.resize(texts.size());
  std::vector<bool> is_added(texts.size());
  for (const AddedToken& token : data.added) is_added[static_cast<size_t>(token.id)] = true;
  data.offsets.push_back(0);
  for (size_t id = 0; id < texts.size(); ++id) {
    if (texts[id].data() == nullptr) {
      bad_input("model.vocab and added_tokens: expected ids 0..{} without a gap, found no token {}",
                texts.size() - 1, id);
    }
    if (is_added[id] || !append_byte_level(texts[id], data.token_bytes)) data.token_bytes += texts[id];
    data.offsets.push_back(static_cast<uint32_t>(data.token_bytes.size()));
  }
}

}  // namespace

TokenizerData parse_tokenizer_json(std::string_view json) {
  if (json.size() > kMaxJsonBytes) {
    bad_input("expected at most {} bytes, found {}", kMaxJsonBytes, json.size());
  }
  simdjson::dom::parser parser;
  Element document;
  if (const auto error = parser.parse(json.data(), json.size()).get(document); error != simdjson::SUCCESS) {
    bad_input("expected JSON, found: {}", simdjson::error_message(error));
  }
  const auto root = as<Object>(document, "file");
  TokenizerData data;
  check_normalizer(root);
  check_decoder(root);
  data.splits = read_splits(root);

  const auto model = required<Object>(root, "", "model");
  check_model(model);
  data.ignore_merges = optional<bool>(model, "model", "ignore_merges", false);
  const auto vocabulary = required<Object>(model, "model", "vocab");
  const auto merges = required<Array>(model, "model", "merges");
  // simdjson's size() saturates at 2^24 - 1, which is above the limit.
  const size_t added_count = has(root, "added_tokens") ? required<Array>(root, "", "added_tokens").size() : 0;
  for (const auto& [path, count] :
       {std::pair("model.vocab", vocabulary.size()), std::pair("model.merges", merges.size()),
        std::pair("added_tokens", added_count)}) {
    if (count >= static_cast<size_t>(kMaxTokens))
      bad_input("{}: expected fewer than {} entries, found {}", path, kMaxTokens, count);
  }

  TokenList tokens(vocabulary.size() + added_count);
  read_vocabulary(vocabulary, tokens);
  MergeReader reader{tokens, {}};
  data.merges.reserve(merges.size());
  for (const Element merge : merges) data.merges.push_back(reader.read(merge, data.merges.size()));
  fill_base(tokens, data);
  data.added = read_added_tokens(root, tokens);
  fill_bytes(tokens, data);
  return data;
}

}  // namespace fathom
