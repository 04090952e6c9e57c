// The picture of `fathom plan`: FLOPs of a token and KV bytes of a sequence over context length, log axes.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <functional>

#include "base/error.h"
#include "engine/cost_baseline.h"
#include "engine/plan_report.h"

namespace fathom {
namespace {

constexpr double kWidth = 1080, kHeight = 550;
constexpr double kPanelTop = 106, kPanelHeight = 344, kPanelWidth = 400;
constexpr double kLeft[2] = {84, 604};
constexpr double kFirstContext = 1024, kLastContext = 1048576;
constexpr int64_t kSharesContext = 1'000'000;  // where the published ratios are taken

// Okabe-Ito colours: told apart by everyone; the baseline is grey and dashed.
constexpr const char* kColours[] = {"#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9"};
constexpr const char* kBaselineColour = "#5f5f5f";

struct Series {
  std::string label;
  std::string style;  // stroke attributes
  std::vector<std::pair<double, double>> points;
};

std::string escaped(std::string_view text) {
  std::string out;
  for (const char c : printable(text, 60)) {
    if (c == '&') {
      out += "&amp;";
    } else if (c == '<') {
      out += "&lt;";
    } else if (c == '>') {
      out += "&gt;";
    } else if (c == '"') {
      out += "&quot;";
    } else {
      out += c;
    }
  }
  return out;
}

// "20.00G" -> "20G".
std::string tick_text(std::string text) {
  const size_t dot = text.find(".00");
  return dot == std::string::npos ? text : text.erase(dot, 3);
}

// The next 1, 2 or 5 times a power of ten, above or below; never the value itself, so that no curve lies on
// the frame and the axis is never empty.
double round_bound(double value, bool up) {
  const double base = std::pow(10, std::floor(std::log10(value)));
  constexpr double kSteps[] = {0.5, 1, 2, 5, 10, 20};
  if (up) {
    for (const double step : kSteps) {
      if (step * base > value * 1.02) return step * base;
    }
  }
  double below = kSteps[0] * base;
  for (const double step : kSteps) {
    if (step * base < value / 1.02) below = step * base;
  }
  return below;
}

// One panel: a frame, log axes with a grid line per decade, and the curves.
class Panel {
 public:
  Panel(double left, double low, double high) : left_(left), low_(std::log10(low)), high_(std::log10(high)) {}

  double x(double context) const {
    return left_ + kPanelWidth * std::log2(context / kFirstContext) / std::log2(kLastContext / kFirstContext);
  }
  double y(double value) const {
    return kPanelTop + kPanelHeight * (1 - (std::log10(value) - low_) / (high_ - low_));
  }

  void frame(std::string& out, const char* title, const char* y_label,
             const std::function<std::string(double)>& tick) const {
    out += fmt::format("<text x=\"{}\" y=\"{}\" class=\"title\">{}</text>\n", left_, kPanelTop - 14, title);
    const double right = left_ + kPanelWidth, bottom = kPanelTop + kPanelHeight;
    // Decades are labelled; on a short axis 2 and 5 of each decade too, the other digits are small ticks.
    const bool fine = high_ - low_ < 3;
    for (double exponent = std::floor(low_); exponent <= high_; ++exponent) {
      for (int digit = 1; digit < 10; ++digit) {
        const double value = digit * std::pow(10, exponent), place = std::log10(value);
        if (place < low_ - 1e-9 || place > high_ + 1e-9) continue;
        const double at = y(value);
        if (digit == 1 || (fine && (digit == 2 || digit == 5))) {
          out += fmt::format("<line x1=\"{}\" y1=\"{:.1f}\" x2=\"{}\" y2=\"{:.1f}\" class=\"grid\"/>\n",
                             left_, at, right, at);
          out += fmt::format("<text x=\"{}\" y=\"{:.1f}\" class=\"tick\" text-anchor=\"end\">{}</text>\n",
                             left_ - 7, at + 4, tick(value));
        } else {
          out += fmt::format("<line x1=\"{}\" y1=\"{:.1f}\" x2=\"{}\" y2=\"{:.1f}\" class=\"minor\"/>\n",
                             left_, at, left_ + 4, at);
        }
      }
    }
    for (double context = kFirstContext; context <= kLastContext; context *= 4) {
      out += fmt::format("<line x1=\"{:.1f}\" y1=\"{}\" x2=\"{:.1f}\" y2=\"{}\" class=\"grid\"/>\n",
                         x(context), kPanelTop, x(context), bottom);
      const std::string label =
          context < kLastContext ? fmt::format("{:.0f}K", context / 1024) : std::string("1M");
      out += fmt::format("<text x=\"{:.1f}\" y=\"{}\" class=\"tick\" text-anchor=\"middle\">{}</text>\n",
                         x(context), bottom + 17, label);
    }
    out += fmt::format("<rect x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\" class=\"frame\"/>\n", left_,
                       kPanelTop, kPanelWidth, kPanelHeight);
    out +=
        fmt::format("<text x=\"{}\" y=\"{}\" class=\"label\" text-anchor=\"middle\">context, tokens</text>\n",
                    left_ + kPanelWidth / 2, bottom + 38);
    const double middle = kPanelTop + kPanelHeight / 2;
    out += fmt::format(
        "<text x=\"{0}\" y=\"{1}\" class=\"label\" text-anchor=\"middle\" transform=\"rotate(-90 {0} "
        "{1})\">{2}"
        "</text>\n",
        left_ - 58, middle, y_label);
  }

  void curve(std::string& out, const Series& series) const {
    std::string path;
    for (const auto& [context, value] : series.points) {
      path += fmt::format("{}{:.1f},{:.1f}", path.empty() ? "" : " ", x(context), y(value));
    }
    out += fmt::format("<polyline points=\"{}\" {}/>\n", path, series.style);
  }

