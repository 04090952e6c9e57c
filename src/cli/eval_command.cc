/// fathom eval: what a model can do: generated problems in each mode, needles in long texts, bits per byte,
/// drafts.

#include <CLI/CLI.hpp>
#include <chrono>
#include <cmath>
#include <map>
#include <nlohmann/json.hpp>

#include "base/chart.h"
#include "base/error.h"
#include "base/file.h"
#include "cli/command.h"
#include "cli/common_options.h"
#include "cli/output_path.h"
#include "cli/progress_line.h"
#include "cli/say.h"
#include "engine/inspect_text.h"
#include "engine/score.h"
#include "post/task_evaluation.h"

namespace fathom::cli {
namespace {

using Json = nlohmann::ordered_json;

struct EvalArguments {
  ModelOptions model;
  std::string tasks, modes = "off,high", text, svg, answers;
  std::vector<int64_t> needle;
  TaskEvaluationOptions evaluation;
  NeedleOptions needles;
  int64_t row = 1024, inside_tokens = 32768;
  bool trained = false, json = false;
};

[[noreturn]] void stopped_here() {
  say("\nfathom: interrupted\n");
  throw ExitStatus{130};
}

std::vector<Think> read_modes(const std::string& text) {
  std::vector<Think> modes;
  for (size_t begin = 0; begin <= text.size();) {
    const size_t end = std::min(text.find(',', begin), text.size());
    modes.push_back(parse_think_mode(std::string_view(text).substr(begin, end - begin)));
    begin = end + 1;
  }
  return modes;
}

Json task_json(const TaskScore& s) {
  Json out = {{"task", s.label()},
              {"think", name(s.think)},
              {"problems", s.problems},
              {"right", s.right},
              {"accuracy", s.accuracy()},
              {"ended", s.ended},
              {"prompt_tokens", s.mean_prompt()},
              {"answer_tokens", s.mean_answer()}};
  if (s.drafts > 0) {
    out["mtp"] = {{"drafts", s.drafts},
                  {"acceptance", static_cast<double>(s.drafts_accepted) / static_cast<double>(s.drafts)}};
  }
  return out;
}

void print_tasks(const std::vector<TaskScore>& scores) {
  fmt::print("{:<12} {:<5} {:>8} {:>7} {:>7} {:>8} {:>8} {:>6}\n", "task", "think", "problems", "right",
             "ended", "prompt", "answer", "MTP");
  for (const TaskScore& s : scores) {
    const std::string mtp = s.drafts > 0
                                ? fmt::format("{:.1f}%", 100 * static_cast<double>(s.drafts_accepted) /
                                                             static_cast<double>(s.drafts))
                                : "";
    fmt::print("{:<12} {:<5} {:>8} {:>6.1f}% {:>6.1f}% {:>8.1f} {:>8.1f} {:>6}\n", s.label(), name(s.think),
               s.problems, 100 * s.accuracy(),
               100 * static_cast<double>(s.ended) / static_cast<double>(std::max<int64_t>(1, s.problems)),
               s.mean_prompt(), s.mean_answer(), mtp);
  }
}

std::string task_chart(const std::vector<TaskScore>& scores, const std::vector<Think>& modes) {
  BarChart chart;
  chart.title = "Held-out problems solved, by family and mode";
  for (const Think mode : modes) chart.series.push_back(fmt::format("think {}", name(mode)));
  for (size_t i = 0; i < scores.size(); ++i) {
    if (i % modes.size() == 0) {
      chart.groups.push_back(scores[i].label());
      chart.values.emplace_back();
    }
    chart.values.back().push_back(scores[i].accuracy());
  }
  return bar_chart(chart);
}

std::string needle_chart(const NeedleMap& map) {
  HeatMap heat;
  heat.title = "Needle recalled, %";
  heat.x_label = "tokens of the prompt";
  heat.y_label = "depth";
  for (const double tokens : map.mean_tokens) heat.x_names.push_back(fmt::format("{:.0f}", tokens));
  for (const double depth : map.depths) heat.y_names.push_back(fmt::format("{:.0f}%", 100 * depth));
  heat.values = map.recalled;
  return heat_map(heat);
}

void print_needles(const NeedleMap& map) {
  fmt::print("\nneedle recalled, % of {} a cell; rows: depth, columns: tokens of the prompt\n{:>6}",
             map.count, "");
  for (const double tokens : map.mean_tokens) fmt::print("{:>8.0f}", tokens);
  for (size_t d = 0; d < map.depths.size(); ++d) {
    fmt::print("\n{:>5.0f}%", 100 * map.depths[d]);
    for (const double share : map.recalled[d]) fmt::print("{:>8.1f}", 100 * share);
  }
  fmt::print("\n");
}

// Writes a line for every answer, for reading through them.
class AnswerFile {
 public:
  void take(const TaskAnswer& a) {
    lines_ += Json{{"task", a.problem->family},
                   {"think", name(a.think)},
                   {"question", a.problem->question()},
                   {"answer", a.problem->answer},
                   {"text", a.text},
                   {"right", a.right},
                   {"ended", a.ended}}
                  .dump() +
              "\n";
  }
  void write(const std::string& path) const { write_atomically(path, lines_); }

