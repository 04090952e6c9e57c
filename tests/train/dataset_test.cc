// Token files and rows: cutting, packing, mixture, masks, and going on from a position.
#include "train/dataset.h"

#include <doctest/doctest.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <map>
#include <set>

#include "base/error.h"
#include "tests/support/tensor_file.h"
#include "train/permutation.h"
#include "train/prepare.h"

namespace fathom {
namespace {

struct Folder {
  std::filesystem::path path =
      std::filesystem::temp_directory_path() / ("fathom_dataset_test_" + std::to_string(getpid()));
  Folder() { std::filesystem::create_directories(path); }
  ~Folder() { std::filesystem::remove_all(path); }
};

// Documents whose tokens tell where they are from: 100 * document + place (BOS is 1).
std::shared_ptr<const TokenShard> shard(const Folder& folder, const std::string& name,
                                        const std::vector<int64_t>& lengths, bool masked = false) {
  ShardInfo info;
  info.vocab_size = 100000;
  info.bos = 1;
  info.masked = masked;
  ShardWriter writer(info);
  for (size_t i = 0; i < lengths.size(); ++i) {
    std::vector<int32_t> tokens{1};
    while (std::ssize(tokens) < lengths[i]) {
      tokens.push_back(static_cast<int32_t>(100 * (i + 1)) + static_cast<int32_t>(tokens.size()));
    }
    std::vector<uint8_t> learned;
    for (size_t t = 0; masked && t < tokens.size(); ++t) learned.push_back(t % 2 == 1);
    writer.add(tokens, learned, 7);
  }
  writer.write(folder.path / name);
  return std::make_shared<TokenShard>(folder.path / name);
}

std::vector<int32_t> flat(const Row& row) {
  std::vector<int32_t> all;
  for (const RowDocument& d : row) {
    all.insert(all.end(), d.tokens.begin(), d.tokens.end());
    all.insert(all.end(), d.labels.begin(), d.labels.end());
  }
  return all;
}

std::string message(const auto& f) {
  try {
    f();
  } catch (const Error& e) {
    return e.message();
  }
  return "";
}

}  // namespace

TEST_CASE("a permutation has every element once, and its key decides the order") {
  for (const uint64_t count : {1u, 2u, 3u, 17u, 1000u}) {
    CAPTURE(count);
    std::vector<uint64_t> a, b;
    for (uint64_t i = 0; i < count; ++i)
      a.push_back(Permutation(count, 5)(i)), b.push_back(Permutation(count, 6)(i));
    CHECK(std::set<uint64_t>(a.begin(), a.end()).size() == count);
    CHECK(*std::max_element(a.begin(), a.end()) == count - 1);
    if (count > 16) CHECK(a != b);
  }
}

TEST_CASE("one pass has every token as a label once, and no row is too long") {
  const Folder folder;
  const std::vector<int64_t> lengths = {2, 5, 17, 33, 34, 90, 12, 3, 16, 18};
  const int64_t T = 16;
  Dataset data({{"a", shard(folder, "a", lengths), 1}}, T, 3);
  std::multiset<int32_t> labels;
  int64_t left = 0;
  for (const int64_t length : lengths) left += length - 1;
  CHECK(data.pieces(0) == 1 + 1 + 1 + 2 + 3 + 6 + 1 + 1 + 1 + 2);
  // The pass' pieces are drawn first; what waits beyond them belongs to the next pass.
  int64_t rows = 0, tokens = 0;
  while (labels.size() < 10000 && rows < 60) {
    const Row row = data.next_row();
    int64_t used = 0;
    for (const RowDocument& d : row) {
      REQUIRE(d.tokens.size() == d.labels.size());
      CHECK(d.tokens[0] == 1);
      for (size_t t = 0; t + 1 < d.tokens.size(); ++t) CHECK(d.labels[t] == d.tokens[t + 1]);
      labels.insert(d.labels.begin(), d.labels.end());
      used += std::ssize(d.tokens);
    }
    CHECK(used <= T);
    tokens += used;
    ++rows;
  }
  CHECK(static_cast<double>(tokens) / static_cast<double>(rows * T) > 0.95);  // best fit leaves little
  int64_t least = 1 << 30, most = 0;
  for (size_t i = 0; i < lengths.size(); ++i) {
    for (int64_t t = 1; t < lengths[i]; ++t) {
      const auto count =
          static_cast<int64_t>(labels.count(static_cast<int32_t>(100 * (i + 1)) + static_cast<int32_t>(t)));
      least = std::min(least, count);
      most = std::max(most, count);
    }
  }
  CHECK(least >= 1);
  CHECK(most - least <= 4);  // whole passes, but for the 64 pieces that wait
}

TEST_CASE("a run goes on from its position as if it had not stopped") {
  const Folder folder;
  const auto a = shard(folder, "a", {40, 7, 90, 33, 12}), b = shard(folder, "b", {9, 9, 30, 64});
  const auto make = [&] { return Dataset({{"a", a, 3}, {"b", b, 1}}, 24, 11); };
  Dataset whole = make();
  std::vector<std::vector<int32_t>> rows;
  DataPosition at;
  for (int i = 0; i < 40; ++i) {
    if (i == 17) at = whole.position();
    rows.push_back(flat(whole.next_row()));
  }
  Dataset resumed = make();
  resumed.seek(at);
  CHECK(resumed.position() == at);
  for (size_t i = 17; i < 40; ++i) CHECK(flat(resumed.next_row()) == rows[i]);

  Dataset other = make();
  other.seek(at);
  other.change_order();
  bool differs = false;
  for (size_t i = 17; i < 40; ++i) differs = differs || flat(other.next_row()) != rows[i];
  CHECK(differs);

  DataPosition wrong = at;
  wrong.sources.pop_back();
  CHECK(message([&] { other.seek(wrong); }).find("data position") == 0);
}

TEST_CASE("the mixture follows its weights") {
  const Folder folder;
  Dataset data(
      {{"a", shard(folder, "a", {40, 7, 90, 33, 12}), 3}, {"b", shard(folder, "b", {9, 9, 30, 64}), 1}}, 32,
      1);
  for (int i = 0; i < 300; ++i) data.next_row();
  const auto& sources = data.position().sources;
  const double share =
      static_cast<double>(sources[0].tokens) / static_cast<double>(sources[0].tokens + sources[1].tokens);
  CHECK(share == doctest::Approx(0.75).epsilon(0.01));
}

TEST_CASE("conversations are never cut, and only marked tokens are labels") {
  const Folder folder;
  Dataset data({{"chats", shard(folder, "c", {10, 40, 12}, true), 1}}, 16, 1);
  CHECK(data.left_out(0) == 1);
  CHECK(data.pieces(0) == 2);
  for (const RowDocument& d : data.next_row()) {
    for (size_t t = 0; t < d.labels.size(); ++t) CHECK((d.labels[t] == kUnlearned) == (t % 2 == 1));
  }
  CHECK(message([&] { Dataset({{"chats", shard(folder, "d", {40, 50}, true), 1}}, 16, 1); }) ==
        "data chats: expected documents of at most 16 tokens, found none");
}

TEST_CASE("damaged token files are refused by name") {
  const Folder folder;
  shard(folder, "good", {10, 20});
  const std::string good = test::read_text(folder.path / "good");
  const auto open = [&](const std::string& bytes) {
    const auto path = folder.path / "bad";
    std::ofstream(path, std::ios::binary) << bytes;
    return message([&] {
      const TokenShard read(path);
      std::vector<int32_t> ids(10);
      read.read(0, 0, ids);
    });
  };
  CHECK(open(good) == "");
  CHECK(open("").find("found 0 bytes") != std::string::npos);
  CHECK(open(good.substr(0, good.size() - 1)).find("expected " + std::to_string(good.size())) !=
        std::string::npos);
  CHECK(open("x" + good.substr(1)).find("found something else") != std::string::npos);
  std::string bytes = good;
  bytes[40] = 7;  // tokens
  CHECK(open(bytes).find("damaged") != std::string::npos);
  bytes = good;
  bytes[96 + 8] = 1;  // border of document 1
  CHECK(open(bytes).find("document 0: expected two tokens") != std::string::npos);
  bytes = good;
  bytes[96 + 24 + 3] = 127;  // a token of 4 bytes
  CHECK(open(bytes).find("expected tokens below 100000") != std::string::npos);
}

TEST_CASE("texts and conversations become token files") {
  const Folder folder;
  const auto tokenizer_path = std::filesystem::path(FATHOM_SOURCE_DIR) / "models/v4-10m/tokenizer.json";
  const std::string json = test::read_text(tokenizer_path);
  const auto tokenizer = Tokenizer::from_json(json, "tokenizer.json");
  const auto write = [&](const char* name, const std::string& text) {
    std::ofstream(folder.path / name, std::ios::binary) << text;
    return folder.path / name;
  };
  std::string text;
  for (int i = 0; i < 400; ++i) text += "The cat number " + std::to_string(i) + " sat on a mat.\n\n";
  PrepareOptions options;
  options.document_tokens = 256;
  options.validation = 0.1;
  const auto out = folder.path / "out";
  const auto report = prepare_data({write("a.txt", text)}, *tokenizer, json, out, options);
  CHECK(report.validation.documents > 0);
  CHECK(report.train.documents > 10);
  CHECK(report.train.label_bytes + report.validation.label_bytes == std::ssize(text));
  const TokenShard train(out / "train.tokens"), held(out / "validation.tokens");
  CHECK(train.info().tokenizer_hash == tokenizer_hash(json));
  CHECK(test::read_json(out / "data.json").at("train").at("documents") == report.train.documents);
  // The documents joined are the text.
  std::map<int, std::string> found;
  int ends = 0;
  for (const TokenShard* each : {&train, &held}) {
    for (int64_t i = 0; i < each->info().documents; ++i) {
      std::vector<int32_t> ids(static_cast<size_t>(each->length(i)));
      each->read(i, 0, ids);
      CHECK(std::ssize(ids) <= 256 + 20);
      CHECK(ids[0] == train.info().bos);
      ends += ids.back() == *tokenizer->id_of("<｜end▁of▁sentence｜>");
      const std::string part = tokenizer->decode(ids, true);
      CHECK(part.find("The cat") == 0);
      found[std::stoi(part.substr(15))] = part;
    }
  }
  std::string joined;
  for (const auto& [number, part] : found) joined += part;
  CHECK(joined == text);
  CHECK(ends == 1);

  const auto chats =
      write("c.jsonl", R"({"messages":[{"role":"user","content":"2+2?"},{"role":"assistant","content":"4"},)"
                       R"({"role":"user","content":"3+3?"},{"role":"assistant","content":"6"}]})"
                       "\n"
                       R"({"messages":[{"role":"user","content":"5*5?"},)"
                       R"({"role":"assistant","reasoning_content":"5*5 is 25","content":"25"}]})"
                       "\n");
  options.validation = 0;
  const auto chat_report = prepare_data({chats}, *tokenizer, json, folder.path / "chats", options);
  CHECK(chat_report.train.documents == 2);
  const TokenShard chat(folder.path / "chats/train.tokens");
  CHECK(chat.info().masked);
  std::vector<std::string> learned;
  for (int64_t i = 0; i < 2; ++i) {
    std::vector<int32_t> ids(static_cast<size_t>(chat.length(i))), kept;
    chat.read(i, 0, ids);
    for (int64_t t = 0; t < chat.length(i); ++t) {
      if (chat.learned(i, t)) kept.push_back(ids[static_cast<size_t>(t)]);
    }
    learned.push_back(tokenizer->decode(kept, false));
  }
  CHECK(learned[0] == "4<｜end▁of▁sentence｜>6<｜end▁of▁sentence｜>");
  CHECK(learned[1] == "5*5 is 25</think>25<｜end▁of▁sentence｜>");

  const auto refused = [&](const char* name, const std::string& content) {
    return message([&] { prepare_data({write(name, content)}, *tokenizer, json, out, options); });
  };
  CHECK(refused("e.txt", "").find("e.txt: expected a text, found an empty file") != std::string::npos);
  CHECK(refused("u.txt", "caf\xe9").find("u.txt: expected UTF-8, found another byte at 3") !=
        std::string::npos);
  CHECK(refused("l.jsonl", "{\"text\":\"a\"}\n{\"texts\":1}\n").find("l.jsonl: line 2: expected an object") !=
        std::string::npos);
  CHECK(refused("m.jsonl", "{\"messages\":[{\"role\":\"user\",\"content\":\"a\"}]}")
            .find("expected an assistant") != std::string::npos);
}

}  // namespace fathom
