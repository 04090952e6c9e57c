#include "text/bpe_trainer.h"

#include <algorithm>
#include <queue>
#include <unordered_map>
#include <utility>

namespace fathom {
namespace {

uint64_t pair_key(int32_t left, int32_t right) {
  return uint64_t{static_cast<uint32_t>(left)} << 32 | static_cast<uint32_t>(right);
}

// The tokens of one piece: a stretch of the pool that gets shorter.
struct Word {
  size_t begin;
  int32_t size;
  int64_t count;
};

struct PairState {
  int64_t count = 0;
  bool merged = false;
  std::vector<int32_t> words;  // that hold it, or held it once
};

// Greater is merged earlier.
struct Candidate {
  int64_t count;
  uint64_t pair;
  bool operator<(const Candidate& other) const {
    return count != other.count ? count < other.count : pair > other.pair;
  }
};

class MergeLearner {
 public:
  MergeLearner(const std::vector<PieceCount>& pieces, const std::array<int32_t, 256>& byte_ids) {
    for (const PieceCount& piece : pieces) {
      const size_t begin = symbols_.size();
      for (const char c : piece.bytes) symbols_.push_back(byte_ids[static_cast<unsigned char>(c)]);
      words_.push_back({begin, static_cast<int32_t>(piece.bytes.size()), piece.count});
    }
    for (size_t w = 0; w < words_.size(); ++w) {
      const Word& word = words_[w];
      for (int32_t i = 0; i + 1 < word.size; ++i) {
        const int32_t* at = symbols_.data() + word.begin + i;
        add(pair_key(at[0], at[1]), word.count, static_cast<int32_t>(w));
      }
    }
    queue_changed();
  }

  // The most frequent pair, or false if none occurs min_frequency times.
  bool next(int64_t min_frequency, uint64_t& pair) {
    while (!heap_.empty()) {
      const Candidate top = heap_.top();
      heap_.pop();
      const int64_t count = pairs_[top.pair].count;
      if (count < min_frequency) continue;
      if (count != top.count) {  // counted when the pair was more frequent
        heap_.push({count, top.pair});
        continue;
      }
      pair = top.pair;
      return true;
    }
    return false;
  }

  bool merged_before(uint64_t pair) { return std::exchange(pairs_[pair].merged, true); }

  // Puts `token` for the pair wherever it stands, from left to right.
  void apply(uint64_t pair, int32_t token) {
    const auto left = static_cast<int32_t>(pair >> 32), right = static_cast<int32_t>(pair & UINT32_MAX);
    const std::vector<int32_t> words = std::move(pairs_[pair].words);
    pairs_[pair].words = {};
    for (const int32_t w : words) merge_word(w, left, right, token);
    pairs_[pair].count = 0;
    queue_changed();
  }

  int64_t tokens() const {
    int64_t sum = 0;
    for (const Word& word : words_) sum += word.size * word.count;
    return sum;
  }

 private:
  void add(uint64_t pair, int64_t count, int32_t word) {
    PairState& state = pairs_[pair];
    state.count += count;
    if (changed_.empty() || changed_.back() != pair) changed_.push_back(pair);
    if (state.words.empty() || state.words.back() != word) state.words.push_back(word);
  }
  void take(uint64_t pair, int64_t count) { pairs_[pair].count -= count; }

  void queue_changed() {
    std::sort(changed_.begin(), changed_.end());
    changed_.erase(std::unique(changed_.begin(), changed_.end()), changed_.end());
    for (const uint64_t pair : changed_) {
      if (const int64_t count = pairs_[pair].count; count > 0) heap_.push({count, pair});
    }
    changed_.clear();
  }

  void merge_word(int32_t w, int32_t left, int32_t right, int32_t token) {
    Word& word = words_[static_cast<size_t>(w)];
    int32_t* s = symbols_.data() + word.begin;
    int32_t to = 0;
    for (int32_t from = 0; from < word.size; ++to) {
      if (s[from] != left || from + 1 >= word.size || s[from + 1] != right) {
        s[to] = s[from++];
        continue;
      }
      if (to > 0) {
        take(pair_key(s[to - 1], left), word.count);
        add(pair_key(s[to - 1], token), word.count, w);
      }
      from += 2;
      if (from < word.size) {
        take(pair_key(right, s[from]), word.count);
        add(pair_key(token, s[from]), word.count, w);
      }
      s[to] = token;
    }
    word.size = to;
  }

  std::vector<int32_t> symbols_;
  std::vector<Word> words_;
  std::unordered_map<uint64_t, PairState> pairs_;
  std::vector<uint64_t> changed_;  // pairs that got more frequent since the queue was filled
  std::priority_queue<Candidate> heap_;
};

}  // namespace

BpeTraining train_merges(const std::vector<PieceCount>& pieces, const std::array<int32_t, 256>& byte_ids,
                         int32_t first_id, int64_t tokens, int64_t min_frequency, const Progress& progress) {
  BpeTraining training;
  std::vector<std::string> bytes_of(static_cast<size_t>(first_id));  // of base tokens
  std::unordered_map<std::string, int32_t> id_of;
  for (size_t b = 0; b < 256; ++b) {
    const auto id = static_cast<size_t>(byte_ids[b]);
    bytes_of[id] = static_cast<char>(b);
    id_of[bytes_of[id]] = byte_ids[b];
  }
  const auto text_of = [&](uint64_t half) -> const std::string& {
    return half < bytes_of.size() ? bytes_of[half] : training.token_bytes[half - bytes_of.size()];
  };
  MergeLearner learner(pieces, byte_ids);
  uint64_t pair = 0;
  while (std::ssize(training.token_bytes) < tokens &&
         learner.next(std::max(int64_t{1}, min_frequency), pair)) {
    if (progress && !progress(std::ssize(training.token_bytes), tokens)) {
      training.stopped = true;
      break;
    }
    std::string text = text_of(pair >> 32) + text_of(pair & UINT32_MAX);
    // Two pairs can spell one token ("aa" + "a", "a" + "aa"): it keeps its id.
    const auto next_id = static_cast<int32_t>(first_id + std::ssize(training.token_bytes));
    const auto [known, is_new] = id_of.try_emplace(std::move(text), next_id);
    if (is_new) training.token_bytes.push_back(known->first);
    // Such a token may bring pairs back that are merges already; their rank stays.
    if (!learner.merged_before(pair)) {
      training.merges.push_back(
          {static_cast<int32_t>(pair >> 32), static_cast<int32_t>(pair & UINT32_MAX), known->second});
    }
    learner.apply(pair, known->second);
  }
  training.tokens = learner.tokens();
  return training;
}

}  // namespace fathom