  // Shares of V3.2 at the right edge, pushed apart where the curves end close together.
  void end_labels(std::string& out, const std::vector<Series>& series,
                  const std::vector<std::string>& texts) const {
    std::vector<size_t> order(series.size());
    for (size_t i = 0; i < order.size(); ++i) order[i] = i;
    const auto end = [&](size_t i) { return y(series[i].points.back().second); };
    std::sort(order.begin(), order.end(), [&](size_t a, size_t b) { return end(a) < end(b); });
    double last = -1e9;
    for (const size_t i : order) {
      if (texts[i].empty()) continue;
      const double at = std::max(end(i) + 4, last + 13);
      last = at;
      out += fmt::format("<text x=\"{}\" y=\"{:.1f}\" class=\"end\">{}</text>\n", left_ + kPanelWidth + 6, at,
                         texts[i]);
    }
  }

 private:
  double left_, low_, high_;
};

void legend(std::string& out, const std::vector<Series>& series) {
  double at = kLeft[0];
  for (const Series& each : series) {
    out += fmt::format("<line x1=\"{}\" y1=\"58\" x2=\"{}\" y2=\"58\" {}/>\n", at, at + 26, each.style);
    out += fmt::format("<text x=\"{}\" y=\"62\" class=\"label\">{}</text>\n", at + 32, escaped(each.label));
    at += 56 + 7.2 * static_cast<double>(std::min<size_t>(each.label.size(), 60));
  }
}

// Curves of one quantity, the axis that holds them, and each model's share of V3.2.
void draw_panel(std::string& out, std::span<const CostModel> models, double left, const char* title,
                const char* y_label, const std::function<double(const CostModel&, int64_t)>& quantity,
                const std::function<std::string(double)>& tick, bool with_legend) {
  std::vector<Series> series;
  double low = 1e300, high = 0;
  constexpr int kSteps = 120;
  for (size_t i = 0; i < models.size(); ++i) {
    const bool baseline = i + 1 == models.size();
    Series each;
    each.label = baseline ? "DeepSeek-V3.2" : models[i].name;
    each.style = fmt::format("fill=\"none\" stroke=\"{}\" stroke-width=\"2.2\"{}",
                             baseline ? kBaselineColour : kColours[i % std::size(kColours)],
                             baseline ? " stroke-dasharray=\"7 4\"" : "");
    for (int step = 0; step <= kSteps; ++step) {
      const double context =
          kFirstContext * std::exp2(step * std::log2(kLastContext / kFirstContext) / kSteps);
      const double value = std::max(quantity(models[i], std::llround(context)), 1.0);
      each.points.emplace_back(context, value);
      low = std::min(low, value);
      high = std::max(high, value);
    }
    series.push_back(std::move(each));
  }
  const Panel panel(left, round_bound(low, false), round_bound(high, true));
  panel.frame(out, title, y_label, tick);
  for (const Series& each : series) panel.curve(out, each);
  std::vector<std::string> shares;
  const double whole = quantity(models.back(), kSharesContext);
  for (size_t i = 0; i < series.size(); ++i) {
    shares.push_back(i + 1 == series.size()
                         ? "V3.2"
                         : fmt::format("{:.1f}%", 100 * quantity(models[i], kSharesContext) / whole));
  }
  panel.end_labels(out, series, shares);
  if (with_legend) legend(out, series);
}

}  // namespace

std::string plan_svg(std::span<const CostModel> models) {
  std::vector<CostModel> all;
  for (const CostModel& model : models) {
    if (model.name != "v3.2") all.push_back(model);
  }
  all.push_back(v32_cost());
  std::string out = fmt::format(
      "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{0}\" height=\"{1}\" viewBox=\"0 0 {0} {1}\" "
      "font-family=\"Helvetica, Arial, sans-serif\">\n"
      "<style>.title{{font-size:15px;font-weight:600;fill:#1a1a1a}}.label{{font-size:13px;fill:#333}}"
      ".tick{{font-size:12px;fill:#444}}.end{{font-size:12px;fill:#222}}.note{{font-size:11.5px;fill:#555}}"
      ".grid{{stroke:#dcdcdc;stroke-width:1}}.minor{{stroke:#888;stroke-width:1}}"
      ".frame{{fill:none;stroke:#333;stroke-width:1}}</style>\n"
      "<rect width=\"{0}\" height=\"{1}\" fill=\"#ffffff\"/>\n"
      "<text x=\"{2}\" y=\"32\" style=\"font-size:18px;font-weight:600;fill:#1a1a1a\">Cost of context: one "
      "decoded "
      "token and one sequence's state</text>\n",
      kWidth, kHeight, kLeft[0]);
  draw_panel(
      out, all, kLeft[0], "FLOPs of one decoded token", "FP8-equivalent FLOPs",
      [](const CostModel& model, int64_t n) { return model.flops(n).equivalent_fp8(); },
      [](double value) { return tick_text(human_flops(value)); }, true);
  draw_panel(
      out, all, kLeft[1], "KV state of one sequence", "bytes",
      [](const CostModel& model, int64_t n) { return static_cast<double>(model.kv_bytes(n)); },
      [](double value) { return tick_text(human_bytes(value)); }, false);
  out += fmt::format(
      "<text x=\"{}\" y=\"{}\" class=\"note\">FP8-equivalent: bf16 work (core attention) counts double, FP8 "
      "once, FP4 "
      "(V4's indexer) half. At the right edge: share of V3.2 at 1,000,000 tokens.</text>\n</svg>\n",
      kLeft[0], kHeight - 22);
  return out;
}

}  // namespace fathom
