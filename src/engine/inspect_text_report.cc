// A model's choices over a text as tables and JSON.
#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <numeric>

#include "base/error.h"
#include "engine/inspect_text.h"

namespace fathom {
namespace {

using Json = nlohmann::ordered_json;

constexpr size_t kMostColumns = 32;  // experts that get a column each
constexpr size_t kBusiest = 8;

std::string busiest_text(const RoutingSummary& layer) {
  std::vector<size_t> order(layer.tokens.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::sort(order.begin(), order.end(), [&](size_t a, size_t b) {
    return layer.tokens[a] != layer.tokens[b] ? layer.tokens[a] > layer.tokens[b] : a < b;
  });
  std::string out;
  for (size_t i = 0; i < std::min(kBusiest, order.size()); ++i) {
    out += fmt::format(" {}:{}", order[i], layer.tokens[order[i]]);
  }
  return out;
}

}  // namespace

std::string routing_text(const TextChoices& choices) {
  if (choices.routing.empty()) return {};
  const size_t experts = choices.routing.front().tokens.size();
  const bool columns = experts <= kMostColumns;
  std::string out = fmt::format(
      "{} tokens, {} experts (an even load has {:.2f} bits of entropy)\n{:>5} {:>5} {:>8} {:>5} {:>9}",
      choices.tokens, experts, std::log2(static_cast<double>(experts)), "layer", "by", "entropy", "idle",
      "max/mean");
  for (size_t e = 0; columns && e < experts; ++e) out += fmt::format(" {:>5}", fmt::format("e{}", e));
  out += columns ? "\n" : "  busiest\n";
  for (const RoutingSummary& layer : choices.routing) {
    out += fmt::format("{:>5} {:>5} {:>8.3f} {:>5} {:>9.2f}", layer.layer, layer.hash ? "hash" : "score",
                       layer.entropy_bits, layer.idle, layer.max_over_mean);
    if (columns) {
      for (const int64_t count : layer.tokens) out += fmt::format(" {:>5}", count);
    } else {
      out += " " + busiest_text(layer);
    }
    out += "\n";
  }
  return out;
}

std::string routing_json(const TextChoices& choices) {
  Json out = {{"tokens", choices.tokens}, {"layers", Json::array()}};
  for (const RoutingSummary& layer : choices.routing) {
    out["layers"].push_back({{"layer", layer.layer},
                             {"hash", layer.hash},
                             {"entropy_bits", layer.entropy_bits},
                             {"idle", layer.idle},
                             {"max_over_mean", layer.max_over_mean},
                             {"tokens", layer.tokens},
                             {"mean_weight", layer.weight}});
  }
  return out.dump() + "\n";
}

std::string attention_text(const TextChoices& choices) {
  std::string out = fmt::format("{} tokens\n{:>5} {:>4} {:>5} {:>8} {:>9} {:>7} {:>9} {:>9} {:>9} {:>8}\n",
                                choices.tokens, "layer", "kind", "ratio", "entries", "selecting", "chosen",
                                "mean age", "even age", "distinct", "entropy");
  for (const AttentionSummary& layer : choices.attention) {
    out += fmt::format("{:>5} {:>4} {:>5} {:>8}", layer.layer, name(layer.config.kind), layer.config.ratio,
                       layer.entries);
    if (layer.selecting > 0) {
      out += fmt::format(" {:>9} {:>6.1f}% {:>9.0f} {:>9.0f} {:>9} {:>8.3f}", layer.selecting,
                         100 * layer.selected_share, layer.mean_age, layer.even_age, layer.distinct,
                         layer.entropy_bits);
    } else if (layer.config.kind == LayerKind::csa) {
      out += "         0  (all visible entries are taken)";
    }
    out += "\n";
  }
  return out +
         "selecting: tokens with more visible entries than the indexer takes; age: tokens back to an entry's "
         "window;\nentropy: bits of the choices over the entries\n";
}

std::string attention_json(const TextChoices& choices) {
  Json out = {{"tokens", choices.tokens}, {"layers", Json::array()}};
  for (const AttentionSummary& layer : choices.attention) {
    Json item = {{"layer", layer.layer},
                 {"kind", name(layer.config.kind)},
                 {"ratio", layer.config.ratio},
                 {"entries", layer.entries}};
    if (layer.config.kind == LayerKind::csa) {
      item["selecting"] = layer.selecting;
      item["selected_share"] = layer.selected_share;
      item["mean_age"] = layer.mean_age;
      item["even_age"] = layer.even_age;
      item["distinct"] = layer.distinct;
      item["entropy_bits"] = layer.entropy_bits;
      item["last"] = layer.last;
    }
    out["layers"].push_back(std::move(item));
  }
  return out.dump() + "\n";
}

}  // namespace fathom
