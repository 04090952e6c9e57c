#include "engine/inspect_text.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <numeric>
#include <unordered_map>

#include "base/error.h"
#include "model/memory_limit.h"

namespace fathom {
namespace {

constexpr int64_t kChunk = 256;

// Entropy in bits of counts as shares.
double entropy_bits(const std::vector<int64_t>& counts) {
  double total = 0, sum = 0;
  for (const int64_t count : counts) total += static_cast<double>(count);
  for (const int64_t count : counts) {
    if (count == 0) continue;
    const double share = static_cast<double>(count) / total;
    sum -= share * std::log2(share);
  }
  return sum;
}

// Gathers the choices of a forward pass, chunk by chunk.
class Watcher : public Trace<float> {
 public:
  Watcher(const ModelConfig& config, const ChoiceOptions& options) : config_(config), options_(options) {
    const auto experts = static_cast<size_t>(config.n_routed_experts);
    if (options.tokenizer) kinds_ = token_kinds(*options.tokenizer);
    for (int64_t i = 0; i < config.num_hidden_layers; ++i) {
      RoutingSummary routing;
      routing.layer = i;
      routing.hash = config.layer(i).hash;
      routing.tokens.resize(experts);
      routing.weight.resize(experts);
      if (options.tokenizer) routing.kinds.resize(experts);
      taken_.emplace_back();
      choices.routing.push_back(std::move(routing));
      AttentionSummary attention;
      attention.layer = i;
      attention.config = config.layer(i);
      choices.attention.push_back(std::move(attention));
      entry_counts_.emplace_back();
      ranges_.emplace_back(64);
    }
  }

  TextChoices choices;

  void begin_chunk(int64_t position, std::span<const int32_t> ids) {
    position_ = position;
    chunk_ = ids;
    if (!options_.tokenizer) return;
    for (const int32_t id : ids) ++seen_[id];
  }

  void streams(int64_t, const float*, int64_t, int64_t) override {}

  void router(int64_t layer, const int32_t* ids, const float* weights, int64_t rows, int64_t k) override {
    if (layer >= config_.num_hidden_layers) return;
    RoutingSummary& out = choices.routing[static_cast<size_t>(layer)];
    for (int64_t i = 0; i < rows * k; ++i) {
      const auto expert = static_cast<size_t>(ids[i]);
      ++out.tokens[expert];
      out.weight[expert] += static_cast<double>(weights[i]);  // divided by the count at the end
      const int32_t id = chunk_[static_cast<size_t>(i / k)];
      if (id >= std::ssize(kinds_)) continue;
      ++out.kinds[expert][static_cast<size_t>(kinds_[static_cast<size_t>(id)])];
      ++taken_[static_cast<size_t>(layer)][{ids[i], id}];
    }
  }

  void indexer(int64_t layer, const int32_t* ids, int64_t rows, int64_t width) override {
    if (layer >= config_.num_hidden_layers) return;
    const auto at = static_cast<size_t>(layer);
    AttentionSummary& out = choices.attention[at];
    std::vector<int64_t>& counts = entry_counts_[at];
    const int64_t ratio = out.config.ratio;
    for (int64_t row = 0; row < rows; ++row) {
      const int64_t position = position_ + row, visible = (position + 1) / ratio;
      out.last.clear();
      double age = 0;
      for (int64_t j = 0; j < width; ++j) {
        const int32_t entry = ids[row * width + j];
        if (entry < 0) continue;
        out.last.push_back(entry);
        age += static_cast<double>(position - entry * ratio);
      }
      const int64_t chosen = std::ssize(out.last);
      if (chosen == 0 || chosen >= visible) continue;  // everything visible was taken
      counts.resize(std::max(counts.size(), static_cast<size_t>(visible)));
      for (const int32_t entry : out.last) ++counts[static_cast<size_t>(entry)];
      ++out.selecting;
      out.selected_share += static_cast<double>(chosen) / static_cast<double>(visible);
      out.mean_age += age / static_cast<double>(chosen);
      out.even_age += static_cast<double>(position) - static_cast<double>((visible - 1) * ratio) / 2;
    }
  }

  bool wants_capture() const override { return options_.capture; }

  void capture(int64_t layer, const double* shares, int64_t rows) override {
    if (layer >= config_.num_hidden_layers) return;
    const int64_t ratio = config_.layer(layer).ratio, k = config_.index_topk;
    for (int64_t row = 0; row < rows; ++row) {
      const int64_t position = position_ + row, visible = (position + 1) / ratio;
      if (visible <= k) continue;
      const auto bit = static_cast<size_t>(std::bit_width(static_cast<uint64_t>(position)) - 1);
      CaptureRange& range = ranges_[static_cast<size_t>(layer)][bit];
      range.first = int64_t{1} << bit;
      ++range.queries;
      range.captured += shares[row];
      range.even += static_cast<double>(k) / static_cast<double>(visible);
    }
  }

  void finish(int64_t tokens, int64_t longest) {
    choices.tokens = tokens;
    for (RoutingSummary& routing : choices.routing) finish_routing(routing);
    for (size_t i = 0; i < choices.attention.size(); ++i) {
      AttentionSummary& out = choices.attention[i];
      if (out.config.ratio > 0) out.entries = longest / out.config.ratio;
      finish_capture(out, ranges_[i]);
      if (out.selecting == 0) continue;
      const auto count = static_cast<double>(out.selecting);
      out.selected_share /= count;
      out.mean_age /= count;
      out.even_age /= count;
      const std::vector<int64_t>& counts = entry_counts_[i];
      out.distinct = std::ssize(counts) - std::count(counts.begin(), counts.end(), 0);
      out.entropy_bits = entropy_bits(counts);
    }
  }

