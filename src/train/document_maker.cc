#include "train/document_maker.h"

#include "base/error.h"
#include "base/rng.h"
#include "text/protocol_strings.h"
#include "train/stories/story.h"
#include "train/token_shard.h"

namespace fathom {
namespace {

constexpr uint64_t kHeldOutSeed = 0x68656c64;  // validation is the same for every recipe's seed

int32_t special_id(const Tokenizer& tokenizer, std::string_view token) {
  const auto id = tokenizer.id_of(token);
  if (!id) bad_input("tokenizer: expected the token {}, found none", token);
  return *id;
}

// One seed of the generators for each stream.
uint64_t stream_seed(uint64_t seed, uint64_t stream) {
  const auto words = philox(seed, 0x6d616b65, stream);
  return uint64_t{words[1]} << 32 | words[0];
}

class ProblemMaker : public DocumentMaker {
 public:
  ProblemMaker(TaskMix mix, std::shared_ptr<const Tokenizer> tokenizer)
      : mix_(std::move(mix)), tokenizer_(std::move(tokenizer)) {}

  TokenDocument make(uint64_t seed, uint64_t stream, uint64_t index) const override {
    const std::string line = problem_line(make_problem(mix_, stream_seed(seed, stream), index));
    // Earlier turns that the last one does not go on from are documents of their own: the last is the answer.
    return conversation_documents(*tokenizer_, parse_json_value(line, JsonDialect::python),
                                  Generation::v2026_04)
        .back();
  }

 private:
  TaskMix mix_;
  std::shared_ptr<const Tokenizer> tokenizer_;
};

class StoryMaker : public DocumentMaker {
 public:
  StoryMaker(std::shared_ptr<const Tokenizer> tokenizer, bool held_out)
      : tokenizer_(std::move(tokenizer)),
        bos_(special_id(*tokenizer_, protocol::kBos)),
        eos_(special_id(*tokenizer_, protocol::kEos)),
        held_out_(held_out) {}

  TokenDocument make(uint64_t seed, uint64_t stream, uint64_t index) const override {
    const std::string line = story_line(stream_seed(seed, stream) ^ (held_out_ ? kHeldOutSeed : 0), index);
    const JsonValue value = parse_json_value(line, JsonDialect::python);
    TokenDocument document;
    document.tokens = tokenizer_->encode(*value.find("text")->as_string(), false);
    document.tokens.insert(document.tokens.begin(), bos_);
    document.tokens.push_back(eos_);
    document.learned.assign(document.tokens.size(), 1);
    document.learned[0] = 0;
    return document;
  }

 private:
  std::shared_ptr<const Tokenizer> tokenizer_;
  int32_t bos_, eos_;
  bool held_out_;
};

}  // namespace

void DataGenerator::check() const {
  TaskMix checked = mix;
  if (!tasks.empty()) checked.families = parse_task_list(tasks);
  checked.check();
  if (stories && !tasks.empty()) bad_input("tasks: expected none, as kind is \"stories\", found some");
}

std::shared_ptr<const DocumentMaker> document_maker(const DataGenerator& generator,
                                                    std::shared_ptr<const Tokenizer> tokenizer,
                                                    bool held_out) {
  if (generator.stories) return std::make_shared<StoryMaker>(std::move(tokenizer), held_out);
  TaskMix mix = generator.mix;
  if (!generator.tasks.empty()) mix.families = parse_task_list(generator.tasks);
  mix.held_out = held_out;
  return std::make_shared<ProblemMaker>(std::move(mix), std::move(tokenizer));
}

void write_held_out(const DataGenerator& generator, std::shared_ptr<const Tokenizer> tokenizer,
                    const std::string& tokenizer_json, int64_t tokens, const std::filesystem::path& path) {
  const Tokenizer& t = *tokenizer;
  const auto maker = document_maker(generator, std::move(tokenizer), true);
  ShardInfo info;
  info.vocab_size = t.vocab_size();
  info.tokenizer_hash = tokenizer_hash(tokenizer_json);
  info.bos = special_id(t, protocol::kBos);
  info.masked = !generator.stories;
  ShardWriter writer(info);
  for (uint64_t i = 0; writer.info().tokens < tokens; ++i) {
    const TokenDocument document = maker->make(kHeldOutSeed, 0, i);
    writer.add(document.tokens, document.learned, learned_bytes(t, document));
  }
  std::error_code error;
  std::filesystem::create_directories(path.parent_path(), error);
  writer.write(path);
}

}  // namespace fathom
