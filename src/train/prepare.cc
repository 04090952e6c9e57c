#include "train/prepare.h"

#include <xxhash.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/file.h"
#include "text/protocol_strings.h"
#include "train/conversation.h"
#include "train/token_shard.h"

namespace fathom {
namespace {

constexpr int64_t kMaxFileBytes = int64_t{4} << 30;

// The byte at which text stops being UTF-8; npos if it never does.
size_t invalid_utf8(std::string_view text) {
  const auto byte = [&](size_t i) { return i < text.size() ? static_cast<unsigned char>(text[i]) : 0u; };
  for (size_t i = 0; i < text.size();) {
    const unsigned lead = byte(i);
    const size_t length = lead < 0x80                   ? 1
                          : lead >= 0xC2 && lead < 0xE0 ? 2
                          : lead >= 0xE0 && lead < 0xF0 ? 3
                          : lead >= 0xF0 && lead < 0xF5 ? 4
                                                        : 0;
    if (length == 0) return i;
    for (size_t k = 1; k < length; ++k) {
      if ((byte(i + k) & 0xC0u) != 0x80u) return i;
    }
    const unsigned second = byte(i + 1);  // overlong forms, surrogates, beyond U+10FFFF
    if ((lead == 0xE0 && second < 0xA0) || (lead == 0xED && second > 0x9F) ||
        (lead == 0xF0 && second < 0x90) || (lead == 0xF4 && second > 0x8F)) {
      return i;
    }
    i += length;
  }
  return text.npos;
}

// Where to cut the first piece off a text of which about `budget` bytes fit: after a blank line, a line or a
// space in its second half; else at a character's border.
size_t cut_at(std::string_view text, size_t budget) {
  if (text.size() <= budget) return text.size();
  for (const std::string_view border : {"\n\n", "\n", " "}) {
    const size_t at = text.substr(0, budget).rfind(border);
    if (at != text.npos && at + border.size() > budget / 2) return at + border.size();
  }
  size_t at = budget;
  while (at > 1 && (static_cast<unsigned char>(text[at]) & 0xC0u) == 0x80u) --at;
  return at;
}

int32_t special_id(const Tokenizer& tokenizer, std::string_view token) {
  const auto id = tokenizer.id_of(token);
  if (!id) bad_input("tokenizer: expected the token {}, found none", token);
  return *id;
}

class Preparing {
 public:
  Preparing(const Tokenizer& tokenizer, const std::string& tokenizer_json, const PrepareOptions& options)
      : tokenizer_(tokenizer),
        options_(options),
        bos_(special_id(tokenizer, protocol::kBos)),
        eos_(special_id(tokenizer, protocol::kEos)),
        hash_(tokenizer_hash(tokenizer_json)) {}

  void file(const std::filesystem::path& path) {
    const std::string where = printable(path.string(), 400);
    const std::string text = read_text(path, kMaxFileBytes);
    if (text.empty()) bad_input("{}: expected a text, found an empty file", where);
    if (const size_t at = invalid_utf8(text); at != text.npos) {
      bad_input("{}: expected UTF-8, found another byte at {}", where, at);
    }
    const int64_t before = count();
    if (path.extension() == ".jsonl") {
      lines(text, where);
    } else {
      plain(text, where);
    }
    sources_.push_back({path.string(), static_cast<int64_t>(text.size()), count() - before,
                        XXH64(text.data(), text.size(), 0)});
  }

  PrepareReport write(const std::filesystem::path& out) {
    if (documents_.empty()) bad_input("data: expected documents, found none");
    ShardInfo info;
    info.vocab_size = tokenizer_.vocab_size();
    info.tokenizer_hash = hash_;
    info.bos = bos_;
    info.masked = masked_.value_or(false);
    ShardWriter train(info), validation(info);
    const size_t held = hold_out();
    for (size_t i = 0; i < documents_.size(); ++i) {
      const Document& d = documents_[i];
      (d.held ? validation : train).add(d.tokens, d.learned, d.label_bytes);
    }
    std::error_code error;
    std::filesystem::create_directories(out, error);
    if (error)
      fail(ErrorCode::io, "{}: cannot make the folder: {}", printable(out.string(), 400), error.message());
    train.write(out / "train.tokens");
    if (held > 0) {
      validation.write(out / "validation.tokens");
    } else {
      std::filesystem::remove(out / "validation.tokens", error);
    }
    const auto set = [](const ShardInfo& i) {
      return PreparedSet{i.documents, i.tokens, i.labels, i.label_bytes};
    };
    return {set(train.info()), held > 0 ? set(validation.info()) : PreparedSet{}, sources_};
  }
  uint64_t hash() const { return hash_; }

 private:
  struct Document {
    std::vector<int32_t> tokens;
    std::vector<uint8_t> learned;
    int64_t label_bytes = 0;
    uint64_t hash = 0;
    bool held = false;
  };

  int64_t count() const { return static_cast<int64_t>(documents_.size()); }

