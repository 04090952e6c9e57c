#include "text/tokenizer_write.h"

#include <nlohmann/json.hpp>

#include "text/byte_level.h"

namespace fathom {
namespace {

using Json = nlohmann::ordered_json;

Json added_tokens(const std::vector<AddedToken>& added) {
  Json list = Json::array();
  for (const AddedToken& token : added) {
    // As in V4's file, what decoding keeps is "normalized" (there is no normalizer, so this changes nothing).
    list.push_back({{"id", token.id},
                    {"content", token.content},
                    {"single_word", false},
                    {"lstrip", false},
                    {"rstrip", false},
                    {"normalized", !token.special},
                    {"special", token.special}});
  }
  return list;
}

Json pre_tokenizer(const std::vector<SplitRule>& splits) {
  Json steps = Json::array();
  for (const SplitRule& rule : splits) {
    steps.push_back({{"type", "Split"},
                     {"pattern", {{rule.literal ? "String" : "Regex", rule.pattern}}},
                     {"behavior", "Isolated"},
                     {"invert", false}});
  }
  steps.push_back(
      {{"type", "ByteLevel"}, {"add_prefix_space", false}, {"trim_offsets", true}, {"use_regex", false}});
  return {{"type", "Sequence"}, {"pretokenizers", std::move(steps)}};
}

}  // namespace

std::string write_tokenizer_json(const TokenizerFile& file) {
  std::vector<std::string> texts;
  for (const std::string& bytes : file.token_bytes) texts.push_back(byte_level_text(bytes));
  for (const AddedToken& token : file.added) {
    if (static_cast<size_t>(token.id) < texts.size()) texts[static_cast<size_t>(token.id)] = token.content;
  }
  Json vocab = Json::object();
  // ordered_json looks every key up from the start, so entries are put in behind its back.
  auto& entries = vocab.get_ref<Json::object_t&>();
  for (size_t id = 0; id < texts.size(); ++id) entries.emplace_back(texts[id], id);
  Json merges = Json::array();
  for (const Merge& merge : file.merges) {
    merges.push_back(texts[static_cast<size_t>(merge.left)] + " " + texts[static_cast<size_t>(merge.right)]);
  }
  const Json out = {
      {"version", "1.0"},
      {"truncation", nullptr},
      {"padding", nullptr},
      {"added_tokens", added_tokens(file.added)},
      {"normalizer", {{"type", "Sequence"}, {"normalizers", Json::array()}}},
      {"pre_tokenizer", pre_tokenizer(file.splits)},
      {"post_processor", nullptr},
      {"decoder",
       {{"type", "ByteLevel"}, {"add_prefix_space", true}, {"trim_offsets", true}, {"use_regex", true}}},
      {"model",
       {{"type", "BPE"},
        {"dropout", nullptr},
        {"unk_token", nullptr},
        {"continuing_subword_prefix", nullptr},
        {"end_of_word_suffix", nullptr},
        {"fuse_unk", false},
        {"byte_fallback", false},
        {"ignore_merges", false},
        {"vocab", std::move(vocab)},
        {"merges", std::move(merges)}}}};
  return out.dump(1) + "\n";
}

}  // namespace fathom
