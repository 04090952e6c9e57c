// Documents made as they are drawn: a function of seed, stream and index, and none comes twice.
#include "train/document_maker.h"

#include <doctest/doctest.h>
#include <unistd.h>

#include <filesystem>
#include <set>

#include "base/error.h"
#include "train/dataset.h"

namespace fathom {
namespace {

namespace fs = std::filesystem;

std::shared_ptr<const Tokenizer> tokenizer() {
  return Tokenizer::open(fs::path(FATHOM_SOURCE_DIR) / "models/v4-10m");
}

DataGenerator problems(const std::string& tasks) {
  DataGenerator generator;
  generator.tasks = tasks;
  return generator;
}

std::vector<DataSource> sources(const DataGenerator& generator) {
  return {{"made", nullptr, 1, document_maker(generator, tokenizer())}};
}

bool same(const Row& a, const Row& b) {
  if (a.size() != b.size()) return false;
  for (size_t i = 0; i < a.size(); ++i) {
    if (a[i].tokens != b[i].tokens || a[i].labels != b[i].labels) return false;
  }
  return true;
}

}  // namespace

TEST_CASE("rows of made documents go on from a position, never repeat, and change their order") {
  const DataGenerator generator = problems("mul:4,chain:8");
  Dataset whole(sources(generator), 512, 7), begun(sources(generator), 512, 7);
  std::set<std::vector<int32_t>> seen;
  for (int i = 0; i < 60; ++i) {
    const Row row = whole.next_row();
    int64_t tokens = 0;
    for (const RowDocument& d : row) {
      CHECK(d.tokens.size() == d.labels.size());
      CHECK(seen.insert(d.tokens).second);
      tokens += std::ssize(d.tokens);
    }
    CHECK(tokens <= 512);
    CHECK(tokens > 256);
    if (i < 25) begun.next_row();
  }
  Dataset resumed(sources(generator), 512, 7), other(sources(generator), 512, 7);
  resumed.seek(begun.position());
  other.seek(begun.position());
  other.change_order();
  for (int i = 25; i < 30; ++i) {
    const Row expected = begun.next_row();
    CHECK(same(resumed.next_row(), expected));
    CHECK(!same(other.next_row(), expected));
  }
  CHECK(
      !same(Dataset(sources(generator), 512, 8).next_row(), Dataset(sources(generator), 512, 7).next_row()));
}

TEST_CASE("answers alone are learned; what does not fit a row is left out and counted") {
  DataGenerator generator = problems("mul:1,mul:4");
  generator.mix.off = 0;  // traces of six digits are long
  Dataset data(sources(generator), 256, 1);
  for (int i = 0; i < 20; ++i) {
    for (const RowDocument& d : data.next_row()) {
      CHECK(d.labels.front() == kUnlearned);
      CHECK(d.labels.back() != kUnlearned);
    }
  }
  CHECK(data.left_out(0) > 0);
  Dataset narrow(sources(problems("kv:48")), 64, 1);
  CHECK_THROWS_WITH_AS(narrow.next_row(),
                       "data made: expected documents of at most 64 tokens, found none among 1000", Error);
}

TEST_CASE("stories are made too, and held-out documents are files of their own") {
  DataGenerator stories;
  stories.stories = true;
  Dataset data(sources(stories), 512, 3);
  const Row row = data.next_row();
  REQUIRE(!row.empty());
  CHECK(row[0].labels[0] != kUnlearned);
  CHECK(row[0].tokens[0] == tokenizer()->id_of("<\uff5cbegin\u2581of\u2581sentence\uff5c>"));

  const fs::path file =
      fs::temp_directory_path() / ("fathom_maker_test_" + std::to_string(getpid())) / "v.tokens";
  for (const bool story : {true, false}) {
    DataGenerator generator = story ? stories : problems("add:2");
    write_held_out(generator, tokenizer(), "{}", 3000, file);
    const TokenShard shard(file);
    CHECK(shard.info().masked == !story);
    CHECK(shard.info().tokens >= 3000);
    CHECK(shard.info().label_bytes > 0);
    CHECK((shard.info().labels < shard.info().tokens / 2) == !story);
  }
  fs::remove_all(file.parent_path());
  CHECK_THROWS_AS(problems("magic").check(), Error);
  stories.tasks = "add";
  CHECK_THROWS_AS(stories.check(), Error);
}

}  // namespace fathom