  void kind(bool masked, const std::string& where) {
    if (masked_ && *masked_ != masked) {
      bad_input("{}: expected {}, as before it, found {}", where, *masked_ ? "conversations" : "texts",
                masked ? "a conversation" : "a text");
    }
    masked_ = masked;
  }

  void plain(std::string_view text, const std::string& where) {
    kind(false, where);
    const uint64_t file_hash = XXH64(text.data(), text.size(), 0);
    const auto budget = static_cast<size_t>(options_.document_tokens);
    uint64_t piece = 0;
    while (!text.empty()) {
      // A token has a few bytes: take as many pieces of text as the tokens allow.
      std::vector<int32_t> tokens{bos_};
      size_t bytes = 0;
      do {
        const size_t room = budget - std::min(budget, tokens.size());
        const size_t n = cut_at(text.substr(bytes), std::max<size_t>(room, 16));
        const auto ids = tokenizer_.encode(text.substr(bytes, n), false);
        tokens.insert(tokens.end(), ids.begin(), ids.end());
        bytes += n;
      } while (bytes < text.size() && tokens.size() * 8 < budget * 7);
      text.remove_prefix(bytes);
      if (text.empty()) tokens.push_back(eos_);
      add({std::move(tokens), {}, static_cast<int64_t>(bytes), philox_key(file_hash, piece++), false});
    }
  }

  void lines(std::string_view text, const std::string& where) {
    int64_t number = 0;
    while (!text.empty()) {
      const size_t end = std::min(text.find('\n'), text.size());
      const std::string_view line = text.substr(0, end);
      text.remove_prefix(std::min(end + 1, text.size()));
      ++number;
      if (line.find_first_not_of(" \t\r") == line.npos) continue;
      in_context(fmt::format("{}: line {}", where, number), [&] { one_line(line); });
    }
  }

  void one_line(std::string_view line) {
    const JsonValue value = parse_json_value(line, JsonDialect::python);
    if (const JsonValue* text = value.find("text")) {
      const std::string* plain_text = text->as_string();
      if (plain_text == nullptr) bad_input("text: expected a string, found {}", text->kind());
      if (!plain_text->empty()) plain(*plain_text, "text");
      return;
    }
    if (value.find("messages") == nullptr)
      bad_input("expected an object with text or messages, found neither");
    kind(true, "messages");
    for (TokenDocument& d : conversation_documents(tokenizer_, value, options_.generation)) {
      const int64_t bytes = learned_bytes(tokenizer_, d);
      add({std::move(d.tokens), std::move(d.learned), bytes, XXH64(line.data(), line.size(), 0), false});
    }
  }

  void add(Document document) { documents_.push_back(std::move(document)); }
  static uint64_t philox_key(uint64_t hash, uint64_t piece) {
    const uint64_t words[2] = {hash, piece};
    return XXH64(words, sizeof(words), 0);
  }

  // Marks the documents whose hash falls in the share; one at least, where there are several.
  size_t hold_out() {
    size_t held = 0;
    if (options_.validation <= 0 || documents_.size() < 2) return 0;
    const double limit = options_.validation * 0x1p64;
    for (Document& d : documents_) held += d.held = static_cast<double>(d.hash) < limit;
    if (held == 0 || held == documents_.size()) {
      for (Document& d : documents_) d.held = false;
      std::ranges::min_element(documents_, {}, &Document::hash)->held = true;
      held = 1;
    }
    return held;
  }

  const Tokenizer& tokenizer_;
  const PrepareOptions& options_;
  int32_t bos_, eos_;
  uint64_t hash_;
  std::optional<bool> masked_;
  std::vector<Document> documents_;
  std::vector<PreparedSource> sources_;
};

}  // namespace

PrepareReport prepare_data(const std::vector<std::filesystem::path>& files, const Tokenizer& tokenizer,
                           const std::string& tokenizer_json, const std::filesystem::path& out,
                           const PrepareOptions& options) {
  Preparing work(tokenizer, tokenizer_json, options);
  for (const auto& file : files) work.file(file);
  const PrepareReport report = work.write(out);

  const auto set = [](const PreparedSet& s) {
    return nlohmann::ordered_json{{"documents", s.documents},
                                  {"tokens", s.tokens},
                                  {"labels", s.labels},
                                  {"label_bytes", s.label_bytes}};
  };
  nlohmann::ordered_json manifest = {{"tokenizer_xxh64", fmt::format("{:016x}", work.hash())},
                                     {"vocab_size", tokenizer.vocab_size()},
                                     {"document_tokens", options.document_tokens},
                                     {"generation", name(options.generation)},
                                     {"licence", options.licence},
                                     {"train", set(report.train)},
                                     {"validation", set(report.validation)}};
  for (const PreparedSource& s : report.sources) {
    manifest["sources"].push_back({{"file", std::filesystem::path(s.file).filename().string()},
                                   {"bytes", s.bytes},
                                   {"xxh64", fmt::format("{:016x}", s.hash)},
                                   {"documents", s.documents}});
  }
  write_atomically(out / "data.json", manifest.dump(2) + "\n");
  return report;
}

}  // namespace fathom
