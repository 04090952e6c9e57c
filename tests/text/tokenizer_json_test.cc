// Malformed and foreign tokenizer.json files: each gives one line that names the field.
#include "text/tokenizer_json.h"

#include <doctest/doctest.h>

#include <functional>

#include "base/error.h"
#include "tests/text/tokenizer_files.h"

namespace fathom {
namespace {

using Json = nlohmann::json;

const Json& tiny() {
  static const Json file = Json::parse(test::tokenizer_file("tiny.json"));
  return file;
}

// The message with which `text` is refused; empty if it is accepted.
std::string refusal(const std::string& text) {
  try {
    Tokenizer::from_json(text, "dir/tokenizer.json");
    return {};
  } catch (const Error& error) {
    return error.message();
  }
}

TEST_CASE("each broken field is named") {
  struct Case {
    const char* expected;  // how the message starts, after the file's name
    std::function<void(Json&)> breaks;
  };
  const auto first_split = [](Json& f) -> Json& { return f["pre_tokenizer"]["pretokenizers"][0]; };
  const Case cases[] = {
      {"model: expected an object, found no such field", [](Json& f) { f.erase("model"); }},
      {"model: expected an object, found an array", [](Json& f) { f["model"] = Json::array(); }},
      {"model.type: expected BPE, found Unigram", [](Json& f) { f["model"]["type"] = "Unigram"; }},
      {"model.dropout: expected null", [](Json& f) { f["model"]["dropout"] = 0.1; }},
      {"model.byte_fallback: expected false, found true",
       [](Json& f) { f["model"]["byte_fallback"] = true; }},
      {"model.byte_fallback: expected a boolean, found a string",
       [](Json& f) { f["model"]["byte_fallback"] = "x"; }},
      {"model.continuing_subword_prefix: expected null, found ##",
       [](Json& f) { f["model"]["continuing_subword_prefix"] = "##"; }},
      {"model.end_of_word_suffix: expected null, found </w>",
       [](Json& f) { f["model"]["end_of_word_suffix"] = "</w>"; }},
      {"model.ignore_merges: expected a boolean, found an integer",
       [](Json& f) { f["model"]["ignore_merges"] = 1; }},
      {"model.vocab: expected an object, found no such field", [](Json& f) { f["model"].erase("vocab"); }},
      {"model.vocab: expected an object, found an array", [](Json& f) { f["model"]["vocab"] = {"a", "b"}; }},
      {"model.vocab['a']: expected an integer, found a string",
       [](Json& f) { f["model"]["vocab"]["a"] = "67"; }},
      {"model.vocab['a']: expected an integer, found a number",
       [](Json& f) { f["model"]["vocab"]["a"] = 67.5; }},
      {"model.vocab['a']: expected an integer, found an integer",
       [](Json& f) { f["model"]["vocab"]["a"] = 18446744073709551615ULL; }},
      {"model.vocab: expected an id in 0..1048575, found -1 for 'a'",
       [](Json& f) { f["model"]["vocab"]["a"] = -1; }},
      {"model.vocab: expected an id in 0..1048575, found 1099511627776 for 'a'",
       [](Json& f) { f["model"]["vocab"]["a"] = 1LL << 40; }},
      {"model.vocab: expected an id of its own for ", [](Json& f) { f["model"]["vocab"]["zzz"] = 67; }},
      {"model.vocab: expected a token for each byte, found none for 0x61",
       [](Json& f) {
         f["model"]["vocab"]["qqqqq"] = f["model"]["vocab"]["a"];
         f["model"]["vocab"].erase("a");
         f["model"]["merges"].clear();
       }},
      {"model.vocab and added_tokens: expected ids 0..511 without a gap, found no token 498",
       [](Json& f) { f["added_tokens"].erase(3); }},
      {"model.vocab and added_tokens: expected ids 0..600 without a gap, found no token 512",
       [](Json& f) { f["model"]["vocab"]["zzz"] = 600; }},
      {"model.merges: expected an array, found no such field", [](Json& f) { f["model"].erase("merges"); }},
      {"model.merges[3]: expected a string or a pair, found an integer",
       [](Json& f) { f["model"]["merges"][3] = 7; }},
      {"model.merges[3]: expected tokens of model.vocab, found 'nope'",
       [](Json& f) { f["model"]["merges"][3] = "nope a"; }},
      {"model.merges[3]: expected tokens of model.vocab, found 'qqzz'",
       [](Json& f) {
         f["model"]["merges"][3] = {"q", "qzz"};
         f["model"]["vocab"]["qzz"] = 512;
       }},
      {"model.merges[3]: expected two tokens and a space between, found 'ab'",
       [](Json& f) { f["model"]["merges"][3] = "ab"; }},
      {"model.merges[3]: expected two tokens and a space between, found 'a b c'",
       [](Json& f) { f["model"]["merges"][3] = "a b c"; }},
      {"model.merges[3]: expected a pair, found 3 entries",
       [](Json& f) { f["model"]["merges"][3] = {"a", "b", "c"}; }},
      {"model.merges[3]: expected a string, found an integer",
       [](Json& f) { f["model"]["merges"][3] = {"a", 1}; }},
      {"model.merges: merge 3: expected a new pair, found that of merge 2",
       [](Json& f) { f["model"]["merges"][3] = f["model"]["merges"][2]; }},
      // An added token's text is no base token, so no merge may make it.
      {"model.merges[0]: expected tokens of model.vocab, found ",
       [](Json& f) { f["model"]["merges"][0] = {"<｜User｜>", "a"}; }},
      {"added_tokens: expected an array, found an object",
       [](Json& f) { f["added_tokens"] = Json::object(); }},
      {"added_tokens[2]: expected an object, found an integer", [](Json& f) { f["added_tokens"][2] = 5; }},
      {"added_tokens[2].id: expected an integer, found no such field",
       [](Json& f) { f["added_tokens"][2].erase("id"); }},
      {"added_tokens[2].id: expected 2, the id of ", [](Json& f) { f["added_tokens"][2]["id"] = 1; }},
      {"added_tokens[5].id: expected an id of its own for ", [](Json& f) { f["added_tokens"][5]["id"] = 5; }},
      {"added_tokens[5].id: expected an id in 0..1048575, found 2000000",
       [](Json& f) { f["added_tokens"][5]["id"] = 2000000; }},
      {"added_tokens[5].content: expected a token named once",
       [](Json& f) { f["added_tokens"][5]["content"] = f["added_tokens"][4]["content"]; }},
      {"added_tokens[5].content: expected 1 to 512 bytes, found 0",
       [](Json& f) { f["added_tokens"][5]["content"] = ""; }},
      {"added_tokens[5].content: expected 1 to 512 bytes, found 5000",
       [](Json& f) { f["added_tokens"][5]["content"] = std::string(5000, 'x'); }},
      {"added_tokens[5].content: expected a string, found null",
       [](Json& f) { f["added_tokens"][5]["content"] = nullptr; }},
      {"added_tokens[5].lstrip: expected false, found true",
       [](Json& f) { f["added_tokens"][5]["lstrip"] = true; }},
      {"added_tokens[5].special: expected a boolean, found an integer",
       [](Json& f) { f["added_tokens"][5]["special"] = 1; }},
      {"normalizer.type: expected no normalizer, found NFC",
       [](Json& f) { f["normalizer"] = {{"type", "NFC"}}; }},
      {"normalizer.normalizers: expected none, found 1 of them",
       [](Json& f) { f["normalizer"]["normalizers"] = {{{"type", "NFC"}}}; }},
      {"decoder.type: expected ByteLevel, found WordPiece",
       [](Json& f) { f["decoder"]["type"] = "WordPiece"; }},
      {"pre_tokenizer: expected an object, found null", [](Json& f) { f["pre_tokenizer"] = nullptr; }},
      {"pre_tokenizer.type: expected Sequence or ByteLevel, found Whitespace",
       [](Json& f) { f["pre_tokenizer"] = {{"type", "Whitespace"}}; }},
      {"pre_tokenizer.pretokenizers: expected 1 to 32 entries, found 0",
       [](Json& f) { f["pre_tokenizer"]["pretokenizers"].clear(); }},
      {"pre_tokenizer.pretokenizers: expected 1 to 32 entries, found 40",
       [&](Json& f) { f["pre_tokenizer"]["pretokenizers"] = Json(40, first_split(f)); }},
      {"pre_tokenizer.pretokenizers: expected ByteLevel at the end, found Split",
       [](Json& f) { f["pre_tokenizer"]["pretokenizers"].erase(3); }},
      {"pre_tokenizer.pretokenizers[3].add_prefix_space: expected false, found true",
       [](Json& f) { f["pre_tokenizer"]["pretokenizers"][3]["add_prefix_space"] = true; }},
      {"pre_tokenizer.pretokenizers[0].type: expected Split, Digits, or ByteLevel at the end, found "
       "Metaspace",
       [&](Json& f) { first_split(f)["type"] = "Metaspace"; }},
      {"pre_tokenizer.pretokenizers[0].behavior: expected Isolated, found Removed",
       [&](Json& f) { first_split(f)["behavior"] = "Removed"; }},
      {"pre_tokenizer.pretokenizers[0].invert: expected false, found true",
       [&](Json& f) { first_split(f)["invert"] = true; }},
      {"pre_tokenizer.pretokenizers[0].pattern.Regex: expected a string, found no such field",
       [&](Json& f) { first_split(f)["pattern"] = Json::object(); }},
      {"pre_tokenizer.pretokenizers[0].pattern: expected a pattern, found an empty string",
       [&](Json& f) { first_split(f)["pattern"]["Regex"] = ""; }},
      {"pre_tokenizer split 0 '(a': expected a regular expression, found: missing closing parenthesis",
       [&](Json& f) { first_split(f)["pattern"]["Regex"] = "(a"; }},
      {"pre_tokenizer split 0 'a*': expected a pattern that cannot match the empty string",
       [&](Json& f) { first_split(f)["pattern"]["Regex"] = "a*"; }},
      {"pre_tokenizer split 0 '\\w': expected a pattern without \\w",
       [&](Json& f) { first_split(f)["pattern"]["Regex"] = "\\w"; }},
  };
  for (const Case& broken : cases) {
    CAPTURE(broken.expected);
    Json file = tiny();
    broken.breaks(file);
    const std::string message = refusal(file.dump());
    CAPTURE(message);
    CHECK(message.find("dir/tokenizer.json: " + std::string(broken.expected)) == 0);
    CHECK(message.find('\n') == std::string::npos);
    CHECK(message.size() < 400);
  }
}

TEST_CASE("truncated at any place, and what is no JSON at all") {
  const std::string text = tiny().dump();
  for (size_t size = 0; size < text.size(); size += 97) {
    const std::string message = refusal(text.substr(0, size));
    REQUIRE(message.find("dir/tokenizer.json: expected JSON, found: ") == 0);
  }
  for (const std::string bad : {"[]", "7", "\"x\"", "null"}) {
    CHECK(refusal(bad).find("dir/tokenizer.json: file: expected an object, found ") == 0);
  }
  const std::string deep = "{\"model\":" + std::string(100000, '[') + std::string(100000, ']') + "}";
  CHECK(refusal(deep).find("dir/tokenizer.json: expected JSON") == 0);
  CHECK(refusal("{\"model\": \"\xFF\"}").find("dir/tokenizer.json: expected JSON") == 0);
  CHECK(refusal(text + "x").find("dir/tokenizer.json: expected JSON") == 0);
}

TEST_CASE("a repeated key of the vocabulary") {
  std::string text = tiny().dump();
  const size_t at = text.find("\"vocab\":{") + 9;
  text.insert(at, "\"a\":512,");
  CHECK(refusal(text).find("dir/tokenizer.json: model.vocab: expected 'a' once, found it with ids 512 and") ==
        0);
}

TEST_CASE("hostile text of a file does not reach the terminal raw") {
  Json file = tiny();
  file["model"]["type"] = "\x1b[31mred\n" + std::string(1000, 'x');
  const std::string message = refusal(file.dump());
  CHECK(message.find("\\x1b[31mred\\x0a") != std::string::npos);
  CHECK(message.size() < 300);
}

TEST_CASE("pairs and strings are the same merges; other pre-tokenizers of the family open") {
  Json pairs = tiny();
  for (auto& merge : pairs["model"]["merges"]) {
    const auto text = merge.get<std::string>();
    merge = {text.substr(0, text.find(' ')), text.substr(text.find(' ') + 1)};
  }
  const auto tokenizer = Tokenizer::from_json(pairs.dump(), "pairs");
  for (const auto& line : test::tokenizer_cases("ids_tiny.jsonl")) {
    REQUIRE(tokenizer->encode(line["text"].get<std::string>(), true) ==
            line["ids"].get<std::vector<int32_t>>());
  }

  Json file = tiny();
  file["pre_tokenizer"] = {{"type", "ByteLevel"}, {"add_prefix_space", false}, {"use_regex", true}};
  const auto gpt2 = Tokenizer::from_json(file.dump(), "gpt2");
  CHECK(gpt2->decode(gpt2->encode("It's 123 the\n\n thing", true), false) == "It's 123 the\n\n thing");
  file["pre_tokenizer"] = {{"type", "Sequence"},
                           {"pretokenizers",
                            {{{"type", "Digits"}, {"individual_digits", true}},
                             {{"type", "ByteLevel"}, {"add_prefix_space", false}, {"use_regex", false}}}}};
  CHECK(parse_tokenizer_json(file.dump()).splits.at(0).pattern == R"(\p{N})");
}

TEST_CASE("ignore_merges: a piece that is a token is that token") {
  Json file = tiny();
  file["model"]["vocab"]["xqxq"] = 512;  // no merge leads there
  CHECK(Tokenizer::from_json(file.dump(), "f")->encode("xqxq", true).size() > 1);
  file["model"]["ignore_merges"] = true;
  CHECK(Tokenizer::from_json(file.dump(), "f")->encode("xqxq", true) == std::vector<int32_t>{512});
  CHECK(Tokenizer::from_json(file.dump(), "f")->encode("xqxqx", true).size() > 1);
}

}  // namespace
}  // namespace fathom
