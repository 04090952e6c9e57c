// Layout of golden/tokenizer: ids of texts, texts of ids, and bytes that are not UTF-8.
//
// ids_X.jsonl belongs to X.json, or to the folder's main tokenizer with the added tokens of
// *X_added_tokens.json; ids.jsonl, decode.jsonl and invalid_utf8.jsonl to the main one (tokenizer.json, or
// *_tokenizer.json, possibly .gz).
#include <zlib.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/file.h"
#include "base/json_reader.h"
#include "engine/verify/checks.h"
#include "text/tokenizer.h"

namespace fathom::verify {
namespace {

namespace fs = std::filesystem;

constexpr int64_t kMaxBytes = int64_t{1} << 28;

// The text of a file, unpacked if its name ends in .gz.
std::string text_of(const fs::path& path) {
  if (path.extension() != ".gz") return read_text(path, kMaxBytes);
  const std::unique_ptr<gzFile_s, int (*)(gzFile)> in(gzopen(path.c_str(), "rb"), gzclose);
  if (!in) fail(ErrorCode::io, "{}: cannot be read", printable(path.string(), 400));
  std::string text, block(size_t{1} << 16, '\0');
  int got = 0;
  while ((got = gzread(in.get(), block.data(), static_cast<unsigned>(block.size()))) > 0) {
    text.append(block, 0, static_cast<size_t>(got));
    if (static_cast<int64_t>(text.size()) > kMaxBytes) {
      bad_input("{}: expected at most {} bytes unpacked", printable(path.string(), 400), kMaxBytes);
    }
  }
  if (got < 0) bad_input("{}: expected a gzip file", printable(path.string(), 400));
  return text;
}

class TokenizerFolder {
 public:
  explicit TokenizerFolder(Checks& checks) : checks_(checks) {
    for (const auto& entry : fs::directory_iterator(checks.folder())) {
      if (is_file(entry.path())) files_.push_back(entry.path().filename().string());
    }
    std::sort(files_.begin(), files_.end());
  }

  void run() {
    for (const std::string& file : files_) {
      if (!file.starts_with("ids") || !file.ends_with(".jsonl")) continue;
      if (const auto tokenizer = tokenizer_of(file)) {
        for_each_line(file, [&](const JsonField& line) { ids(*tokenizer, file, line); });
      }
    }
    const std::string main = main_file();
    if (main.empty()) return;
    if (has("decode.jsonl")) {
      const auto tokenizer = open(main, "");
      for_each_line("decode.jsonl", [&](const JsonField& line) { decode(*tokenizer, line); });
    }
    if (has("invalid_utf8.jsonl")) {
      const auto tokenizer = open(main, "");
      for_each_line("invalid_utf8.jsonl", [&](const JsonField& line) { invalid(*tokenizer, line); });
    }
  }

 private:
  bool has(const std::string& file) const {
    return std::find(files_.begin(), files_.end(), file) != files_.end();
  }
  std::string find(const std::string& suffix) const {
    const auto found = std::find_if(files_.begin(), files_.end(),
                                    [&](const std::string& file) { return file.ends_with(suffix); });
    return found == files_.end() ? "" : *found;
  }
  std::string main_file() const {
    for (const char* suffix : {"tokenizer.json", "tokenizer.json.gz"}) {
      if (has(suffix)) return suffix;
      if (const std::string file = find(std::string("_") + suffix); !file.empty()) return file;
    }
    return "";
  }

  // The tokenizer of an ids file, or null if the folder has none for it.
  std::shared_ptr<const Tokenizer> tokenizer_of(const std::string& file) {
    const std::string name = file == "ids.jsonl" ? "" : file.substr(4, file.size() - 10);  // ids_NAME.jsonl
    if (name.empty()) return main_file().empty() ? nullptr : open(main_file(), "");
    if (has(name + ".json")) return open(name + ".json", "");
    const std::string added = find("_" + name + "_added_tokens.json");
    return added.empty() || main_file().empty() ? nullptr : open(main_file(), added);
  }

  std::shared_ptr<const Tokenizer> open(const std::string& file, const std::string& added) {
    checks_.used(file);
    std::string text = text_of(checks_.folder() / file);
    if (!added.empty()) {
      checks_.used(added);
      auto json = parse_json(text, 64, static_cast<size_t>(kMaxBytes));
      if (!json.is_object()) bad_input("{}: expected an object", printable(file));
      json["added_tokens"] =
          parse_json(text_of(checks_.folder() / added), 64, static_cast<size_t>(kMaxBytes));
      text = json.dump();
    }
    return Tokenizer::from_json(text, file);
  }

  template <class Use>
  void for_each_line(const std::string& file, Use use) {
    const std::string text = text_of(checks_.folder() / file);
    checks_.used(file);
    int64_t number = 0;
    for (size_t at = 0; at < text.size();) {
      const size_t end = std::min(text.find('\n', at), text.size());
      const std::string where = fmt::format("{}:{}", file, ++number);
      if (end > at) {
        const nlohmann::json json =
            in_context(where, [&] { return parse_json(std::string_view(text).substr(at, end - at)); });
        use(JsonField(json, where));
      }
      at = end + 1;
    }
  }

  static std::vector<int32_t> id_list(const JsonField& list) {
    std::vector<int32_t> out;
    for (const JsonField& id : list.elements(size_t{1} << 24)) {
      out.push_back(static_cast<int32_t>(id.integer(0, std::numeric_limits<int32_t>::max())));
    }
    return out;
  }

  void ids(const Tokenizer& tokenizer, const std::string& file, const JsonField& line) {
    const std::string text = line.at("text").text();
    const std::vector<int32_t> expected = id_list(line.at("ids")), found = tokenizer.encode(text, true);
    checks_.differing(file + ": ids of texts", found != expected, 1);
    checks_.differing(file + ": texts of ids", tokenizer.decode(expected, false) != text, 1);
  }
  void decode(const Tokenizer& tokenizer, const JsonField& line) {
    const std::vector<int32_t> list = id_list(line.at("ids"));
    checks_.differing("decode.jsonl: texts", tokenizer.decode(list, false) != line.at("text").text(), 1);
    checks_.differing("decode.jsonl: texts without special tokens",
                      tokenizer.decode(list, true) != line.at("text_skip_special").text(), 1);
  }
  void invalid(const Tokenizer& tokenizer, const JsonField& line) {
    const std::string hex = line.at("hex").text();
    std::string bytes;
    for (size_t i = 0; i + 1 < hex.size(); i += 2) {
      bytes += static_cast<char>(std::strtol(hex.substr(i, 2).c_str(), nullptr, 16));
    }
    std::string replaced;
    append_valid_utf8(bytes, replaced);
    checks_.differing("invalid_utf8.jsonl: replaced texts", replaced != line.at("text_replaced").text(), 1);
    checks_.differing("invalid_utf8.jsonl: ids", tokenizer.encode(bytes, false) != id_list(line.at("ids")),
                      1);
  }

  Checks& checks_;
  std::vector<std::string> files_;
};

}  // namespace

bool is_tokenizer(const fs::path& folder) {
  if (!fs::is_directory(folder)) return false;
  for (const auto& entry : fs::directory_iterator(folder)) {
    const std::string file = entry.path().filename().string();
    if (file.starts_with("ids") && file.ends_with(".jsonl")) return true;
  }
  return false;
}

void check_tokenizer(Checks& checks) { TokenizerFolder(checks).run(); }

}  // namespace fathom::verify
