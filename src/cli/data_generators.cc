#include "cli/data_generators.h"

#include <CLI/CLI.hpp>

#include "base/error.h"
#include "cli/interrupt.h"
#include "train/stories/story.h"
#include "train/tasks/family.h"
#include "train/tasks/task.h"

namespace fathom::cli {
namespace {

struct GeneratorArguments {
  uint64_t seed = 0, first = 0;
  int64_t count = 0;
  int turns = 1;
  std::string tasks, think;
  TaskMix mix;
  bool list = false;
};

void list_families() {
  for (const TaskFamily& family : task_families()) {
    fmt::print("{:<8} {}{}{}\n", family.name, family.what, family.max_size > 0 ? "; size: " : "",
               family.size);
  }
}

// "40:45:15" or one mode's name.
void read_modes(const std::string& text, TaskMix& mix) {
  if (text.find(':') == std::string::npos) {
    const Think think = parse_think_mode(text);
    mix.off = think == Think::off;
    mix.high = think == Think::high;
    mix.max = think == Think::max;
    return;
  }
  double shares[3] = {0, 0, 0};
  int end = 0;
  const int found = std::sscanf(text.c_str(), "%lf:%lf:%lf%n", &shares[0], &shares[1], &shares[2], &end);
  if (found != 3 || static_cast<size_t>(end) != text.size()) {
    bad_input("--think: expected off, high, max, or three shares as in 40:45:15, found '{}'",
              printable(text, 60));
  }
  mix.off = shares[0];
  mix.high = shares[1];
  mix.max = shares[2];
}

void run_tasks(GeneratorArguments arguments) {
  if (arguments.list) return list_families();
  if (!arguments.tasks.empty()) arguments.mix.families = parse_task_list(arguments.tasks);
  if (!arguments.think.empty()) read_modes(arguments.think, arguments.mix);
  arguments.mix.check();
  for (int64_t i = 0; i < arguments.count; ++i) {
    check_interrupt();
    const auto index = arguments.first + static_cast<uint64_t>(i);
    fmt::print("{}\n", conversation_line(arguments.mix, arguments.seed, index, arguments.turns));
  }
}

void run_stories(const GeneratorArguments& arguments) {
  for (int64_t i = 0; i < arguments.count; ++i) {
    check_interrupt();
    fmt::print("{}\n", story_line(arguments.seed, arguments.first + static_cast<uint64_t>(i)));
  }
}

void add_stream_options(CLI::App& command, GeneratorArguments& arguments) {
  command.add_option("--count", arguments.count, "Lines")->check(CLI::Range(int64_t{0}, int64_t{1} << 40));
  command.add_option("--seed", arguments.seed, "The same seed gives the same lines (0)");
  command.add_option("--first", arguments.first, "Number of the first line in the stream (0)");
}

}  // namespace

void add_data_generators(CLI::App& data) {
  data.require_subcommand(0, 1);
  auto arguments = std::make_shared<GeneratorArguments>();
  CLI::App* tasks = data.add_subcommand("tasks", "Problems with one right answer, as lines {\"messages\"}");
  add_stream_options(*tasks, *arguments);
  tasks->add_option("--tasks", arguments->tasks,
                    "Families: NAME, NAME:SIZE, NAME*WEIGHT, with commas between (default: all)");
  tasks->add_option("--think", arguments->think, "off, high or max, or their shares (40:45:15)");
  tasks->add_option("--min-level", arguments->mix.min_level, "Of difficulty, 1 to 5 (1)");
  tasks->add_option("--max-level", arguments->mix.max_level, "(5)");
  tasks->add_option("--slips", arguments->mix.slips, "Share of Think Max traces that find a mistake (0.1)");
  tasks->add_option("--turns", arguments->turns, "Conversations of 1 to so many problems (1)")
      ->check(CLI::Range(1, 64));
  tasks->add_flag("--held-out", arguments->mix.held_out, "Problems that training never sees");
  tasks->add_flag("--list", arguments->list, "Print the families");
  tasks->callback([arguments] { run_tasks(*arguments); });

  CLI::App* stories = data.add_subcommand("stories", "Simple stories from a grammar, as lines {\"text\"}");
  add_stream_options(*stories, *arguments);
  stories->callback([arguments] { run_stories(*arguments); });
}

}  // namespace fathom::cli
