// Training of tokenizers: the same vocabulary and merges as Hugging Face tokenizers (expected_*.json, written
// by tests/clients/tokenizers_check.py), for any number of threads, read back by our own reader.
#include "text/tokenizer_train.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <filesystem>

#include "base/error.h"
#include "base/file.h"
#include "tests/text/tokenizer_files.h"
#include "text/ascii_splitter.h"
#include "text/byte_level.h"
#include "text/piece_counter.h"

namespace fathom {
namespace {

using Json = nlohmann::json;

TrainedTokenizer train(const TokenizerTrainOptions& options, const std::vector<std::string>& texts,
                       int threads = 1) {
  ThreadPoolOptions pool_options{threads};
  pool_options.pin = false;
  ThreadPool pool(pool_options);
  TokenizerTrainer trainer(options, pool);
  for (const std::string& text : texts) trainer.add(text);
  auto trained = trainer.finish();
  REQUIRE(trained.has_value());
  return trained.value_or(TrainedTokenizer{});
}

std::string refusal(const TokenizerTrainOptions& options, const std::string& text) {
  try {
    train(options, {text});
    return {};
  } catch (const Error& error) {
    return error.message();
  }
}

const std::string& corpus() {
  static const std::string text = test::tokenizer_file("tiny_corpus.txt");
  return text;
}

TEST_CASE("vocabulary and merges are those of Hugging Face's trainer") {
  int files = 0;
  for (const auto& entry :
       std::filesystem::directory_iterator(FATHOM_SOURCE_DIR "/tests/text/trained_tokenizer")) {
    CAPTURE(entry.path().filename().string());
    const Json expected = Json::parse(read_text(entry.path(), 1 << 20));
    TokenizerTrainOptions options;
    options.vocab = expected["vocab"];
    options.digits_per_piece = expected["digits"];
    options.min_frequency = expected["min_frequency"];
    const Json ours = Json::parse(train(options, {corpus()}).json);

    std::vector<std::string> tokens(ours["model"]["vocab"].size());
    for (const auto& [token, id] : ours["model"]["vocab"].items()) tokens.at(id.get<size_t>()) = token;
    CHECK(tokens == expected["tokens"].get<std::vector<std::string>>());
    std::vector<std::string> merges;
    for (const Json& pair : expected["merges"]) {
      merges.push_back(pair[0].get<std::string>() + " " + pair[1].get<std::string>());
    }
    CHECK(ours["model"]["merges"].get<std::vector<std::string>>() == merges);
    ++files;
  }
  CHECK(files == 3);
}

TEST_CASE("our reader takes the file; texts survive, markup is one id each, digits are as asked for") {
  for (const int64_t digits : {1, 3}) {
    CAPTURE(digits);
    TokenizerTrainOptions options;
    options.vocab = 600;
    options.digits_per_piece = digits;
    options.added = {"<note>"};
    std::string years;
    for (int i = 0; i < 200; ++i) years += "2024 ";
    const TrainedTokenizer trained = train(options, {corpus(), years});
    const auto tokenizer = Tokenizer::from_json(trained.json, "trained");
    CHECK(tokenizer->vocab_size() == 600);
    CHECK(trained.vocab == 600);
    for (const Json& line : test::tokenizer_cases("ids_tiny.jsonl")) {
      const auto text = line["text"].get<std::string>();
      CAPTURE(text);
      CHECK(tokenizer->decode(tokenizer->encode(text, true), false) == text);
    }
    CHECK(tokenizer->encode("<｜begin▁of▁sentence｜><｜end▁of▁sentence｜><｜▁pad▁｜>", true) ==
          std::vector<int32_t>{0, 1, 2});
    int32_t id = 600 - 1 - static_cast<int32_t>(v4_markup().size());
    for (const std::string& token : v4_markup()) {
      CHECK(tokenizer->encode(token, true) == std::vector<int32_t>{id++});
    }
    CHECK(tokenizer->encode("<note>", true) == std::vector<int32_t>{599});
    CHECK(tokenizer->is_special(0));
    CHECK_FALSE(tokenizer->is_special(599));
    CHECK(tokenizer->encode("2024", true).size() == (digits == 1 ? 4 : 2));  // 202 and 4
    // The count of tokens is what encoding gives.
    CHECK(trained.tokens ==
          std::ssize(tokenizer->encode(corpus(), false)) + std::ssize(tokenizer->encode(years, false)));
  }
}

TEST_CASE("the file does not depend on the threads, nor on how texts are dealt out") {
  std::string long_text;  // some parts' worth
  for (int i = 0; i < 12; ++i) long_text += corpus() + "\u00e9t\u00e9 12345 \u4e00\u4e8c" + std::to_string(i);
  TokenizerTrainOptions options;
  options.vocab = 1200;
  const std::string once = train(options, {long_text, corpus()}, 1).json;
  CHECK(train(options, {long_text, corpus()}, 3).json == once);
  CHECK(train(options, {corpus(), long_text}, 2).json == once);
}

TEST_CASE("parts of a text have the pieces of the whole") {
  std::string text;
  for (int i = 0; std::ssize(text) < (int64_t{1} << 20); ++i) {
    text += corpus().substr(static_cast<size_t>(i * 37 % 5000), 900) + " \u00fc\u0301ber\r\n\n  1234567 ";
  }
  const auto splits = v4_splits(3);
  std::vector<int64_t> ends;
  RegexScratch scratch;
  scratch.start_clock(std::ssize(text));
  Pretokenizer(splits).split(text, scratch, ends);
  ThreadPool pool(ThreadPoolOptions{2, false});
  PieceCounter counter(splits, pool);
  counter.add(text);
  int64_t pieces = 0;
  for (const PieceCount& piece : counter.take()) pieces += piece.count;
  CHECK(pieces == std::ssize(ends));
}

TEST_CASE("two ways to one token") {
  // "aaa" can come of "aa" + "a" and of "a" + "aa": the token has one id, no pair is a merge twice, and the
  // reader takes the file.
  std::string text;
  for (int i = 0; i < 40; ++i) text += " baaa aaab aaaab xaa aab aaaaa a";
  TokenizerTrainOptions options;
  options.vocab = 259 + 10 + static_cast<int64_t>(v4_markup().size());
  const auto trained = train(options, {text});
  CHECK(Tokenizer::from_json(trained.json, "trained")->vocab_size() == options.vocab);
}

TEST_CASE("pieces that are no words are left out") {
  const std::string dashes(PieceCounter::kMaxPieceBytes + 1, '-');
  TokenizerTrainOptions options;
  options.vocab = 300;
  CHECK(train(options, {corpus(), dashes}).pieces_too_long == 1);
}

TEST_CASE("what cannot be trained is refused with the limit") {
  const auto least = static_cast<int64_t>(259 + v4_markup().size());
  TokenizerTrainOptions options;
  options.vocab = least - 1;
  CHECK(refusal(options, corpus()).find("vocabulary: expected " + std::to_string(least)) == 0);
  options.vocab = 1 << 20;
  CHECK(refusal(options, corpus()).find("vocabulary: expected") == 0);
  options.vocab = 5000;
  const std::string small = refusal(options, "low lower lowest");
  CHECK(small.find("vocabulary: expected at most " + std::to_string(least + 4) + ", which is all") == 0);
  options.vocab = least;
  CHECK(refusal(options, corpus()).empty());
  for (const char* added : {"", "<think>", "\xff", "<｜▁pad▁｜>"}) {
    TokenizerTrainOptions with = options;
    with.vocab = 400;
    with.added = {added};
    CHECK(refusal(with, corpus()).find("added token: expected") == 0);
  }
  TokenizerTrainOptions token = options;
  token.vocab = 400;
  token.added = {"he"};
  CHECK(refusal(token, corpus()).find("added token: expected one that is no token") == 0);
  options.digits_per_piece = 2;
  CHECK(refusal(options, corpus()) == "digits: expected 1 or 3, found 2");
}

TEST_CASE("progress can stop the merging") {
  ThreadPool pool(1);
  TokenizerTrainOptions options;
  options.vocab = 500;
  TokenizerTrainer trainer(options, pool);
  trainer.add(corpus());
  CHECK_FALSE(trainer.finish([](int64_t done, int64_t) { return done < 10; }).has_value());
}

TEST_CASE("the byte-level alphabet is read as it is written") {
  std::string all, back;
  for (int b = 0; b < 256; ++b) all += static_cast<char>(b);
  CHECK(append_byte_level(byte_level_text(all), back));
  CHECK(back == all);
  CHECK_FALSE(append_byte_level("a b", back));  // a space is written as another character
  CHECK(back == all);
}

}  // namespace
}  // namespace fathom
