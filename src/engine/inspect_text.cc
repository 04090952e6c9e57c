#include "engine/inspect_text.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"

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
  explicit Watcher(const ModelConfig& config) : config_(config) {
    const auto experts = static_cast<size_t>(config.n_routed_experts);
    for (int64_t i = 0; i < config.num_hidden_layers; ++i) {
      RoutingSummary routing;
      routing.layer = i;
      routing.hash = config.layer(i).hash;
      routing.tokens.resize(experts);
      routing.weight.resize(experts);
      choices.routing.push_back(std::move(routing));
      AttentionSummary attention;
      attention.layer = i;
      attention.config = config.layer(i);
      choices.attention.push_back(std::move(attention));
      entry_counts_.emplace_back();
    }
  }

  TextChoices choices;

  void begin_chunk(int64_t position) { position_ = position; }

  void streams(int64_t, const float*, int64_t, int64_t) override {}

  void router(int64_t layer, const int32_t* ids, const float* weights, int64_t rows, int64_t k) override {
    if (layer >= config_.num_hidden_layers) return;
    RoutingSummary& out = choices.routing[static_cast<size_t>(layer)];
    for (int64_t i = 0; i < rows * k; ++i) {
      const auto expert = static_cast<size_t>(ids[i]);
      ++out.tokens[expert];
      out.weight[expert] += static_cast<double>(weights[i]);  // divided by the count at the end
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

  void finish(int64_t tokens) {
    choices.tokens = tokens;
    for (RoutingSummary& routing : choices.routing) finish_routing(routing);
    for (size_t i = 0; i < choices.attention.size(); ++i) {
      AttentionSummary& out = choices.attention[i];
      if (out.config.ratio > 0) out.entries = tokens / out.config.ratio;
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
  static void finish_routing(RoutingSummary& routing) {
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
  int64_t position_ = 0;
  std::vector<std::vector<int64_t>> entry_counts_;  // per layer: how often each entry was chosen
};

}  // namespace

TextChoices inspect_choices(Runtime<float>& runtime, const Model& model, std::span<const int32_t> ids,
                            const Progress& progress) {
  const ModelConfig& config = model.config();
  const int64_t total = std::ssize(ids);
  if (total > config.max_position_embeddings) {
    bad_input("text: expected at most {} tokens (max_position_embeddings), found {}",
              config.max_position_embeddings, total);
  }
  Watcher watcher(config);
  Context<float> ctx = runtime.context(config);
  ctx.trace = &watcher;
  KvState kv = model.new_state(runtime.numerics());
  int64_t done = 0;
  while (done < total) {
    const int64_t count = std::min(kChunk, total - done);
    const ArenaScope scope(ctx.arena());
    Batch batch;
    batch.add(kv, ids.subspan(static_cast<size_t>(done), static_cast<size_t>(count)), LogitRows::none);
    watcher.begin_chunk(done);
    model.forward(ctx, batch);
    done += count;
    if (progress && !progress(done, total)) break;
  }
  watcher.finish(done);
  return std::move(watcher.choices);
}

}  // namespace fathom
