/// fathom train: runs a recipe (train/session.h).

#include <unistd.h>

#include <CLI/CLI.hpp>
#include <fstream>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/file.h"
#include "cli/command.h"
#include "cli/common_options.h"
#include "cli/interrupt.h"
#include "cli/progress_line.h"
#include "cli/say.h"
#include "cli/train_view.h"
#include "engine/bench/environment.h"
#include "engine/chat_setup.h"
#include "engine/cost.h"
#include "engine/machine_measure.h"
#include "post/distill_practice.h"
#include "post/task_practice.h"
#include "train/report.h"
#include "train/session.h"

namespace fathom::cli {
namespace {

namespace fs = std::filesystem;

constexpr int64_t kMaxRecipeBytes = int64_t{16} << 20;

struct TrainArguments {
  std::string recipe, out, resume, from, optimizer, memory, inject;
  std::vector<std::string> data, set;
  int64_t steps = 0;
  MachineOptions machine;
  bool dry_run = false, no_release = false;
};

// What the shortcut flags say, as overrides; before those of --set.
std::vector<std::string> overrides_of(const TrainArguments& a) {
  std::vector<std::string> out;
  if (!a.data.empty()) {
    nlohmann::json data = nlohmann::json::object();
    for (size_t i = 0; i < a.data.size(); ++i) {
      const std::string name = a.data.size() == 1 ? "data" : fmt::format("data{}", i + 1);
      data[name] = {{"path", fs::absolute(a.data[i]).string()}};
    }
    out.push_back("data=" + data.dump());
  }
  if (!a.from.empty()) {
    out.push_back("from=" + fs::absolute(model_folder(resolve_model(a.from))).string());
    out.emplace_back("model=null");
    out.emplace_back("tokenizer=null");
  }
  if (!a.optimizer.empty()) out.push_back("optimizer.kind=" + a.optimizer);
  out.insert(out.end(), a.set.begin(), a.set.end());
  return out;
}

// Bytes that this process may still take; 0 where the system does not tell.
int64_t available_bytes() {
  std::ifstream in("/proc/meminfo");
  for (std::string line; std::getline(in, line);) {
    if (line.starts_with("MemAvailable:")) return std::stoll(line.substr(13)) * 1024;
  }
  return 0;
}

// Token files of the run, which are mapped.
int64_t mapped_bytes(const TrainingSession& session) {
  int64_t sum = 0;
  std::error_code error;
  for (const RunData& data : session.data()) {
    for (const auto& shard : {data.train, data.validation}) {
      const auto bytes = shard ? fs::file_size(shard->path(), error) : 0;
      if (!error) sum += static_cast<int64_t>(bytes);
    }
  }
  return sum;
}

void check_memory(const TrainingSession& session, const TrainArguments& a) {
  const RunMemory m = session.memory();
  const auto show = [](int64_t bytes) { return human_bytes(static_cast<double>(bytes)); };
  int64_t parameters = 0;
  for (const TrainedParam& p : session.table().params()) {
    if (p.kind != ParamClass::table) parameters += p.values();
  }
  const int64_t program = bench::resident_bytes();  // with tokenizer and tables, taken already
  say("{:.2f} M parameters, {} steps; memory: weights {}, optimizer {}, gradients {}, copies {}, passes "
      "about {}{}{}, program {}; {} in all\n",
      static_cast<double>(parameters) * 1e-6, session.recipe().steps(), show(m.weights), show(m.optimizer),
      show(m.gradients), show(m.copies), show(m.scratch),
      m.reference > 0 ? ", reference " + show(m.reference) : "",
      m.teachers > 0 ? ", teachers " + show(m.teachers) : "", show(program), show(m.total() + program));
  if (const int64_t mapped = mapped_bytes(session); mapped > 0) {
    say("not counted: {} of token files, mapped; the system takes their pages back when it needs them\n",
        show(mapped));
  }
  const int64_t limit = a.memory.empty() ? available_bytes() : parse_bytes(a.memory, "--memory");
  const int64_t needed = m.total() + (a.memory.empty() ? 0 : program);
  if (limit > 0 && needed > limit) {
    fail(ErrorCode::out_of_memory,
         "{}: expected at most {} ({}), found a run that takes {}; keep_layers=0 and a smaller micro_rows "
         "take less",
         a.memory.empty() ? "memory" : "--memory", show(limit),
         a.memory.empty() ? "what is available" : "as asked", show(needed));
  }
}

std::string run_json(const TrainArguments& a, const Runtime<float>& runtime) {
  const bench::Environment e = bench::environment_of(runtime);
  return nlohmann::ordered_json{
             {"recipe", a.recipe}, {"overrides", overrides_of(a)}, {"commit", e.commit}, {"cpu", e.cpu},
             {"cpus", e.cpus},     {"threads", runtime.threads()}, {"target", e.target}, {"date", e.date}}
             .dump(2) +
         "\n";
}

// The page of the run; what is wrong with it does not cost the run its model.
void write_report(const std::filesystem::path& folder) {
  try {
    write_atomically(folder / "report.html", run_report(folder));
  } catch (const Error& error) {
    say("fathom: no report: {}\n", error.what());
  }
}

// What post-training needs beside the trainer: the tokenizer, and how the model is spoken to.
struct Speech {
  std::shared_ptr<const Tokenizer> tokenizer;
  ChatSetup setup;
};
std::shared_ptr<const Speech> speech_of(TrainingSession& session) {
  const Recipe& recipe = session.recipe();
  auto speech = std::make_shared<Speech>();
  speech->tokenizer = Tokenizer::from_json(session.folder().tokenizer_json(), "tokenizer.json");
  const std::string config =
      recipe.from.empty() ? recipe.config_json : Checkpoint::open(recipe.from)->config_json();
  speech->setup = read_chat_setup(recipe.from, config, session.config());
  return speech;
}

void run(const TrainArguments& a) {
  RuntimeOptions runtime_options;
  runtime_options.pool = a.machine.pool();
  runtime_options.target = a.machine.target_or_best();
  Runtime<float> runtime(runtime_options);
  a.machine.say_machine(a.resume.empty() ? a.recipe : a.resume, runtime.target(), runtime.threads());

  std::unique_ptr<TrainingSession> session;
  if (!a.resume.empty()) {
    session = TrainingSession::resume(a.resume, overrides_of(a));
  } else {
    const std::string text = read_text(a.recipe, kMaxRecipeBytes);
    const Recipe recipe =
        Recipe::parse(text, a.recipe, fs::absolute(a.recipe).parent_path().string(), overrides_of(a));
    const fs::path out = a.out.empty() ? fs::path("runs") / recipe.name : fs::path(a.out);
    session = TrainingSession::start(recipe, out);
  }
  check_memory(*session, a);
  for (const RunData& data : session->data()) {
    if (data.maker != nullptr) {
      say("data {}: made as it is drawn\n", printable(data.name));
      continue;
    }
    const ShardInfo& info = data.train->info();
    say("data {}: {} documents, {:.2f} M tokens{}\n", printable(data.name), info.documents,
        static_cast<double>(info.tokens) * 1e-6, data.validation ? "" : ", nothing held out");
  }
  if (a.dry_run) return;
  session->begin(run_json(a, runtime));

  // Forward, and twice as much backward; the attention that a token in a row's middle has.
  const int64_t row = session->recipe().stages.back().row;
  const double flops = 3 * cost_of(session->config(), "").flops(row / 2).plain();
  MeasureOptions measure;
  measure.bytes = int64_t{16} << 20;
  measure.seconds = 0.1;
  const bool terminal = isatty(STDERR_FILENO) != 0;
  const MachineMeasure machine =
      terminal ? measure_machine(runtime.pool(), runtime.target(), measure) : MachineMeasure{};
  TrainView view(terminal, flops, std::max(machine.peak_f32, machine.peak_bf16));

  TrainerOptions options;
  options.pool = &runtime.pool();
  options.kernels = &kernels_for(runtime.target());
  options.faults = parse_faults(a.inject);
  options.practice = [speech = speech_of(*session)](const RecipeStage& stage) -> std::unique_ptr<Practice> {
    const PracticeSetting setting{*speech->tokenizer, speech->setup, stage.row};
    if (stage.kind == StageKind::grpo) return std::make_unique<TaskPractice>(setting, stage.grpo);
    return std::make_unique<DistillPractice>(setting, stage.distill);
  };
  options.on_step = [&](const StepRecord& record) { view.step(record); };
  options.on_message = [&](const std::string& text) { view.message(text); };
  options.stop = interrupted;
  const auto trainer = session->trainer(std::move(options));
  const bool done = trainer->run();
  view.finish();
  write_report(session->folder().path());
  const std::string folder = printable(session->folder().path().string(), 400);
  if (!done) {
    say("fathom: stopped at step {}; fathom train --resume {} goes on\n", trainer->state().step, folder);
    throw ExitStatus{130};
  }
  if (a.no_release) return;
  fmt::print("{}\n", printable(session->release(runtime.pool()).string(), 400));
}

}  // namespace

void register_train(CLI::App& app) {
  auto a = std::make_shared<TrainArguments>();
  CLI::App* command = app.add_subcommand("train", "Train a model by a recipe");
  command->add_option("recipe", a->recipe,
                      "A recipe (recipes/micro.json; post-training: recipes/grpo.json, distill.json)");
  command->add_option("--data", a->data,
                      "Train on these instead of the recipe's data: texts, .jsonl, folders of fathom data");
  command->add_option("--out", a->out, "Folder of the run (default: runs/ and the recipe's name)");
  command->add_option("--resume", a->resume, "Folder of a run to go on with");
  command->add_option("--from", a->from, "Start from this model instead of a new one");
  command->add_option("--optimizer", a->optimizer, "muon, or adamw for everything")
      ->check(CLI::IsMember({"muon", "adamw"}));
  command->add_option("--set", a->set, "Override a field of the recipe: stages.0.steps=100")
      ->type_name("PATH=VALUE");
  a->machine.add_threads_to(*command);
  a->machine.add_target_to(*command);
  command->add_option("--memory", a->memory,
                      "Refuse a run that takes more than this (default: what is available)");
  command->add_option("--inject", a->inject, "Faults, to see them handled: nan@40,spike@50x3,kill@70");
  command->add_flag("--dry-run", a->dry_run, "Check everything, prepare the data, train nothing");
  command->add_flag("--no-release", a->no_release, "Do not write the run's model/ at the end");
  command->callback([a] {
    if (a->recipe.empty() == a->resume.empty())
      throw CLI::ValidationError("train", "expected a recipe or --resume");
    run(*a);
  });
}

}  // namespace fathom::cli
