#include "base/chart.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "base/error.h"

namespace fathom {
namespace {

constexpr double kWidth = 760, kLeft = 64, kRight = 16, kTop = 34;
constexpr int kColours = 8;

// Okabe-Ito colours, lighter ones on dark: told apart by everyone.
constexpr std::string_view kStyle = R"(<style>
.c{font:12px sans-serif}.c text{fill:#222}.c .t{font-size:14px;font-weight:600}.c .g{stroke:#ddd}.c .f{fill:none;stroke:#999}
.c .m{stroke:#d55e00;stroke-dasharray:3 3}.c polyline{fill:none;stroke-width:1.4}
.c .s0{stroke:#0072b2;fill:#0072b2}.c .s1{stroke:#d55e00;fill:#d55e00}.c .s2{stroke:#009e73;fill:#009e73}
.c .s3{stroke:#cc79a7;fill:#cc79a7}.c .s4{stroke:#b07800;fill:#b07800}.c .s5{stroke:#3a8fc4;fill:#3a8fc4}
.c .s6{stroke:#777;fill:#777}.c .s7{stroke:#7a4fbf;fill:#7a4fbf}
.c polyline.s0,.c polyline.s1,.c polyline.s2,.c polyline.s3,.c polyline.s4,.c polyline.s5,.c polyline.s6,.c polyline.s7{fill:none}
@media (prefers-color-scheme: dark){.c text{fill:#ddd}.c .g{stroke:#333}.c .f{stroke:#777}
.c .s0{stroke:#56b4e9;fill:#56b4e9}.c .s1{stroke:#ff9a4d;fill:#ff9a4d}.c .s2{stroke:#3cc99e;fill:#3cc99e}
.c .s4{stroke:#e6c229;fill:#e6c229}.c .s6{stroke:#aaa;fill:#aaa}.c .s7{stroke:#b79ae8;fill:#b79ae8}}
</style>)";

std::string open_svg(double height, const std::string& title) {
  return fmt::format(
      "<svg class=\"c\" xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {:.0f} {:.0f}\" width=\"{:.0f}\" "
      "height=\"{:.0f}\" role=\"img\" aria-label=\"{}\">\n{}\n<text class=\"t\" x=\"{:.0f}\" "
      "y=\"18\">{}</text>\n",
      kWidth, height, kWidth, height, markup_escaped(title), kStyle, kLeft, markup_escaped(title));
}

// Ends of round ticks around [low, high] and their distance.
struct Ticks {
  double low, high, step;
};
Ticks ticks_for(double low, double high) {
  if (!(high > low)) {
    const double margin = low == 0 ? 1 : std::abs(low) * 0.1;
    low -= margin;
    high += margin;
  }
  const double raw = (high - low) / 5, base = std::pow(10, std::floor(std::log10(raw)));
  const double step = base * (raw / base > 5 ? 10 : raw / base > 2 ? 5 : raw / base > 1 ? 2 : 1);
  return {std::floor(low / step) * step, std::ceil(high / step) * step, step};
}

// 1234000 as "1.234M".
std::string short_number(double value) {
  const double size = std::abs(value);
  if (size >= 1e6) return fmt::format("{:.4g}M", value / 1e6);
  if (size >= 1e4) return fmt::format("{:.4g}k", value / 1e3);
  return fmt::format("{:.4g}", size < 1e-12 ? 0 : value);
}

std::string legend(const std::vector<std::string>& names, double y) {
  std::string out;
  double x = kLeft;
  for (size_t i = 0; i < names.size(); ++i) {
    const double width = 28 + 7.0 * static_cast<double>(std::min<size_t>(names[i].size(), 40));
    if (x + width > kWidth) break;  // no room
    out += fmt::format(
        "<rect class=\"s{}\" x=\"{:.0f}\" y=\"{:.0f}\" width=\"12\" height=\"4\"/>"
        "<text x=\"{:.0f}\" y=\"{:.0f}\">{}</text>\n",
        i % kColours, x, y - 6, x + 16, y, markup_escaped(names[i]));
    x += width;
  }
  return out;
}

// Maps values to pixels.
struct Axis {
  double low, high, from, to;
  double at(double value) const { return from + (value - low) / (high - low) * (to - from); }
};

struct Bounds {
  double low = std::numeric_limits<double>::infinity(), high = -std::numeric_limits<double>::infinity();
  void take(double value) {
    low = std::min(low, value);
    high = std::max(high, value);
  }
  bool empty() const { return low > high; }
};

// Finite, and not so large that differences overflow.
bool drawable(double value) { return std::abs(value) < 1e100; }

using Points = std::vector<std::pair<double, double>>;

// The least and the greatest of each pixel column, in their order.
Points thinned(const Points& points, const Axis& x) {
  Points out;
  for (size_t i = 0; i < points.size();) {
    const double column = std::floor(x.at(points[i].first));
    size_t end = i, least = i, greatest = i;
    for (; end < points.size() && std::floor(x.at(points[end].first)) == column; ++end) {
      if (points[end].second < points[least].second) least = end;
      if (points[end].second > points[greatest].second) greatest = end;
    }
    out.push_back(points[std::min(least, greatest)]);
    if (least != greatest) out.push_back(points[std::max(least, greatest)]);
    i = std::max(end, i + 1);
  }
  return out;
}

}  // namespace

std::string markup_escaped(std::string_view text) {
  std::string out;
  for (const char c : printable(text, 400)) {
    switch (c) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '"':
        out += "&quot;";
        break;
      case '\'':
        out += "&#39;";
        break;
      default:
        out += c;
    }
  }
  return out;
}

std::string line_chart(const LineChart& chart) {
  constexpr double kHeight = 280, kBottom = 226;
  std::vector<Points> lines;
  std::vector<std::string> names;
  Bounds bx, by;
  for (const ChartSeries& series : chart.series) {
    Points& line = lines.emplace_back();
    names.push_back(series.name);
    for (const auto& [x, y] : series.points) {
      if (!drawable(x) || !drawable(y) || (chart.log_y && !(y > 0))) continue;
      line.emplace_back(x, chart.log_y ? std::log10(y) : y);
      bx.take(line.back().first);
      by.take(line.back().second);
    }
  }
  std::string out = open_svg(kHeight, chart.title);
  if (bx.empty()) return out + fmt::format("<text x=\"{}\" y=\"80\">no values</text>\n</svg>\n", kLeft);
  const Ticks ty = ticks_for(by.low, by.high), tx = ticks_for(bx.low, bx.high);
  const Axis x{bx.low, bx.high > bx.low ? bx.high : bx.low + 1, kLeft, kWidth - kRight};
  const Axis y{ty.low, ty.high, kBottom, kTop};
  for (int i = 0; i <= static_cast<int>(std::lround((ty.high - ty.low) / ty.step)); ++i) {
    const double value = ty.low + i * ty.step;
    out += fmt::format(
        "<line class=\"g\" x1=\"{0:.0f}\" x2=\"{1:.0f}\" y1=\"{2:.1f}\" y2=\"{2:.1f}\"/>"
        "<text x=\"{3:.0f}\" y=\"{4:.1f}\" text-anchor=\"end\">{5}</text>\n",
        kLeft, kWidth - kRight, y.at(value), kLeft - 6, y.at(value) + 4,
        short_number(chart.log_y ? std::pow(10, value) : value));
  }
  for (double value = tx.low; value <= x.high + tx.step * 1e-6; value += tx.step) {
    if (value < x.low - tx.step * 1e-6) continue;
    out += fmt::format("<text x=\"{:.1f}\" y=\"{:.0f}\" text-anchor=\"middle\">{}</text>\n", x.at(value),
                       kBottom + 16, short_number(value));
  }
  out += fmt::format("<text x=\"{:.0f}\" y=\"{:.0f}\" text-anchor=\"end\">{}</text>\n", kWidth - kRight,
                     kBottom + 32, markup_escaped(chart.x_label));
  out += fmt::format("<rect class=\"f\" x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\"/>\n", kLeft, kTop,
                     kWidth - kRight - kLeft, kBottom - kTop);
  for (const ChartMark& mark : chart.marks) {
    if (!(mark.x >= x.low && mark.x <= x.high)) continue;
    out += fmt::format(
        "<line class=\"m\" x1=\"{0:.1f}\" x2=\"{0:.1f}\" y1=\"{1}\" y2=\"{2}\"><title>{3}</title></line>\n",
        x.at(mark.x), kTop, kBottom, markup_escaped(mark.text));
  }
  for (size_t i = 0; i < lines.size(); ++i) {
    out += fmt::format("<polyline class=\"s{}\" points=\"", i % kColours);
    const Points points = thinned(lines[i], x);
    for (const auto& [px, py] : points) out += fmt::format("{:.1f},{:.1f} ", x.at(px), y.at(py));
    out += "\"/>\n";
    if (points.size() == 1) {
      out += fmt::format("<circle class=\"s{}\" cx=\"{:.1f}\" cy=\"{:.1f}\" r=\"3\"/>\n", i % kColours,
                         x.at(points[0].first), y.at(points[0].second));
    }
  }
  return out + legend(names, kHeight - 8) + "</svg>\n";
}

std::string bar_chart(const BarChart& chart) {
  constexpr double kRow = 14, kNames = 110, kValues = 60;
  const double group = kRow * static_cast<double>(chart.series.size()) + 10;
  const double height = kTop + group * static_cast<double>(chart.groups.size()) + 36;
  std::string out = open_svg(height, chart.title);
  const Axis x{0, 1, kNames, kWidth - kValues};
  for (size_t g = 0; g < chart.groups.size(); ++g) {
    const double top = kTop + group * static_cast<double>(g);
    out += fmt::format("<text x=\"{:.0f}\" y=\"{:.1f}\" text-anchor=\"end\">{}</text>\n", kNames - 8,
                       top + group / 2, markup_escaped(chart.groups[g]));
    for (size_t s = 0; s < chart.series.size(); ++s) {
      const double value = chart.values[g][s];
      if (!std::isfinite(value)) continue;
      const double y = top + kRow * static_cast<double>(s);
      out += fmt::format(
          "<rect class=\"s{}\" x=\"{:.1f}\" y=\"{:.1f}\" width=\"{:.1f}\" height=\"{:.0f}\"/>"
          "<text x=\"{:.1f}\" y=\"{:.1f}\">{:.1f}%</text>\n",
          s % kColours, x.from, y, std::max(0.5, x.at(value) - x.from), kRow - 3, x.at(value) + 5, y + 10,
          100 * value);
    }
  }
  return out + legend(chart.series, height - 10) + "</svg>\n";
}

std::string heat_map(const HeatMap& map) {
  constexpr double kNames = 110, kCellHeight = 26;
  const double width =
      (kWidth - kNames - kRight) / static_cast<double>(std::max<size_t>(1, map.x_names.size()));
  const double height = kTop + kCellHeight * static_cast<double>(map.y_names.size()) + 48;
  std::string out = open_svg(height, map.title);
  for (size_t j = 0; j < map.y_names.size(); ++j) {
    const double y = kTop + kCellHeight * static_cast<double>(j);
    out += fmt::format("<text x=\"{:.0f}\" y=\"{:.1f}\" text-anchor=\"end\">{}</text>\n", kNames - 8, y + 17,
                       markup_escaped(map.y_names[j]));
    for (size_t i = 0; i < map.x_names.size(); ++i) {
      const double value = map.values[j][i];
      if (!std::isfinite(value)) continue;
      // Red to green in equal lightness, with the figure in it.
      const double share = std::clamp(value, 0.0, 1.0);
      out += fmt::format(
          "<rect x=\"{:.1f}\" y=\"{:.1f}\" width=\"{:.1f}\" height=\"{:.0f}\" "
          "fill=\"hsl({:.0f},60%,{:.0f}%)\"/>"
          "<text x=\"{:.1f}\" y=\"{:.1f}\" text-anchor=\"middle\" style=\"fill:#111\">{:.0f}</text>\n",
          kNames + width * static_cast<double>(i), y, width - 2, kCellHeight - 2, 10 + 130 * share,
          78 - 18 * share, kNames + width * (static_cast<double>(i) + 0.5), y + 17, 100 * value);
    }
  }
  const double below = kTop + kCellHeight * static_cast<double>(map.y_names.size()) + 16;
  for (size_t i = 0; i < map.x_names.size(); ++i) {
    out +=
        fmt::format("<text x=\"{:.1f}\" y=\"{:.1f}\" text-anchor=\"middle\">{}</text>\n",
                    kNames + width * (static_cast<double>(i) + 0.5), below, markup_escaped(map.x_names[i]));
  }
  out += fmt::format(
      "<text x=\"{:.0f}\" y=\"{:.1f}\" text-anchor=\"end\">{}</text><text x=\"4\" y=\"{:.1f}\">{}</text>\n",
      kWidth - kRight, below + 20, markup_escaped(map.x_label), below + 20, markup_escaped(map.y_label));
  return out + "</svg>\n";
}

std::string svg_or_page(const std::string& pictures, std::string_view file, std::string_view title) {
  if (!file.ends_with(".html")) return pictures.substr(0, pictures.find("</svg>") + 7);
  return fmt::format(
      "<!doctype html>\n<meta charset=\"utf-8\">\n<title>{}</title>\n"
      "<style>:root{{color-scheme:light dark}}</style>\n{}",
      markup_escaped(title), pictures);
}

}  // namespace fathom
