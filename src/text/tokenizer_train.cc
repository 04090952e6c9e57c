#include "text/tokenizer_train.h"

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <set>

#include "base/error.h"
#include "text/ascii_splitter.h"
#include "text/bpe_trainer.h"
#include "text/byte_level.h"
#include "text/piece_counter.h"
#include "text/protocol_strings.h"
#include "text/tokenizer_write.h"
#include "text/utf8_stream.h"

namespace fathom {
namespace {

constexpr std::string_view kPad = "<｜▁pad▁｜>";
constexpr int32_t kFirstByte = 3;  // after BOS, EOS and padding
constexpr int32_t kFirstMerge = kFirstByte + 256;
constexpr size_t kMaxAddedBytes = 512;  // what the reader takes

std::string tokenizer_config() {
  const nlohmann::ordered_json config = {{"tokenizer_class", "PreTrainedTokenizerFast"},
                                         {"add_bos_token", false},
                                         {"add_eos_token", false},
                                         {"bos_token", protocol::kBos},
                                         {"eos_token", protocol::kEos},
                                         {"pad_token", kPad},
                                         {"unk_token", nullptr},
                                         {"clean_up_tokenization_spaces", false}};
  return config.dump(1) + "\n";
}

// Those of the user must be neither V4's nor one another.
void check_added(const std::vector<std::string>& added) {
  std::set<std::string_view> names{protocol::kBos, protocol::kEos, kPad};
  names.insert(v4_markup().begin(), v4_markup().end());
  for (const std::string& text : added) {
    if (text.empty() || text.size() > kMaxAddedBytes || !is_valid_utf8(text)) {
      bad_input("added token: expected 1 to {} bytes of UTF-8, found '{}'", kMaxAddedBytes,
                printable(text, 40));
    }
    if (!names.insert(text).second) bad_input("added token: expected '{}' once", printable(text, 40));
  }
}

}  // namespace

const std::vector<std::string>& v4_markup() {
  static const std::vector<std::string> markup = [] {
    std::vector<std::string> list;
    for (const std::string_view text :
         {protocol::kFimHole, protocol::kFimBegin, protocol::kFimEnd, protocol::kUser, protocol::kAssistant,
          protocol::kThinkStart, protocol::kThinkEnd, protocol::kDsml, protocol::kLatestReminder}) {
      list.emplace_back(text);
    }
    for (const auto& [name, token] : protocol::kTasks) list.emplace_back(token);
    return list;
  }();
  return markup;
}

struct TokenizerTrainer::State {
  State(TokenizerTrainOptions o, ThreadPool& pool)
      : options(std::move(o)), splits(v4_splits(options.digits_per_piece)), counter(splits, pool) {}

  int64_t base_tokens() const { return options.vocab - std::ssize(v4_markup()) - std::ssize(options.added); }

  TokenizerTrainOptions options;
  std::vector<SplitRule> splits;
  PieceCounter counter;
  int64_t texts = 0, bytes = 0;
};

TokenizerTrainer::TokenizerTrainer(TokenizerTrainOptions options, ThreadPool& pool) {
  if (options.digits_per_piece != 1 && options.digits_per_piece != 3) {
    bad_input("digits: expected 1 or 3, found {}", options.digits_per_piece);
  }
  check_added(options.added);
  const int64_t least = kFirstMerge + std::ssize(v4_markup()) + std::ssize(options.added);
  if (options.vocab < least || options.vocab >= BytePairEncoder::kMaxTokens) {
    bad_input("vocabulary: expected {} (256 bytes and {} added tokens) to {}, found {}", least, least - 256,
              BytePairEncoder::kMaxTokens - 1, options.vocab);
  }
  state_ = std::make_unique<State>(std::move(options), pool);
}
TokenizerTrainer::~TokenizerTrainer() = default;

void TokenizerTrainer::add(std::string_view text) {
  ++state_->texts;
  state_->bytes += std::ssize(text);
  state_->counter.add(text);
}

std::optional<TrainedTokenizer> TokenizerTrainer::finish(const Progress& progress) {
  State& s = *state_;
  TrainedTokenizer out;
  const std::vector<PieceCount> pieces = s.counter.take();
  std::array<int32_t, 256> byte_ids{};
  TokenizerFile file;
  file.splits = s.splits;
  file.token_bytes.resize(kFirstByte);
  for (const uint8_t byte : byte_level_order()) {
    byte_ids[byte] = static_cast<int32_t>(file.token_bytes.size());
    file.token_bytes.emplace_back(1, static_cast<char>(byte));
  }
  const int64_t wanted = s.base_tokens() - kFirstMerge;
  BpeTraining training =
      train_merges(pieces, byte_ids, kFirstMerge, wanted, s.options.min_frequency, progress);
  if (training.stopped) return std::nullopt;
  if (const int64_t made = std::ssize(training.token_bytes); made < wanted) {
    bad_input(
        "vocabulary: expected at most {}, which is all that {} bytes of text give with pairs that occur {} "
        "times, found {}",
        s.options.vocab - wanted + made, s.bytes, s.options.min_frequency, s.options.vocab);
  }
  file.merges = std::move(training.merges);
  for (std::string& bytes : training.token_bytes) file.token_bytes.push_back(std::move(bytes));
  file.added = {{std::string(protocol::kBos), 0, true},
                {std::string(protocol::kEos), 1, true},
                {std::string(kPad), 2, true}};
  auto id = static_cast<int32_t>(file.token_bytes.size());
  // V4's file has special = false for all of these.
  for (const std::string& text : v4_markup()) file.added.push_back({text, id++, false});
  const std::set<std::string_view> known(file.token_bytes.begin(), file.token_bytes.end());
  for (const std::string& text : s.options.added) {
    if (std::string bytes; append_byte_level(text, bytes) && known.contains(bytes)) {
      bad_input("added token: expected one that is no token of the text, found '{}'", printable(text, 40));
    }
    file.added.push_back({text, id++, false});
  }
  out.json = write_tokenizer_json(file);
  out.config_json = tokenizer_config();
  out.vocab = id;
  out.merges = std::ssize(file.merges);
  out.texts = s.texts;
  out.bytes = s.bytes;
  for (const PieceCount& piece : pieces) out.pieces += piece.count;
  out.distinct_pieces = std::ssize(pieces);
  out.pieces_too_long = s.counter.too_long();
  out.tokens = training.tokens;
  return out;
}

}  // namespace fathom
