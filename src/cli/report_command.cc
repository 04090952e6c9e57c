/// fathom report: the page of a training run (train/report.h).

#include <CLI/CLI.hpp>

#include "base/error.h"
#include "base/file.h"
#include "cli/command.h"
#include "train/report.h"

namespace fathom::cli {
namespace {

struct ReportArguments {
  std::string folder, out;
};

void run(const ReportArguments& arguments) {
  const std::filesystem::path folder = arguments.folder;
  const std::filesystem::path out =
      arguments.out.empty() ? folder / "report.html" : std::filesystem::path(arguments.out);
  write_atomically(out, run_report(folder));
  fmt::print("{}\n", printable(out.string(), 4096));
}

}  // namespace

void register_report(CLI::App& app) {
  auto arguments = std::make_shared<ReportArguments>();
  CLI::App* command = app.add_subcommand("report", "A training run as one page: curves, events, evaluations");
  command->add_option("folder", arguments->folder, "Folder of the run (runs/micro)")->required();
  command->add_option("--out", arguments->out, "File to write (default: report.html in the folder)");
  command->callback([arguments] { run(*arguments); });
}

}  // namespace fathom::cli