 private:
  std::string lines_;
};

// Who did what while the text was read: experts, and the entries that the indexers chose.
std::string look_inside(const EvalArguments& arguments, const OpenedModel& model,
                        std::span<const int32_t> ids, int64_t row, Json& out) {
  ids = ids.first(static_cast<size_t>(std::min(std::ssize(ids), arguments.inside_tokens)));
  if (ids.empty()) return {};
  ChoiceOptions options;
  options.row = row;
  options.capture = true;
  options.tokenizer = model.tokenizer.get();
  options.progress = count_progress("looking inside", "tokens");
  const TextChoices choices = inspect_choices(*model.runtime, *model.model, ids, options);
  if (choices.tokens < std::ssize(ids)) stopped_here();
  out["routing"] = Json::parse(routing_json(choices));
  Json attention = Json::parse(attention_json(choices));
  for (Json& layer : attention["layers"]) {
    layer.erase("last");
    if (layer["kind"] == "csa") out["indexer"]["layers"].push_back(layer);
  }
  if (!arguments.json) {
    fmt::print("\nexperts, over {}\nentries, over {}", routing_text(choices), attention_text(choices));
  }
  return routing_pictures(choices) + capture_picture(choices);
}

std::string score_file(const EvalArguments& arguments, const OpenedModel& model, Json& out) {
  constexpr int64_t kMaxTextBytes = int64_t{1} << 30;
  const std::string text = read_text(arguments.text, kMaxTextBytes);
  const std::vector<int32_t> ids = model.tokenizer->encode(text, false);
  if (ids.empty()) bad_input("{}: expected a text, found nothing", printable(arguments.text, 400));
  ScoreOptions options;
  options.row = std::min(arguments.row, model.model->config().max_position_embeddings);
  options.mtp = true;
  options.progress = count_progress("scoring", "tokens");
  const TextScore s = score_text(*model.runtime, *model.model, ids, options);
  if (s.tokens < std::ssize(ids)) stopped_here();
  const double bits = s.bits_per_byte(std::ssize(text));
  out["text"] = {
      {"tokens", s.tokens}, {"bits_per_byte", bits}, {"perplexity", s.perplexity()}, {"row", options.row}};
  if (s.drafts > 0) out["text"]["mtp_acceptance"] = s.draft_acceptance();
  if (!arguments.json) {
    fmt::print("\ntext: {:.4f} bits per byte, perplexity {:.3f}", bits, s.perplexity());
    if (s.drafts > 0) fmt::print(", MTP {:.1f}% of {} drafts accepted", 100 * s.draft_acceptance(), s.drafts);
    fmt::print("\n");
  }
  return look_inside(arguments, model, ids, options.row, out);
}

void run(EvalArguments arguments) {
  const auto start = std::chrono::steady_clock::now();
  TaskEvaluationOptions& evaluation = arguments.evaluation;
  evaluation.modes = read_modes(arguments.modes);
  if (!arguments.tasks.empty() && arguments.tasks != "all")
    evaluation.tasks = parse_task_list(arguments.tasks);
  evaluation.held_out = !arguments.trained;
  check_output_file(arguments.svg);
  check_output_file(arguments.answers);
  const bool tasks = !arguments.tasks.empty() || (arguments.needle.empty() && arguments.text.empty());
  const OpenedModel model = open_model(arguments.model, DefaultNumerics::exact, TokenizerUse::needed);
  const Tokenizer& tokenizer = *model.tokenizer;
  const ChatSetup setup = read_chat_setup(
      model_folder(model.path), model.model->weights().checkpoint().config_json(), model.model->config());
  Json out = {{"model", printable(model.path.string(), 4096)},
              {"numerics", name(model.runtime->numerics().mode)}};
  std::string pictures;
  if (tasks) {
    AnswerFile answers;
    evaluation.progress = count_progress("solving", "problems");
    const TaskEvaluation result =
        evaluate_tasks(*model.model, *model.runtime, tokenizer, setup, evaluation, [&](const TaskAnswer& a) {
          if (!arguments.answers.empty()) answers.take(a);
        });
    if (result.stopped) stopped_here();
    if (!arguments.answers.empty()) answers.write(arguments.answers);
    out["held_out"] = evaluation.held_out;
    out["seed"] = evaluation.seed;
    for (const TaskScore& score : result.scores) out["tasks"].push_back(task_json(score));
    if (!arguments.json) print_tasks(result.scores);
    pictures += task_chart(result.scores, evaluation.modes);
  }
  if (!arguments.needle.empty()) {
    NeedleOptions& needles = arguments.needles;
    needles.lengths = arguments.needle;
    needles.think = evaluation.modes.front();
    needles.seed = evaluation.seed;
    needles.progress = count_progress("searching", "questions");
    const NeedleMap map = needle_map(*model.model, *model.runtime, tokenizer, setup, needles);
    if (map.stopped) stopped_here();
    out["needle"] = {{"think", name(needles.think)}, {"lengths", map.lengths},   {"tokens", map.mean_tokens},
                     {"depths", map.depths},         {"recalled", map.recalled}, {"count", map.count}};
    if (!arguments.json) print_needles(map);
    pictures += needle_chart(map);
  }
  if (!arguments.text.empty()) pictures += score_file(arguments, model, out);
  out["seconds"] = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  if (arguments.json) fmt::print("{}\n", out.dump(2));
  if (!arguments.svg.empty()) {
    write_atomically(arguments.svg, svg_or_page(pictures, arguments.svg, "fathom eval"));
  }
}

}  // namespace

void register_eval(CLI::App& app) {
  auto arguments = std::make_shared<EvalArguments>();
  CLI::App* command = app.add_subcommand(
      "eval", "What a model can do: problems by kind and mode, needles, bits per byte, drafts");
  arguments->model.add_to(*command);
  TaskEvaluationOptions& e = arguments->evaluation;
  command->add_option(
      "--tasks", arguments->tasks,
      "Families of problems with sizes, as fathom data tasks has them, or all (the default, if neither "
      "--needle nor --text is given)");
  command->add_option("--think", arguments->modes, "Modes, with commas between: off, high, max")
      ->capture_default_str();
  command->add_option("--count", e.count, "Problems of each family")
      ->capture_default_str()
      ->check(CLI::Range(int64_t{1}, int64_t{1} << 20));
  command->add_option("--min-level", e.min_level, "Of difficulty, 1 to 5")->capture_default_str();
  command->add_option("--max-level", e.max_level, "")->capture_default_str();
  command->add_option("--max-tokens", e.max_tokens, "Of an answer")
      ->capture_default_str()
      ->check(CLI::Range(int64_t{1}, int64_t{1} << 20));
  command->add_option("--batch", e.batch, "Answers written at a time")
      ->capture_default_str()
      ->check(CLI::Range(int64_t{1}, int64_t{4096}));
  command->add_option("--seed", e.seed, "Of the problems")->capture_default_str();
  command->add_flag("--trained", arguments->trained,
                    "Problems of the kind that training sees, not held-out ones");
  command->add_option("--answers", arguments->answers, "Write every answer to a file, a line of JSON each");
  command->add_option("--needle", arguments->needle, "Lengths of the needle map in tokens (256,512,1024)")
      ->delimiter(',');
  command->add_option("--needle-count", arguments->needles.count, "Questions of a cell")
      ->capture_default_str()
      ->check(CLI::Range(int64_t{1}, int64_t{10000}));
  command->add_option("--needle-depths", arguments->needles.depths, "Places of the needle")
      ->capture_default_str()
      ->check(CLI::Range(int64_t{1}, int64_t{101}));
  command->add_option(
      "--text", arguments->text,
      "A held-out text: bits per byte, perplexity, drafts accepted; load of the experts and what "
      "tokens they take, what the indexers' choices hold of dense attention");
  command
      ->add_option("--inside-tokens", arguments->inside_tokens,
                   "Of the text, for experts and indexers; 0: none")
      ->capture_default_str()
      ->check(CLI::Range(int64_t{0}, int64_t{1} << 40));
  command->add_option("--row", arguments->row, "Tokens of a row of the text, as in fathom score")
      ->capture_default_str()
      ->check(CLI::Range(int64_t{2}, int64_t{1} << 40));
  command->add_option("--svg", arguments->svg, "Write the picture (.svg: the first; .html: all)");
  command->add_flag("--json", arguments->json, "JSON instead of tables");
  command->callback([arguments] { run(*arguments); });
}

}  // namespace fathom::cli
