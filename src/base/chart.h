#pragma once
/// Pictures of numbers as SVG text: lines over steps, bars, heat maps. They carry their own style, for light
/// and dark backgrounds, and need nothing from outside.

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace fathom {

struct ChartSeries {
  std::string name;
  std::vector<std::pair<double, double>>
      points;  ///< x ascending; values that are not finite, or beyond 1e100, are left out
};
/// Something that happened at an x.
struct ChartMark {
  double x = 0;
  std::string text;  ///< shown under the pointer
};
struct LineChart {
  std::string title, x_label;
  std::vector<ChartSeries> series;
  std::vector<ChartMark> marks;
  bool log_y = false;  ///< where all values are above 0
};
/// Of many points the least and the greatest of each pixel column are drawn, so that no spike is lost.
std::string line_chart(const LineChart& chart);

struct BarChart {
  std::string title;
  std::vector<std::string> groups, series;
  std::vector<std::vector<double>> values;  ///< [group][series], shares in [0, 1]; not finite: no bar
};
std::string bar_chart(const BarChart& chart);

struct HeatMap {
  std::string title, x_label, y_label;
  std::vector<std::string> x_names, y_names;
  std::vector<std::vector<double>> values;  ///< [y][x], shares in [0, 1]; not finite: no cell
};
std::string heat_map(const HeatMap& map);

/// What a file of pictures (charts one behind the other) holds by its name: an .html page has them all, any
/// other the first alone.
std::string svg_or_page(const std::string& pictures, std::string_view file, std::string_view title);

/// Text as content or attribute of HTML and SVG; control characters and invalid UTF-8 are escaped.
std::string markup_escaped(std::string_view text);

}  // namespace fathom
