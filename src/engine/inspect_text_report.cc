// A model's choices over a text as tables and JSON.
#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <numeric>

#include "base/chart.h"
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

// Which kinds of tokens each expert takes, in % of its tokens, and those that tell it from the others.
std::string kinds_text(const TextChoices& choices) {
  if (choices.routing.front().kinds.empty()) return {};
  std::string out = fmt::format("\n% of an expert's tokens by kind, and its most typical ones\n{:>5} {:>6}",
                                "layer", "expert");
  for (int64_t k = 0; k < kTokenKinds; ++k) out += fmt::format(" {:>7}", name(static_cast<TokenKind>(k)));
  out += "\n";
  for (const RoutingSummary& layer : choices.routing) {
    std::vector<size_t> order(layer.tokens.size());
    std::iota(order.begin(), order.end(), size_t{0});
    if (order.size() > kMostColumns) {
      std::stable_sort(order.begin(), order.end(),
                       [&](size_t a, size_t b) { return layer.tokens[a] > layer.tokens[b]; });
      order.resize(kBusiest);
    }
    for (const size_t e : order) {
      if (layer.tokens[e] == 0) continue;
      out += fmt::format("{:>5} {:>6}", layer.layer, e);
      for (const int64_t count : layer.kinds[e]) {
        out +=
            fmt::format(" {:>7.1f}", 100 * static_cast<double>(count) / static_cast<double>(layer.tokens[e]));
      }
      for (const std::string& token : layer.typical[e]) out += fmt::format(" '{}'", printable(token));
      out += "\n";
    }
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
  return out + kinds_text(choices);
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
    if (layer.kinds.empty()) continue;
    Json& item = out["layers"].back();
    for (size_t e = 0; e < layer.kinds.size(); ++e) {
      Json kinds;
      for (int64_t k = 0; k < kTokenKinds; ++k) {
        kinds[std::string(name(static_cast<TokenKind>(k)))] = layer.kinds[e][static_cast<size_t>(k)];
      }
      item["kinds"].push_back(std::move(kinds));
    }
    item["typical"] = layer.typical;
  }
  return out.dump() + "\n";
}

namespace {

// What the choice holds of dense attention's mass on the entries, by position.
std::string capture_text(const TextChoices& choices) {
  std::string out;
  for (const AttentionSummary& layer : choices.attention) {
    if (layer.capture.empty()) continue;
    if (out.empty()) out = "% of dense attention's mass on entries that the chosen ones hold (by chance)\n";
    out += fmt::format("{:>5} all {:.1f}", layer.layer, 100 * layer.captured);
    for (const CaptureRange& range : layer.capture) {
      out += fmt::format(", from {} {:.1f} ({:.1f})", range.first, 100 * range.captured, 100 * range.even);
    }
    out += "\n";
  }
  return out;
}

}  // namespace

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
  out += capture_text(choices);
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
      for (const CaptureRange& range : layer.capture) {
        item["captured"] = layer.captured;
        item["captured_from"].push_back({{"position", range.first},
                                         {"queries", range.queries},
                                         {"captured", range.captured},
                                         {"by_chance", range.even}});
      }
    }
    out["layers"].push_back(std::move(item));
  }
  return out.dump() + "\n";
}

std::string routing_pictures(const TextChoices& choices) {
  if (choices.routing.empty() || choices.routing.front().tokens.size() > kMostColumns) return {};
  const size_t experts = choices.routing.front().tokens.size();
  HeatMap load;
  load.title = "Share of its even load that each expert has, %";
  load.x_label = "expert";
  load.y_label = "layer";
  for (size_t e = 0; e < experts; ++e) load.x_names.push_back(std::to_string(e));
  std::string out;
  for (const RoutingSummary& layer : choices.routing) {
    const auto total =
        static_cast<double>(std::accumulate(layer.tokens.begin(), layer.tokens.end(), int64_t{0}));
    load.y_names.push_back(std::to_string(layer.layer));
    auto& row = load.values.emplace_back();
    for (const int64_t count : layer.tokens) {
      row.push_back(static_cast<double>(count) * static_cast<double>(experts) / std::max(1.0, total));
    }
    if (layer.kinds.empty()) continue;
    HeatMap map;
    map.title = fmt::format("Layer {}{}: which expert takes a kind of token, %", layer.layer,
                            layer.hash ? " (by table)" : "");
    map.x_label = "expert";
    map.x_names = load.x_names;
    for (size_t k = 0; k < static_cast<size_t>(kTokenKinds); ++k) {
      double of_kind = 0;
      for (const auto& kinds : layer.kinds) of_kind += static_cast<double>(kinds[k]);
      if (of_kind == 0) continue;
      map.y_names.emplace_back(name(static_cast<TokenKind>(k)));
      auto& shares = map.values.emplace_back();
      for (const auto& kinds : layer.kinds) shares.push_back(static_cast<double>(kinds[k]) / of_kind);
    }
    out += heat_map(map);
  }
  return heat_map(load) + out;
}

std::string capture_picture(const TextChoices& choices) {
  LineChart chart;
  chart.title = "Dense attention's mass on entries that the chosen ones hold, %";
  chart.x_label = "log2 of the position";
  for (const AttentionSummary& layer : choices.attention) {
    if (layer.capture.empty()) continue;
    ChartSeries chosen{fmt::format("layer {}", layer.layer), {}};
    for (const CaptureRange& range : layer.capture) {
      chosen.points.emplace_back(std::log2(static_cast<double>(range.first)), 100 * range.captured);
    }
    chart.series.push_back(std::move(chosen));
  }
  return chart.series.empty() ? std::string{} : line_chart(chart);
}

}  // namespace fathom
