#include "text/corpus.h"

#include <fmt/format.h>
#include <simdjson.h>

#include <cstdio>
#include <iostream>
#include <iterator>
#include <optional>
#include <string>

#include "base/error.h"
#include "base/file.h"
#include "text/simdjson_field.h"
#include "text/utf8_stream.h"

namespace fathom {
namespace {

using namespace simdjson_field;

constexpr size_t kMaxLineBytes = size_t{256} << 20;

void check_utf8(std::string_view text) {
  if (is_valid_utf8(text)) return;
  int64_t at = 0;
  for (;; ++at) {
    const Utf8Step step = next_utf8(text.substr(static_cast<size_t>(at)));
    if (step.kind != Utf8Step::Kind::character) break;
    at += step.bytes - 1;
  }
  bad_input("expected UTF-8, found byte 0x{:02x} at byte {}",
            static_cast<unsigned char>(text[static_cast<size_t>(at)]), at);
}

// Whole files are mapped, standard input is read.
class Source {
 public:
  explicit Source(const std::filesystem::path& path) {
    if (path == "-") {
      held_.assign(std::istreambuf_iterator<char>(std::cin), {});
      if (std::ferror(stdin) != 0) fail(ErrorCode::io, "standard input: expected to read, found an error");
      bytes_ = held_;
    } else {
      file_.emplace(path);
      file_->advise(0, file_->size(), MappedFile::Advice::sequential);
      // An empty file has no bytes to point at.
      if (file_->size() > 0) {
        bytes_ = {reinterpret_cast<const char*>(file_->data()), static_cast<size_t>(file_->size())};
      }
    }
  }
  std::string_view bytes() const { return bytes_; }

 private:
  std::string held_;
  std::optional<MappedFile> file_;
  std::string_view bytes_;
};

class LineReader {
 public:
  explicit LineReader(const std::function<void(std::string_view)>& text) : text_(text) {}

  void read(std::string_view line) {
    if (line.size() > kMaxLineBytes)
      bad_input("expected at most {} bytes, found {}", kMaxLineBytes, line.size());
    Element document;
    const auto error = parser_.parse(line.data(), line.size()).get(document);
    if (error != simdjson::SUCCESS) bad_input("expected JSON, found: {}", simdjson::error_message(error));
    const auto object = as<Object>(document, "line");
    if (has(object, "messages")) return read_messages(object);
    give(required<std::string_view>(object, "", "text"));
  }
  int64_t bytes() const { return bytes_; }

 private:
  void read_messages(const Object& object) {
    int64_t i = 0;
    for (const Element element : required<Array>(object, "", "messages")) {
      const auto path = fmt::format("messages[{}]", i++);
      const auto message = as<Object>(element, path);
      for (const std::string_view key : {"reasoning_content", "content"}) {
        if (has(message, key)) give(required<std::string_view>(message, path, key));
      }
    }
  }
  void give(std::string_view text) {
    if (text.empty()) return;
    bytes_ += std::ssize(text);
    text_(text);
  }

  const std::function<void(std::string_view)>& text_;
  simdjson::dom::parser parser_;
  int64_t bytes_ = 0;
};

// Lines end at "\n" only: texts may hold other line ends.
bool read_lines(std::string_view bytes, const std::function<void(std::string_view)>& text,
                const Progress& progress) {
  LineReader reader(text);
  int64_t number = 0;
  for (size_t begin = 0; begin < bytes.size();) {
    const size_t end = std::min(bytes.find('\n', begin), bytes.size());
    const std::string_view line = bytes.substr(begin, end - begin);
    ++number;
    if (line.find_first_not_of(" \t\r") != std::string_view::npos) {
      in_context(fmt::format("line {}", number), [&] { reader.read(line); });
    }
    begin = end + 1;
    const auto done = static_cast<int64_t>(std::min(begin, bytes.size()));
    if (progress && !progress(done, std::ssize(bytes))) return false;
  }
  if (reader.bytes() == 0) bad_input("expected text, found none");
  return true;
}

}  // namespace

bool read_corpus(const std::filesystem::path& path, CorpusFormat format,
                 const std::function<void(std::string_view)>& text, const Progress& progress) {
  const auto extension = path.extension();
  const bool lines = format == CorpusFormat::jsonl ||
                     (format == CorpusFormat::automatic && (extension == ".jsonl" || extension == ".ndjson"));
  const Source source(path);  // its errors name the path
  return in_context(path == "-" ? "standard input" : printable(path.string(), 400), [&] {
    const std::string_view bytes = source.bytes();
    if (bytes.empty()) bad_input("expected text, found an empty file");
    if (lines) return read_lines(bytes, text, progress);
    check_utf8(bytes);
    text(bytes);
    return !progress || progress(std::ssize(bytes), std::ssize(bytes));
  });
}

}  // namespace fathom