 private:
  // A pair of expert and token, and its hash.
  struct Taken {
    int32_t expert, token;
    bool operator==(const Taken&) const = default;
  };
  struct TakenHash {
    size_t operator()(const Taken& t) const {
      return std::hash<uint64_t>{}(static_cast<uint64_t>(static_cast<uint32_t>(t.expert)) << 32 |
                                   static_cast<uint32_t>(t.token));
    }
  };
  using TakenCounts = std::unordered_map<Taken, int64_t, TakenHash>;

  static void finish_capture(AttentionSummary& out, const std::vector<CaptureRange>& ranges) {
    int64_t queries = 0;
    for (CaptureRange range : ranges) {
      if (range.queries == 0) continue;
      queries += range.queries;
      out.captured += range.captured;
      range.captured /= static_cast<double>(range.queries);
      range.even /= static_cast<double>(range.queries);
      out.capture.push_back(range);
    }
    if (queries > 0) out.captured /= static_cast<double>(queries);
  }

  // The tokens that tell an expert from the others: those whose choice of it weighs most in the information
  // that a token has of it.
  void find_typical(RoutingSummary& routing, const TakenCounts& taken) const {
    constexpr size_t kTypical = 8;
    struct Candidate {
      double telling;
      int32_t token;
    };
    std::vector<std::vector<Candidate>> candidates(routing.tokens.size());
    const auto total =
        static_cast<double>(std::accumulate(routing.tokens.begin(), routing.tokens.end(), int64_t{0}));
    for (const auto& [pair, count] : taken) {
      const auto expert = static_cast<size_t>(pair.expert);
      const double choices_of_token = static_cast<double>(seen_.at(pair.token) * config_.num_experts_per_tok);
      const double share = static_cast<double>(count) / choices_of_token;
      const double usual = static_cast<double>(routing.tokens[expert]) / total;
      candidates[expert].push_back({static_cast<double>(count) * std::log(share / usual), pair.token});
    }
    for (auto& list : candidates) {
      std::sort(list.begin(), list.end(), [](const Candidate& a, const Candidate& b) {
        return a.telling != b.telling ? a.telling > b.telling : a.token < b.token;
      });
      std::vector<std::string>& names = routing.typical.emplace_back();
      for (const Candidate& c : list) {
        if (names.size() == kTypical || c.telling <= 0) break;
        names.push_back(options_.tokenizer->decode(std::array{c.token}, false));
      }
    }
  }

  void finish_routing(RoutingSummary& routing) const {
    if (options_.tokenizer) find_typical(routing, taken_[static_cast<size_t>(routing.layer)]);
    int64_t total = 0;
    for (size_t e = 0; e < routing.tokens.size(); ++e) {
      total += routing.tokens[e];
      if (routing.tokens[e] > 0) routing.weight[e] /= static_cast<double>(routing.tokens[e]);
    }
    routing.entropy_bits = entropy_bits(routing.tokens);
    routing.idle = std::count(routing.tokens.begin(), routing.tokens.end(), 0);
    const auto busiest = *std::max_element(routing.tokens.begin(), routing.tokens.end());
    if (total > 0) {
      routing.max_over_mean = static_cast<double>(busiest) * static_cast<double>(routing.tokens.size()) /
                              static_cast<double>(total);
    }
  }

  const ModelConfig& config_;
  const ChoiceOptions& options_;
  int64_t position_ = 0;
  std::span<const int32_t> chunk_;
  std::vector<TokenKind> kinds_;                    // of every id; empty without tokenizer
  std::unordered_map<int32_t, int64_t> seen_;       // tokens of the text
  std::vector<TakenCounts> taken_;                  // per layer
  std::vector<std::vector<CaptureRange>> ranges_;   // per layer: sums, by the position's highest bit
  std::vector<std::vector<int64_t>> entry_counts_;  // per layer: how often each entry was chosen
};

}  // namespace

TextChoices inspect_choices(Runtime<float>& runtime, const Model& model, std::span<const int32_t> ids,
                            const ChoiceOptions& options) {
  const ModelConfig& config = model.config();
  const int64_t total = std::ssize(ids), row = options.row > 0 ? options.row : total;
  if (row > config.max_position_embeddings) {
    bad_input("text: expected at most {} tokens (max_position_embeddings), found {}",
              config.max_position_embeddings, row);
  }
  if (options.row == 1) bad_input("row: expected at least 2 tokens, found 1");
  claim_memory(model, runtime, std::min(row, total + 1));
  Watcher watcher(config, options);
  Context<float> ctx = runtime.context(config);
  ctx.trace = &watcher;
  int64_t done = 0, longest = 0;
  bool stopped = false;
  while (done < total && !stopped) {
    KvState kv = model.new_state(runtime.numerics());
    std::vector<int32_t> part;
    if (options.row > 0) part.push_back(config.bos_token_id);
    const int64_t texts = std::min(row - std::ssize(part), total - done);
    part.insert(part.end(), ids.begin() + done, ids.begin() + done + texts);
    longest = std::max(longest, std::ssize(part));
    for (int64_t at = 0; at < std::ssize(part) && !stopped; at += kChunk) {
      const auto chunk = std::span<const int32_t>(part).subspan(
          static_cast<size_t>(at), static_cast<size_t>(std::min(kChunk, std::ssize(part) - at)));
      const ArenaScope scope(ctx.arena());
      Batch batch;
      batch.add(kv, chunk, LogitRows::none);
      watcher.begin_chunk(at, chunk);
      model.forward(ctx, batch);
      done = std::min(total, done + std::ssize(chunk) - (options.row > 0 && at == 0 ? 1 : 0));
      stopped = options.progress && !options.progress(done, total);
    }
  }
  watcher.finish(done, longest);
  return std::move(watcher.choices);
}

}  // namespace fathom
