#include "engine/bench/report.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

namespace fathom::bench {
namespace {

using Json = nlohmann::ordered_json;

std::string shown(double value) {
  return fmt::format("{:.{}f}", value, value < 10 ? 2 : value < 100 ? 1 : 0);
}

// No digits beyond what a measurement can hold.
double rounded(double value) { return std::stod(fmt::format("{:.5g}", value)); }

Json to_json(const Environment& e) {
  return {{"date", e.date},         {"commit", e.commit},   {"cpu", e.cpu},
          {"cpus", e.cpus},         {"threads", e.threads}, {"target", e.target},
          {"numerics", e.numerics}, {"flags", e.flags},     {"idle_share", rounded(e.idle_share)}};
}

Json to_json(const Figure& f) {
  Json out = {{"name", f.name}, {"unit", f.unit}, {"best", rounded(f.best)}, {"median", rounded(f.median)}};
  if (f.limit > 0) {
    out["limit"] = rounded(f.limit);
    out["limit_name"] = f.limit_name;
    out["share"] = rounded(f.share());
  }
  if (f.goal > 0) out["goal"] = f.goal;
  if (!f.curve.empty()) {
    out["curve"] = f.curve;
    out["x"] = f.x;
  }
  return out;
}

}  // namespace

bool Figure::smaller_is_better() const { return unit == "ms" || unit == "s" || unit == "MB"; }

double Figure::share() const {
  if (limit <= 0 || best <= 0) return 0;
  return smaller_is_better() ? limit / best : best / limit;
}

std::string to_table(const std::vector<Report>& reports) {
  std::string out;
  for (const Report& r : reports) {
    const Environment& e = r.environment;
    out += fmt::format("{}{}: {}, {} threads, {}, {}, commit {}, {:.0f}% of the CPU time free of others\n",
                       r.bench, r.model.empty() ? "" : " of " + r.model, e.cpu, e.threads, e.target,
                       e.numerics, e.commit, e.idle_share * 100);
    if (r.machine.read_bandwidth > 0) {
      out += fmt::format("  limits: read {:.1f} GB/s, fp32 {:.0f} GFLOP/s, bf16 {:.0f} GFLOP/s\n",
                         r.machine.read_bandwidth / 1e9, r.machine.peak_f32 / 1e9, r.machine.peak_bf16 / 1e9);
    }
    size_t width = 4;
    for (const Figure& f : r.figures) width = std::max(width, f.name.size());
    out += fmt::format("  {:{}}  {:>9} {:>9} {:9} {:>9} {:>6} {:>5}  {}\n", "what", width, "best", "median",
                       "unit", "limit", "share", "goal", "limit is");
    for (const Figure& f : r.figures) {
      out += fmt::format("  {:{}}  {:>9} {:>9} {:9} {:>9} {:>6} {:>5}  {}\n", f.name, width, shown(f.best),
                         shown(f.median), f.unit, f.limit > 0 ? shown(f.limit) : "",
                         f.limit > 0 ? fmt::format("{:.0f}%", f.share() * 100) : "",
                         f.goal > 0 ? fmt::format("{:.0f}%", f.goal * 100) : "", f.limit_name);
    }
    for (const std::string& note : r.notes) out += "  " + note + "\n";
  }
  return out;
}

std::string to_json(const std::vector<Report>& reports) {
  Json out;
  Json& benches = out["benches"] = Json::array();
  for (const Report& r : reports) {
    Json each = {{"bench", r.bench}, {"environment", to_json(r.environment)}};
    if (!r.model.empty()) each["model"] = r.model;
    if (r.machine.read_bandwidth > 0) {
      each["machine"] = {{"read_bandwidth", rounded(r.machine.read_bandwidth)},
                         {"peak_f32", rounded(r.machine.peak_f32)},
                         {"peak_bf16", rounded(r.machine.peak_bf16)}};
    }
    Json& figures = each["figures"] = Json::array();
    for (const Figure& f : r.figures) figures.push_back(to_json(f));
    each["notes"] = r.notes;
    benches.push_back(std::move(each));
  }
  return out.dump(1, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace fathom::bench
