// fathom verify: holds folders to golden vectors, or a model to its invariants (engine/verify/verify.h).
#include <fmt/core.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cmath>
#include <memory>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "cli/command.h"
#include "cli/common_options.h"
#include "cli/say.h"
#include "engine/verify/verify.h"
#include "train/training_verify.h"

namespace fathom::cli {
namespace {

namespace fs = std::filesystem;

struct VerifyArguments {
  std::vector<std::string> folders;
  std::string model;
  MachineOptions machine;
  bool full = false, double_model = false, json = false;
};

// What one argument led to: its folders, and the files that lie beside them.
struct Checked {
  std::vector<VerifyReport> reports;
  std::vector<std::string> not_checked;
};

VerifyOptions options_of(const VerifyArguments& arguments) {
  VerifyOptions options;
  options.target = arguments.machine.target_or_best();
  options.threads = arguments.machine.threads;
  options.pin = !arguments.machine.no_pin;
  options.full = arguments.full;
  options.double_model = arguments.double_model;
  options.model = arguments.model;
  if (isatty(STDERR_FILENO)) {
    options.progress = [](const std::string& what, int64_t done, int64_t of) {
      say("\r\033[K");
      if (done < of) say("{}: {} of {}", what, done, of);
      std::fflush(stderr);
    };
  }
  return options;
}

std::string joined(const std::vector<std::string>& names) {
  std::string out;
  for (const std::string& name : names) out += (out.empty() ? "" : ", ") + name;
  return out;
}

void print_report(const VerifyReport& report) {
  fmt::print("{} ({})\n", printable(report.folder.string(), 400), report.layout);
  for (const VerifyItem& item : report.items) {
    fmt::print("  {:4} {:<62} {:>9.3g} <= {:<8.3g} {}\n", item.passed() ? "ok" : "FAIL", item.quantity,
               item.error, item.bound, item.detail);
  }
  if (!report.not_checked.empty()) fmt::print("  not checked: {}\n", joined(report.not_checked));
  std::fflush(stdout);
}

nlohmann::ordered_json report_json(const VerifyReport& report) {
  nlohmann::ordered_json items = nlohmann::ordered_json::array();
  for (const VerifyItem& item : report.items) {
    nlohmann::ordered_json error = item.error;  // NaN and infinity have no JSON number
    if (!std::isfinite(item.error)) error = fmt::format("{}", item.error);
    items.push_back({{"quantity", item.quantity},
                     {"error", std::move(error)},
                     {"bound", item.bound},
                     {"passed", item.passed()},
                     {"detail", item.detail}});
  }
  return {{"folder", printable(report.folder.string(), 4096)},
          {"layout", report.layout},
          {"passed", report.passed()},
          {"items", std::move(items)},
          {"not_checked", report.not_checked}};
}

// Adds what training was held to.
void add(TrainingChecks checks, VerifyReport& report) {
  for (TrainingCheck& c : checks.items) {
    report.items.push_back({std::move(c.quantity), c.error, c.bound, printable(c.detail)});
  }
  for (const std::string& file : checks.used) std::erase(report.not_checked, file);
}

Checked check(const std::string& argument, const VerifyOptions& options, const MachineOptions& machine,
              bool print) {
  Checked out;
  const fs::path path = argument;
  const std::vector<fs::path> folders = verify_folders(path);
  const Kernels<float>& kernels = kernels_for(options.target ? *options.target : detect_target());
  const TrainingChecks muon = verify_muon(path, kernels);
  if (folders.empty() && muon.used.empty()) {
    bad_input("{}: expected golden vectors or a model, in it or below it, found neither",
              printable(argument, 400));
  }
  for (const fs::path& folder : folders) {
    if (machine.verbose) {  // the pool says how many threads 0 stands for
      const ThreadPool pool(machine.pool());
      machine.say_machine(folder.string(), machine.target_or_best(), pool.threads());
    }
    out.reports.push_back(verify_folder(folder, options));
    if (out.reports.back().layout == "fp32") {
      ThreadPool pool(ThreadPoolOptions{options.threads, options.pin});
      add(verify_training_steps(folder, pool, kernels), out.reports.back());
    }
    if (print) print_report(out.reports.back());
  }
  if (fs::is_directory(path)) out.not_checked = files_outside(path, folders);
  if (!muon.used.empty()) {
    for (const std::string& file : muon.used) std::erase(out.not_checked, file);
    VerifyReport& report = out.reports.emplace_back();
    report.folder = path;
    report.layout = "muon";
    add(muon, report);
    if (print) print_report(report);
  }
  if (print && !out.not_checked.empty()) {
    fmt::print("{}\n  not checked: {}\n", printable(argument, 400), joined(out.not_checked));
  }
  return out;
}

void run_verify(const VerifyArguments& arguments) {
  const VerifyOptions options = options_of(arguments);
  nlohmann::ordered_json reports = nlohmann::ordered_json::array();
  nlohmann::ordered_json not_checked = nlohmann::ordered_json::array();
  int64_t folders = 0, quantities = 0, failed = 0, empty = 0;
  for (const std::string& argument : arguments.folders) {
    const Checked checked = check(argument, options, arguments.machine, !arguments.json);
    for (const VerifyReport& report : checked.reports) {
      ++folders;
      empty += report.items.empty();
      for (const VerifyItem& item : report.items) {
        ++quantities;
        failed += !item.passed();
      }
      if (arguments.json) reports.push_back(report_json(report));
    }
    for (const std::string& name : checked.not_checked)
      not_checked.push_back(fmt::format("{}/{}", argument, name));
  }
  if (arguments.json) {
    fmt::print("{}\n", nlohmann::ordered_json{{"passed", failed == 0 && empty == 0},
                                              {"folders", std::move(reports)},
                                              {"not_checked", std::move(not_checked)}}
                           .dump(1, ' ', false, nlohmann::ordered_json::error_handler_t::replace));
  } else if (failed == 0 && empty == 0) {
    fmt::print("{} folders, {} quantities, all within their bounds\n", folders, quantities);
  }
  if (failed > 0) {
    fail(ErrorCode::bad_input, "verify: expected every quantity within its bound, found {} of {} beyond",
         failed, quantities);
  }
  if (empty > 0) {
    fail(ErrorCode::bad_input, "verify: expected something to check in every folder, found {} of {} without",
         empty, folders);
  }
}

}  // namespace

void register_verify(CLI::App& app) {
  auto* command =
      app.add_subcommand("verify", "hold folders to golden vectors, or a model to its invariants");
  auto arguments = std::make_shared<VerifyArguments>();
  command
      ->add_option("folders", arguments->folders,
                   "folders of vectors (layouts of tests/golden), models, or folders of such folders")
      ->required();
  command->add_option("-m,--model", arguments->model, "model of a folder that holds vectors only");
  command->add_flag("--full", arguments->full, "also what takes minutes: every problem of a trained model");
  command->add_flag("--double", arguments->double_model, "run exact numerics in double precision");
  arguments->machine.add_threads_to(*command);
  arguments->machine.add_target_to(*command);
  command->add_flag("--json", arguments->json, "JSON instead of the table");
  command->callback([arguments] { run_verify(*arguments); });
}

}  // namespace fathom::cli
