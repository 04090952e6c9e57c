#pragma once
/// The tokenizer files and vectors of tests/golden/tokenizer, read for tests.

#include <zlib.h>

#include <fstream>
#include <iterator>
#include <memory>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <string>
#include <vector>

#include "text/tokenizer.h"

namespace fathom::test {

inline std::string tokenizer_path(const std::string& file) {
  return std::string(FATHOM_SOURCE_DIR) + "/tests/golden/tokenizer/" + file;
}

/// The file's text; unpacked if its name ends in .gz (zlib reads other files as they are).
inline std::string tokenizer_file(const std::string& file) {
  const std::unique_ptr<gzFile_s, int (*)(gzFile)> in(gzopen(tokenizer_path(file).c_str(), "rb"), gzclose);
  if (!in) throw std::runtime_error("cannot read " + tokenizer_path(file));
  std::string text, block(1 << 16, '\0');
  for (int got = 0; (got = gzread(in.get(), block.data(), static_cast<unsigned>(block.size()))) > 0;) {
    text.append(block, 0, static_cast<size_t>(got));
  }
  if (text.empty()) throw std::runtime_error("nothing in " + tokenizer_path(file));
  return text;
}

/// The lines of a .jsonl file, cut at "\n" only: texts contain other line ends unescaped.
inline std::vector<nlohmann::json> tokenizer_cases(const std::string& file) {
  std::vector<nlohmann::json> cases;
  const std::string text = tokenizer_file(file);
  for (size_t begin = 0; begin < text.size();) {
    const size_t end = std::min(text.find('\n', begin), text.size());
    cases.push_back(nlohmann::json::parse(text.begin() + static_cast<std::ptrdiff_t>(begin),
                                          text.begin() + static_cast<std::ptrdiff_t>(end)));
    begin = end + 1;
  }
  return cases;
}

/// V4's file is V3's with other added tokens (README of the folder).
inline std::string v4_tokenizer_json() {
  auto file = nlohmann::json::parse(tokenizer_file("deepseek_v3_tokenizer.json.gz"));
  file["added_tokens"] = nlohmann::json::parse(tokenizer_file("deepseek_v4_added_tokens.json"));
  return file.dump();
}

inline std::shared_ptr<const Tokenizer> v3_tokenizer() {
  static const auto tokenizer = Tokenizer::from_json(tokenizer_file("deepseek_v3_tokenizer.json.gz"), "v3");
  return tokenizer;
}
inline std::shared_ptr<const Tokenizer> v4_tokenizer() {
  static const auto tokenizer = Tokenizer::from_json(v4_tokenizer_json(), "v4");
  return tokenizer;
}
inline std::shared_ptr<const Tokenizer> tiny_tokenizer() {
  static const auto tokenizer = Tokenizer::open(tokenizer_path("tiny.json"));
  return tokenizer;
}

}  // namespace fathom::test
