// The picture of a benchmark: bars of the shares of the limits, and curves over context length.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>

#include "base/error.h"
#include "engine/bench/report.h"

namespace fathom::bench {
namespace {

constexpr double kWidth = 860, kLabel = 320, kBar = 440, kRow = 22, kPanel = 300;
// Okabe-Ito colours: told apart by everyone.
constexpr const char* kColours[] = {"#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9"};

std::string escaped(std::string_view text) {
  std::string out;
  for (const char c : printable(text, 160)) {
    out += c == '&'   ? "&amp;"
           : c == '<' ? "&lt;"
           : c == '>' ? "&gt;"
           : c == '"' ? "&quot;"
                      : std::string(1, c);
  }
  return out;
}

std::string text(double x, double y, std::string_view what, std::string_view anchor = "start") {
  return fmt::format("<text x=\"{:.1f}\" y=\"{:.1f}\" text-anchor=\"{}\">{}</text>\n", x, y, anchor,
                     escaped(what));
}

// A bar a figure: its share of the limit, or nothing but its value.
std::string bars(const Report& report, double& y) {
  std::string out;
  for (const Figure& f : report.figures) {
    if (!f.curve.empty()) continue;
    y += kRow;
    out += text(kLabel - 8, y, f.name, "end");
    const double share = std::min(f.share(), 1.2) / 1.2;
    if (f.limit > 0) {
      out += fmt::format("<rect x=\"{}\" y=\"{:.1f}\" width=\"{:.1f}\" height=\"14\" fill=\"{}\"/>\n", kLabel,
                         y - 11, share * kBar, kColours[0]);
      out += fmt::format("<path d=\"M{:.1f} {:.1f}v18\" stroke=\"#5f5f5f\" stroke-dasharray=\"3 2\"/>\n",
                         kLabel + kBar / 1.2, y - 13);
    }
    out += text(kLabel + share * kBar + 6, y,
                f.limit > 0 ? fmt::format("{:.4g} {} ({:.0f}%)", f.best, f.unit, f.share() * 100)
                            : fmt::format("{:.4g} {}", f.best, f.unit));
  }
  return out;
}

// The curves of a report in one panel: x by powers of two, y from 0.
std::string curves(const Report& report, double& y) {
  std::map<std::string, std::vector<const Figure*>> series;
  double first = 0, last = 0, most = 0;
  for (const Figure& f : report.figures) {
    if (f.curve.empty() || f.x <= 0) continue;
    series[f.curve].push_back(&f);
    first = first == 0 ? f.x : std::min(first, f.x);
    last = std::max(last, f.x);
    most = std::max(most, f.best);
  }
  if (series.empty() || first == last || most <= 0) return "";
  const std::string unit = series.begin()->second.front()->unit;
  const double top = y + 24, bottom = top + kPanel;
  const auto at_x = [&](double x) { return kLabel + kBar * std::log2(x / first) / std::log2(last / first); };
  const auto at_y = [&](double v) { return bottom - kPanel * v / (most * 1.05); };
  std::string out = fmt::format("<path d=\"M{0} {1:.1f}V{2:.1f}H{3}\" fill=\"none\" stroke=\"#5f5f5f\"/>\n",
                                kLabel, top, bottom, kLabel + kBar);
  for (double x = first; x <= last; x *= 4)
    out += text(at_x(x), bottom + 16, fmt::format("{:.0f}K", x / 1024), "middle");
  for (int i = 0; i <= 4; ++i) {
    out += text(kLabel - 6, at_y(most * i / 4) + 4, fmt::format("{:.1f} {}", most * i / 4, unit), "end");
  }
  size_t colour = 0;
  for (const auto& [name, points] : series) {
    const char* stroke = kColours[colour++ % std::size(kColours)];
    std::string path;
    for (const Figure* f : points)
      path += fmt::format("{}{:.1f} {:.1f}", path.empty() ? "M" : "L", at_x(f->x), at_y(f->best));
    out += fmt::format("<path d=\"{}\" fill=\"none\" stroke=\"{}\" stroke-width=\"2\"/>\n", path, stroke);
    out += fmt::format("<g fill=\"{}\">{}</g>\n", stroke,
                       text(at_x(last) + 6, at_y(points.back()->best) + 4, name));
  }
  y = bottom + 30;
  return out;
}

}  // namespace

std::string to_svg(const std::vector<Report>& reports) {
  std::string body;
  double y = 10;
  for (const Report& r : reports) {
    y += kRow + 6;
    body += "<g font-weight=\"bold\">" +
            text(12, y,
                 fmt::format("{} ({}, {}, {} threads, {})", r.bench, r.environment.cpu, r.environment.target,
                             r.environment.threads, r.environment.commit)) +
            "</g>\n";
    body += curves(r, y);
    body += bars(r, y);
  }
  return fmt::format(
      "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{0:.0f}\" height=\"{1:.0f}\" viewBox=\"0 0 {0:.0f} "
      "{1:.0f}\" "
      "font-family=\"sans-serif\" font-size=\"12\">\n<rect width=\"100%\" height=\"100%\" "
      "fill=\"#fff\"/>\n{2}</svg>\n",
      kWidth, y + 20, body);
}

}  // namespace fathom::bench
