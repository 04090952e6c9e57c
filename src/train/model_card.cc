#include "train/model_card.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/file.h"
#include "base/json_reader.h"
#include "train/param_table.h"
#include "train/recipe.h"
#include "train/report.h"
#include "train/tasks/family.h"

namespace fathom {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;

constexpr int64_t kMaxBytes = int64_t{1} << 30;

Json json_of(const fs::path& path) {
  const std::string text = read_text(path, kMaxBytes);
  Json json = in_context(printable(path.string(), 400), [&] { return parse_json(text); });
  if (!json.is_object()) bad_input("{}: expected an object", printable(path.string(), 400));
  return json;
}

double number(const Json& object, const char* key) {
  const auto found = object.is_object() ? object.find(key) : object.end();
  return found != object.end() && found->is_number() ? found->get<double>() : 0.0;
}
// A cell of a table: no line ends, no bars.
std::string text(const Json& object, const char* key) {
  const auto found = object.is_object() ? object.find(key) : object.end();
  std::string out =
      found != object.end() && found->is_string() ? printable(found->get<std::string>(), 200) : "";
  std::replace(out.begin(), out.end(), '|', '/');
  return out;
}

std::string layer_list(const ModelConfig& config) {
  std::string out;
  for (int64_t i = 0; i < config.num_hidden_layers; ++i) {
    const LayerConfig layer = config.layer(i);
    out += fmt::format("{}{}", i == 0 ? "" : ", ", name(layer.kind));
    if (layer.ratio > 0) out += fmt::format(" {}", layer.ratio);
    if (layer.hash) out += " (hash-routed)";
  }
  return out;
}

std::string geometry(const ModelConfig& c, const Recipe& recipe, const std::string& stored) {
  const int64_t blocks = std::min<int64_t>(c.num_nextn_predict_layers, 1);
  int64_t main = 0, draft = 0, longest = 0;
  const ParamTable table(c, blocks, recipe.params);
  for (const TrainedParam& p : table.params()) {
    if (p.kind != ParamClass::table) (p.name.starts_with("mtp.") ? draft : main) += p.values();
  }
  for (const RecipeStage& stage : recipe.stages) longest = std::max(longest, stage.row);
  return fmt::format(
      "| | |\n|---|---|\n| size | {:.2f}M parameters{} |\n| layers | {}: {} |\n"
      "| widths | D {}, {} heads of {} ({} rotary), window {}, index top-k {}, {} experts of {}, {} chosen, "
      "1 shared |\n| vocabulary | {} |\n| trained at | up to {} tokens |\n| stored as | {} |\n| licence | "
      "MIT "
      "|\n",
      static_cast<double>(main) * 1e-6,
      draft > 0 ? fmt::format(" + {:.2f}M in the MTP block", static_cast<double>(draft) * 1e-6) : "",
      c.num_hidden_layers, layer_list(c), c.hidden_size, c.num_attention_heads, c.head_dim,
      c.qk_rope_head_dim, c.sliding_window, c.index_topk, c.n_routed_experts, c.moe_intermediate_size,
      c.num_experts_per_tok, c.vocab_size, longest, stored);
}

// Adds `word` to a list with commas if it is new there.
void add_once(std::string& list, const std::string& word) {
  if (("," + list + ",").find("," + word + ",") == std::string::npos)
    list += (list.empty() ? "" : ",") + word;
}

// What made a report, as far as its figures depend on it.
std::string eval_command(const Json& report) {
  std::string out = "fathom eval -m MODEL";
  if (const auto rows = report.find("tasks"); rows != report.end() && rows->is_array() && !rows->empty()) {
    std::string tasks, modes, all;
    for (const Json& row : *rows) add_once(tasks, text(row, "task")), add_once(modes, text(row, "think"));
    for (const TaskFamily& family : task_families()) add_once(all, std::string(family.name));
    out += fmt::format(" --tasks {} --think {} --count {:.0f} --seed {:.0f}", tasks == all ? "all" : tasks,
                       modes, number(rows->front(), "problems"), number(report, "seed"));
  }
  if (const auto needle = report.find("needle"); needle != report.end() && needle->is_object()) {
    std::string lengths;
    for (const Json& length : needle->value("lengths", Json::array()))
      add_once(lengths, fmt::format("{:.0f}", length.is_number() ? length.get<double>() : 0));
    out += fmt::format(" --needle {} --needle-count {:.0f} --needle-depths {}", lengths,
                       number(*needle, "count"), needle->value("depths", Json::array()).size());
  }
  if (const auto found = report.find("text"); found != report.end() && found->is_object())
    out += fmt::format(" --text TEXT --row {:.0f}", number(*found, "row"));
  return out;
}

std::string evaluation(const fs::path& path) {
  const Json report = json_of(path);
  std::string out = fmt::format("`{}`, numerics {}, `{}`:\n\n", printable(path.filename().string()),
                                text(report, "numerics"), eval_command(report));
  if (const auto tasks = report.find("tasks"); tasks != report.end() && tasks->is_array()) {
    out +=
        "| task | think | problems | right, % | tokens of an answer | MTP accepted, % "
        "|\n|---|---|---|---|---|---|\n";
    for (const Json& row : *tasks) {
      const double mtp = row.is_object() && row.contains("mtp") ? number(row["mtp"], "acceptance") : -1;
      out += fmt::format("| {} | {} | {:.0f} | {:.1f} | {:.0f} | {} |\n", text(row, "task"),
                         text(row, "think"), number(row, "problems"), 100 * number(row, "accuracy"),
                         number(row, "answer_tokens"), mtp < 0 ? "" : fmt::format("{:.1f}", 100 * mtp));
    }
    out += "\n";
  }
  if (const auto needle = report.find("needle"); needle != report.end() && needle->is_object()) {
    out += "Needle recalled, % (rows: depth):\n\n|";
    for (const Json& tokens : needle->value("tokens", Json::array()))
      out += fmt::format(" | {:.0f} tokens", tokens.is_number() ? tokens.get<double>() : 0);
    out += " |\n|---|";
    for (size_t i = 0; i < needle->value("tokens", Json::array()).size(); ++i) out += "---|";
    const Json depths = needle->value("depths", Json::array()),
               recalled = needle->value("recalled", Json::array());
    for (size_t d = 0; d < std::min(depths.size(), recalled.size()); ++d) {
      out += fmt::format("\n| {:.0f}%", depths[d].is_number() ? 100 * depths[d].get<double>() : 0);
      for (const Json& share : recalled[d])
        out += fmt::format(" | {:.0f}", share.is_number() ? 100 * share.get<double>() : 0);
      out += " |";
    }
    out += "\n\n";
  }
  if (const auto found = report.find("text"); found != report.end() && found->is_object()) {
    out += fmt::format(
        "Held-out text: {:.4f} bits per byte, perplexity {:.2f}, {:.1f}% of MTP's drafts accepted.\n\n",
        number(*found, "bits_per_byte"), number(*found, "perplexity"),
        100 * number(*found, "mtp_acceptance"));
  }
  return out;
}

std::string evaluations(const fs::path& run) {
  std::vector<fs::path> files;
  for (const auto& entry : fs::directory_iterator(run)) {
    const std::string name = entry.path().filename().string();
    if (name.starts_with("eval") && name.ends_with(".json")) files.push_back(entry.path());
  }
  if (files.empty())
    return "Not measured yet: `fathom eval --json > RUN/eval-NAME.json`, then `fathom convert --card "
           "RUN`.\n\n";
  std::sort(files.begin(), files.end());
  std::string out;
  for (const fs::path& file : files) out += evaluation(file);
  return out;
}

// What a prepared source is made of; nothing if its data.json is gone.
std::string source_rows(const std::string& name, const fs::path& prepared) {
  std::error_code error;
  if (!fs::exists(prepared / "data.json", error)) return fmt::format("| {} | | | |\n", printable(name));
  const Json data = json_of(prepared / "data.json");
  std::string licence = text(data, "licence"), rows;
  if (licence.empty()) licence = "not stated";
  const Json train = data.value("train", Json::object());
  for (const Json& source : data.value("sources", Json::array())) {
    rows += fmt::format("| {} | {} ({:.2f} MB) | {:.2f}M in all of {} | {} |\n", printable(name),
                        text(source, "file"), number(source, "bytes") * 1e-6, number(train, "tokens") * 1e-6,
                        printable(name), licence);
  }
  return rows;
}

std::string data_table(const fs::path& run, const Recipe& recipe) {
  std::string out = "| source | from | tokens | licence |\n|---|---|---|---|\n";
  std::error_code error;
  for (const auto& [name, data] : recipe.data) {
    if (data.generate) {
      const std::string what =
          data.generate->stories ? "stories"
                                 : "problems: " + (data.generate->tasks.empty() ? std::string("all families")
                                                                                : data.generate->tasks);
      out += fmt::format("| {} | generated, {} | made as drawn | MIT |\n", printable(name),
                         printable(what, 300));
    } else {
      out +=
          source_rows(name, fs::is_directory(data.path, error) ? fs::path(data.path) : run / "data" / name);
    }
  }
  return out;
}

std::string stage_table(const Recipe& recipe) {
  std::string out =
      "| stage | steps | row | batch | precision | attention | rate | mixture "
      "|\n|---|---|---|---|---|---|---|---|\n";
  for (const RecipeStage& s : recipe.stages) {
    std::string mixture;
    for (const auto& [source, weight] : s.mixture)
      mixture += fmt::format("{}{} {:g}", mixture.empty() ? "" : ", ", printable(source), weight);
    for (const DistillTeacher& t : s.distill.teachers) {
      mixture += fmt::format("{}{} on {}", mixture.empty() ? "distilled from " : ", ",
                             printable(fs::path(t.from).filename().string()),
                             t.tasks.empty() ? std::string("all families") : printable(t.tasks, 300));
    }
    if (s.kind == StageKind::grpo) {
      mixture = "GRPO on its own answers: " +
                (s.grpo.tasks.empty() ? std::string("all families") : printable(s.grpo.tasks, 300));
    }
    out += fmt::format("| {} | {} | {} | {} | {} | {} | {:g} | {} |\n", printable(s.name), s.steps, s.row,
                       s.step_tokens(), name(s.precision), name(s.attention), s.rate, mixture);
  }
  return out;
}

double worst(const std::map<int64_t, RunCurve>& layers, bool greatest) {
  double value = greatest ? 0 : 1;
  for (const auto& [layer, curve] : layers) {
    if (!curve.points.empty())
      value = greatest ? std::max(value, curve.points.back().second)
                       : std::min(value, curve.points.back().second);
  }
  return value;
}

std::string how(const fs::path& run, const Recipe& recipe) {
  const RunLog log = RunLog::parse(read_text(run / "log.jsonl", kMaxBytes));
  std::error_code error;
  const Json made = fs::exists(run / "run.json", error) ? json_of(run / "run.json") : Json::object();
  std::string out = fmt::format(
      "{} steps, {:.2f}M tokens, {:.1f} hours on {} ({:.0f} threads), fathom commit {}, {}. Optimizer: {}; "
      "seed {}. "
      "{} steps skipped by the spike guard, {} rollbacks.\n\n",
      log.steps, static_cast<double>(log.tokens) * 1e-6, log.seconds / 3600, text(made, "cpu"),
      number(made, "threads"), text(made, "commit"), text(made, "date"),
      recipe.params.adamw_only ? "AdamW" : "Muon for matrices, AdamW for the rest", recipe.seed, log.skipped,
      log.rollbacks);
  if (!recipe.from.empty())
    out += fmt::format("It started from `{}`.\n\n", printable(fs::path(recipe.from).filename().string()));
  out += stage_table(recipe) + "\n";
  for (const auto& [source, curve] : log.validation_bits) {
    if (!curve.points.empty())
      out += fmt::format("- validation, {}: {:.4f} bits per byte\n", printable(source),
                         curve.points.back().second);
  }
  if (!log.load.empty()) {
    out += fmt::format(
        "- expert load at the end, worst layer: {:.2f} of the mean; experts without tokens: {:.0f}\n",
        worst(log.load, true), worst(log.dead, true));
  }
  if (!log.captured.empty()) {
    out += fmt::format("- attention mass that the indexer's choice holds, worst layer: {:.1f}%\n",
                       100 * worst(log.captured, false));
  }
  return out;
}

}  // namespace

std::string model_card(const fs::path& run, const ModelConfig& config, const std::string& stored) {
  const std::string where = (run / "recipe.json").string();
  const Recipe recipe = Recipe::parse(read_text(run / "recipe.json", kMaxBytes), where, "");
  return fmt::format(
      "---\nlicense: mit\nlibrary_name: fathom\ntags: [deepseek_v4]\n---\n# {}: a DeepSeek-V4 trained by "
      "fathom\n\n"
      "{}\n## What it can do\n{}## Limits\n"
      "- A small model: it knows what its data below holds, and no more. Not an assistant.\n"
      "- Positions beyond the length it was trained at are extrapolation.\n"
      "- Problems of other kinds, sizes or wordings than those measured above may fail.\n"
      "- Its texts were not filtered for what is false or offensive beyond what the sources' selection "
      "did.\n\n"
      "## Data\n{}\n## How it was made\n{}",
      printable(recipe.name), geometry(config, recipe, stored), evaluations(run), data_table(run, recipe),
      how(run, recipe));
}

}  // namespace fathom
