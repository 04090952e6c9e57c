// Charts are well-formed, escape what they show, and lose no spike.
#include "base/chart.h"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <string>
#include <vector>

namespace fathom {
namespace {

// Every tag is closed in order; attributes are quoted. Enough for what these charts are made of.
bool well_formed(const std::string& svg) {
  std::vector<std::string> open;
  for (size_t i = svg.find('<'); i != std::string::npos; i = svg.find('<', i + 1)) {
    const size_t end = svg.find('>', i);
    if (end == std::string::npos) return false;
    const std::string tag = svg.substr(i + 1, end - i - 1);
    const std::string name = tag.substr(0, tag.find_first_of(" \n"));
    if (tag.ends_with('/')) continue;
    if (!tag.starts_with('/')) {
      open.push_back(name);
    } else if (open.empty() || "/" + open.back() != name) {
      return false;
    } else {
      open.pop_back();
    }
  }
  return open.empty();
}

TEST_CASE("a spike among many points is drawn") {
  LineChart chart;
  chart.title = "loss <&>";
  chart.x_label = "step";
  ChartSeries series{"loss", {}};
  for (int i = 0; i < 100000; ++i) series.points.emplace_back(i, i == 54321 ? 100 : 1);
  chart.series = {series};
  chart.marks = {{54321, "rollback \"now\""}, {1e9, "outside"}};
  const std::string svg = line_chart(chart);
  CHECK(well_formed(svg));
  CHECK(svg.size() < 60000);
  CHECK(svg.find("loss &lt;&amp;&gt;") != std::string::npos);
  CHECK(svg.find("rollback &quot;now&quot;") != std::string::npos);
  CHECK(svg.find("outside") == std::string::npos);
  CHECK(svg.find(",34.0 ") != std::string::npos);  // the top of the plot, where only the spike reaches
}

TEST_CASE("values that are not finite are left out, whatever is left") {
  const double nan = std::numeric_limits<double>::quiet_NaN(), inf = std::numeric_limits<double>::infinity();
  for (const auto& points : std::vector<std::vector<std::pair<double, double>>>{{},
                                                                                {{0, nan}},
                                                                                {{1, 2}},
                                                                                {{1, 2}, {2, inf}},
                                                                                {{1, 0}, {2, 0}},
                                                                                {{5, -3}, {5, -3}},
                                                                                {{0, 1e300}, {1, 1e-300}}}) {
    for (const bool log_y : {false, true}) {
      LineChart chart{"t", "x", {{"s", points}}, {}, log_y};
      const std::string svg = line_chart(chart);
      CHECK(well_formed(svg));
      CHECK(svg.find("nan") == std::string::npos);
      CHECK(svg.find("inf") == std::string::npos);
    }
  }
  CHECK(line_chart({"t", "x", {}, {}}).find("no values") != std::string::npos);
}

TEST_CASE("bars and cells carry their figures") {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const std::string bars = bar_chart({"bars", {"add", "mul"}, {"off", "high"}, {{0.5, 1}, {nan, 0.125}}});
  CHECK(well_formed(bars));
  CHECK(bars.find("50.0%") != std::string::npos);
  CHECK(bars.find("12.5%") != std::string::npos);
  const std::string map = heat_map({"map", "x", "y", {"1", "2"}, {"a"}, {{0.25, nan}}});
  CHECK(well_formed(map));
  CHECK(map.find(">25<") != std::string::npos);
  CHECK(map.find("prefers-color-scheme: dark") != std::string::npos);
}

}  // namespace
}  // namespace fathom
