// Reading of training texts: what is given out, and what is refused with file, line and field.
#include "text/corpus.h"

#include <doctest/doctest.h>
#include <unistd.h>

#include <fstream>
#include <string>
#include <vector>

#include "base/error.h"

namespace fathom {
namespace {

class CorpusFile {
 public:
  CorpusFile(const std::string& name, const std::string& bytes)
      : path_(std::filesystem::temp_directory_path() / (std::to_string(getpid()) + "-" + name)) {
    std::ofstream(path_, std::ios::binary) << bytes;
  }
  ~CorpusFile() { std::filesystem::remove(path_); }
  CorpusFile(const CorpusFile&) = delete;
  CorpusFile& operator=(const CorpusFile&) = delete;
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

std::vector<std::string> texts(const std::string& name, const std::string& bytes,
                               CorpusFormat format = CorpusFormat::automatic) {
  const CorpusFile file(name, bytes);
  std::vector<std::string> out;
  CHECK(read_corpus(file.path(), format, [&](std::string_view text) { out.emplace_back(text); }));
  return out;
}

// The message without the file's name.
std::string refusal(const std::string& name, const std::string& bytes) {
  const CorpusFile file(name, bytes);
  try {
    read_corpus(file.path(), CorpusFormat::automatic, [](std::string_view) {});
    return "accepted";
  } catch (const Error& error) {
    const std::string start = file.path().string() + ": ";
    REQUIRE(error.message().find(start) == 0);
    return error.message().substr(start.size());
  }
}

TEST_CASE("texts of text files, documents and conversations") {
  CHECK(texts("a.txt", "one\ntwo\n") == std::vector<std::string>{"one\ntwo\n"});
  CHECK(texts("a.jsonl", "{\"text\":\"a\\nb\"}\n\n  \n{\"text\":\"\\u00e9\"}") ==
        std::vector<std::string>{"a\nb", "\u00e9"});
  const std::string chat =
      R"({"messages":[{"role":"user","content":"q"},{"role":"assistant","reasoning_content":"r","content":null}]})";
  CHECK(texts("a.jsonl", chat) == std::vector<std::string>{"q", "r"});
  CHECK(texts("a.txt", "{\"text\":\"x\"}", CorpusFormat::jsonl) == std::vector<std::string>{"x"});
}

TEST_CASE("what is broken is named") {
  CHECK(refusal("a.txt", "") == "expected text, found an empty file");
  CHECK(refusal("a.txt", "ab\xffz") == "expected UTF-8, found byte 0xff at byte 2");
  CHECK(refusal("a.txt", "ab\xc3") == "expected UTF-8, found byte 0xc3 at byte 2");
  CHECK(refusal("a.jsonl", "\n\n") == "expected text, found none");
  CHECK(refusal("a.jsonl", "{\"text\":\"\"}\n") == "expected text, found none");
  CHECK(refusal("a.jsonl", "{\"text\":\"a\"}\nnothing\n").find("line 2: expected JSON, found: ") == 0);
  CHECK(refusal("a.jsonl", "{\"text\":\"\xff\"}\n").find("line 1: expected JSON, found: ") == 0);
  CHECK(refusal("a.jsonl", "[]") == "line 1: line: expected an object, found an array");
  CHECK(refusal("a.jsonl", "{}") == "line 1: text: expected a string, found no such field");
  CHECK(refusal("a.jsonl", "{\"messages\":[{\"content\":3}]}") ==
        "line 1: messages[0].content: expected a string, found an integer");
  CHECK_THROWS_AS(read_corpus("/nonexistent/file", CorpusFormat::text, [](std::string_view) {}), Error);
  CHECK_THROWS_AS(read_corpus("/tmp", CorpusFormat::text, [](std::string_view) {}), Error);
}

TEST_CASE("progress can stop the reading") {
  const CorpusFile file("a.jsonl", "{\"text\":\"a\"}\n{\"text\":\"b\"}\n");
  int given = 0;
  CHECK_FALSE(read_corpus(
      file.path(), CorpusFormat::automatic, [&](std::string_view) { ++given; },
      [](int64_t, int64_t) { return false; }));
  CHECK(given == 1);
}

}  // namespace
}  // namespace fathom
