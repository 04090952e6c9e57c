#include "train/report.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/file.h"
#include "base/json_reader.h"

namespace fathom {
namespace {

using Json = nlohmann::json;

constexpr int64_t kMaxLogBytes = int64_t{1} << 30;
constexpr int64_t kMaxJsonBytes = int64_t{16} << 20;

constexpr std::string_view kHead = R"(<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<style>
:root{color-scheme:light dark;--ink:#1c1c1c;--paper:#fff;--rule:#ddd}
@media (prefers-color-scheme: dark){:root{--ink:#e4e4e4;--paper:#16181b;--rule:#3a3d42}}
body{font:15px/1.5 sans-serif;max-width:800px;margin:2em auto;padding:0 1em;color:var(--ink);background:var(--paper)}
svg{width:100%;height:auto;margin:.6em 0}table{border-collapse:collapse;margin:1em 0}
td,th{border-bottom:1px solid var(--rule);padding:.2em .8em .2em 0;text-align:left}td.n{text-align:right}
pre{overflow:auto;font-size:12px}h2{margin-top:1.6em}
</style>
)";

double last_of(const std::map<std::string, RunCurve>& curves, const std::string& name) {
  const auto found = curves.find(name);
  if (found == curves.end() || found->second.points.empty()) return std::nan("");
  return found->second.points.back().second;
}

void add_series(LineChart& chart, const std::string& name, const RunCurve& curve) {
  if (!curve.points.empty()) chart.series.push_back({name, curve.points});
  if (curve.taken_back.empty()) return;
  auto back = curve.taken_back;
  std::stable_sort(back.begin(), back.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
  chart.series.push_back({name + ", taken back", std::move(back)});
}

LineChart chart_of(const RunLog& log, const std::string& title, bool with_marks) {
  LineChart chart{title, "step", {}, {}, false};
  if (!with_marks) return chart;
  for (const RunEvent& event : log.events) {
    chart.marks.push_back({static_cast<double>(event.step),
                           fmt::format("{} at step {}: {}", event.name, event.step, event.detail)});
  }
  return chart;
}

std::string named_chart(const RunLog& log, const std::string& title, std::initializer_list<const char*> names,
                        bool log_y, bool with_marks) {
  LineChart chart = chart_of(log, title, with_marks);
  chart.log_y = log_y;
  for (const char* name : names) {
    if (const auto found = log.curves.find(name); found != log.curves.end())
      add_series(chart, name, found->second);
  }
  return chart.series.empty() ? "" : line_chart(chart);
}

std::string layer_chart(const RunLog& log, const std::string& title,
                        const std::map<int64_t, RunCurve>& layers) {
  if (layers.empty()) return "";
  LineChart chart = chart_of(log, title, false);
  for (const auto& [layer, curve] : layers)
    chart.series.push_back({fmt::format("layer {}", layer), curve.points});
  return line_chart(chart);
}

std::string source_chart(const RunLog& log, const std::string& title,
                         const std::map<std::string, RunCurve>& sources) {
  if (sources.empty()) return "";
  LineChart chart = chart_of(log, title, false);
  for (const auto& [source, curve] : sources) add_series(chart, source, curve);
  return line_chart(chart);
}

// Rows of two columns.
class Table {
 public:
  void row(const std::string& what, const std::string& value) {
    rows_ += fmt::format("<tr><td>{}</td><td class=\"n\">{}</td></tr>\n", markup_escaped(what),
                         markup_escaped(value));
  }
  void number(const std::string& what, double value, const char* unit = "") {
    if (std::isfinite(value)) row(what, fmt::format("{:.5g}{}", value, unit));
  }
  std::string text() const { return "<table>\n" + rows_ + "</table>\n"; }

 private:
  std::string rows_;
};

double extreme(const std::map<int64_t, RunCurve>& layers, bool greatest) {
  double value = std::nan("");
  for (const auto& [layer, curve] : layers) {
    if (curve.points.empty()) continue;
    const double last = curve.points.back().second;
    if (std::isnan(value) || (greatest ? last > value : last < value)) value = last;
  }
  return value;
}

std::string summary(const RunLog& log) {
  Table table;
  table.row("steps", fmt::to_string(log.steps));
  table.row("tokens", fmt::to_string(log.tokens));
  table.row("time in steps", fmt::format("{:.0f} s", log.seconds));
  if (log.seconds > 0) table.number("tokens a second", static_cast<double>(log.tokens) / log.seconds);
  table.number("last loss", last_of(log.curves, "loss"));
  table.number("last cross-entropy", last_of(log.curves, "lm"));
  table.number("last mean reward", last_of(log.curves, "reward"));
  table.number("last share of right answers", last_of(log.curves, "right"));
  for (const auto& [source, curve] : log.validation_bits) {
    if (!curve.points.empty())
      table.number("validation bits per byte, " + source, curve.points.back().second);
  }
  table.row("steps skipped by the guard", fmt::to_string(log.skipped));
  table.row("rollbacks", fmt::to_string(log.rollbacks));
  table.number("last expert load, greatest over mean", extreme(log.load, true));
  table.number("dead experts at the end, worst layer", extreme(log.dead, true));
  table.number("mass that the indexer's choice holds, worst layer", extreme(log.captured, false));
  return table.text();
}

std::string event_table(const RunLog& log) {
  if (log.events.empty() && log.stage_starts.empty()) return "";
  std::vector<RunEvent> all = log.events;
  for (const auto& [step, stage] : log.stage_starts) all.push_back({step, "stage", stage});
  std::stable_sort(all.begin(), all.end(),
                   [](const RunEvent& a, const RunEvent& b) { return a.step < b.step; });
  std::string rows;
  for (const RunEvent& e : all) {
    rows += fmt::format("<tr><td class=\"n\">{}</td><td>{}</td><td>{}</td></tr>\n", e.step,
                        markup_escaped(e.name), markup_escaped(e.detail));
  }
  return "<h2>Events</h2>\n<table><tr><th>step</th><th>event</th><th></th></tr>\n" + rows + "</table>\n";
}

double share_in(const Json& value) { return value.is_number() ? value.get<double>() : std::nan(""); }

// The pictures of a report of fathom eval; whatever else the file holds is left alone.
std::string evaluation(const Json& report, const std::string& name) {
  std::string out = fmt::format("<h2>Evaluation: {}</h2>\n", markup_escaped(name));
  if (const auto tasks = report.find("tasks"); tasks != report.end() && tasks->is_array()) {
    BarChart chart{"problems solved", {}, {}, {}};
    std::map<std::string, std::map<std::string, double>> solved;
    for (const Json& row : *tasks) {
      if (!row.is_object() || !row.contains("task") || !row["task"].is_string() || !row.contains("think") ||
          !row["think"].is_string()) {
        continue;
      }
      const auto task = row["task"].get<std::string>(), think = row["think"].get<std::string>();
      if (!solved.contains(task)) chart.groups.push_back(task);
      if (std::find(chart.series.begin(), chart.series.end(), think) == chart.series.end())
        chart.series.push_back(think);
      solved[task][think] = share_in(row.value("accuracy", Json()));
    }
    for (const std::string& task : chart.groups) {
      auto& values = chart.values.emplace_back();
      for (const std::string& think : chart.series) {
        const auto found = solved[task].find(think);
        values.push_back(found == solved[task].end() ? std::nan("") : found->second);
      }
    }
    if (!chart.groups.empty()) out += bar_chart(chart);
  }
  if (const auto needle = report.find("needle"); needle != report.end() && needle->is_object()) {
    HeatMap map{"needle recalled, %", "tokens", "depth", {}, {}, {}};
    for (const Json& tokens : needle->value("tokens", Json::array()))
      map.x_names.push_back(fmt::format("{:.0f}", share_in(tokens)));
    for (const Json& depth : needle->value("depths", Json::array()))
      map.y_names.push_back(fmt::format("{:.0f}%", 100 * share_in(depth)));
    for (const Json& row : needle->value("recalled", Json::array())) {
      auto& cells = map.values.emplace_back();
      for (const Json& cell : row) cells.push_back(share_in(cell));
      cells.resize(map.x_names.size(), std::nan(""));
    }
    map.values.resize(map.y_names.size(), std::vector<double>(map.x_names.size(), std::nan("")));
    out += heat_map(map);
  }
  if (const auto text = report.find("text"); text != report.end() && text->is_object()) {
    Table table;
    for (const auto& [key, value] : text->items()) table.number(key, share_in(value));
    out += table.text();
  }
  return out;
}

std::string details(const std::filesystem::path& file, const char* title) {
  std::error_code error;
  if (!std::filesystem::exists(file, error)) return "";
  std::string text;
  for (const char c : read_text(file, kMaxJsonBytes)) {
    // Lines stay lines.
    text += c == '\n' ? "\n" : c == '<' ? "&lt;" : c == '&' ? "&amp;" : std::string(1, c);
  }
  return fmt::format("<details><summary>{}</summary>\n<pre>{}</pre></details>\n", title, text);
}

}  // namespace

std::map<std::string, std::string> run_charts(const RunLog& log) {
  std::map<std::string, std::string> charts = {
      {"loss", named_chart(log, "Cross-entropy: next token (lm), the one after (mtp); dashed: events",
                           {"lm", "mtp"}, false, true)},
      {"reward", named_chart(log, "Mean reward of the answers; share that is right, that ends by itself",
                             {"reward", "right", "ended"}, false, true)},
      {"answers", named_chart(log, "Tokens of an answer", {"answer_tokens"}, false, false)},
      {"policy",
       named_chart(log, "Entropy of the policy, KL to the reference", {"entropy", "kl"}, false, false)},
      {"teachers",
       named_chart(log, "KL to the teachers, over the whole vocabulary", {"kl_teachers"}, false, true)},
      {"clipped", named_chart(log, "Share of tokens clipped, of problems with right and wrong answers",
                              {"clipped", "contrast"}, false, false)},
      {"total loss", named_chart(log, "Loss in all, the indexer's included", {"loss"}, false, true)},
      {"validation", source_chart(log, "Validation, bits per byte", log.validation_bits)},
      {"validation loss", source_chart(log, "Validation loss", log.validation_loss)},
      {"rate", named_chart(log, "Learning rate", {"rate", "adamw_rate"}, false, false)},
      {"norm", named_chart(log, "Gradient norm", {"norm"}, true, true)},
      {"balance", named_chart(log, "Balance loss", {"balance"}, false, false)},
      {"load", layer_chart(log, "Expert load, greatest over mean", log.load)},
      {"entropy", layer_chart(log, "Entropy of the expert load", log.entropy)},
      {"dead", layer_chart(log, "Experts without tokens", log.dead)},
      {"captured", layer_chart(log, "Attention mass that the indexer's choice holds", log.captured)},
      {"indexer", layer_chart(log, "KL of the indexer", log.indexer_kl)},
      {"speed", named_chart(log, "Tokens a second", {"tokens_per_second"}, false, false)}};
  std::erase_if(charts, [](const auto& chart) { return chart.second.empty(); });
  return charts;
}

std::string run_report(const std::filesystem::path& folder) {
  const auto file = folder / "log.jsonl";
  const std::string text = read_text(file, kMaxLogBytes);  // its errors name the file
  const RunLog log = in_context(printable(file.string(), 400), [&] { return RunLog::parse(text); });
  const std::string name =
      folder.has_filename() ? folder.filename().string() : folder.parent_path().filename().string();
  std::string out(kHead);
  out +=
      fmt::format("<title>{0}</title></head><body>\n<h1>{0}</h1>\n{1}", markup_escaped(name), summary(log));
  const auto charts = run_charts(log);
  for (const char* chart : {"loss", "reward", "answers", "policy", "teachers", "clipped", "total loss",
                            "validation", "validation loss", "rate", "norm", "balance", "load", "entropy",
                            "dead", "captured", "indexer", "speed"}) {
    if (const auto found = charts.find(chart); found != charts.end()) out += found->second;
  }
  out += event_table(log);
  std::vector<std::filesystem::path> evaluations;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    const std::string entry_name = entry.path().filename().string();
    if (entry_name.starts_with("eval") && entry_name.ends_with(".json")) evaluations.push_back(entry.path());
  }
  std::sort(evaluations.begin(), evaluations.end());
  for (const auto& path : evaluations) {
    const std::string json = read_text(path, kMaxJsonBytes);
    const Json report = in_context(printable(path.string(), 400), [&] { return parse_json(json); });
    if (report.is_object()) out += evaluation(report, path.stem().string());
  }
  out += "<h2>How it was made</h2>\n" + details(folder / "run.json", "run.json") +
         details(folder / "recipe.json", "recipe.json");
  return out + "</body></html>\n";
}

}  // namespace fathom
