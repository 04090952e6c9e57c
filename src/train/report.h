#pragma once
/// A run told in one page: its folder's log as curves and tables, in HTML that needs nothing else.

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "base/chart.h"

namespace fathom {

/// A value over the steps of a run. Where a rollback took steps back, what they gave is kept apart.
struct RunCurve {
  std::vector<std::pair<double, double>> points, taken_back;
};

struct RunEvent {
  int64_t step = 0;
  std::string name, detail;
};

/// What a run's log.jsonl holds.
struct RunLog {
  std::map<std::string, RunCurve> curves;  ///< "loss", "lm", "norm", "rate", ...; "tokens_per_second"
  /// By layer: greatest load of an expert over the mean, entropy of the load, dead experts; mass that the
  /// indexer's choice holds, its KL.
  std::map<int64_t, RunCurve> load, entropy, dead, captured, indexer_kl;
  std::map<std::string, RunCurve> validation_bits, validation_loss;  ///< by source
  std::vector<RunEvent> events;
  std::vector<std::string> stages;  ///< in the order they came
  std::vector<std::pair<int64_t, std::string>> stage_starts;
  int64_t steps = 0, tokens = 0;       ///< the last ones
  double seconds = 0;                  ///< of all steps
  int64_t skipped = 0, rollbacks = 0;  ///< by the spike guard

  /// Reads the lines; a last line that was cut (the run was killed) is left out. Unknown fields are ignored.
  /// Throws Error(bad_input) "line N: ..." for other lines that are no JSON object.
  static RunLog parse(const std::string& text);
};

/// The page of a run folder: log.jsonl, recipe.json, run.json as far as they are there, and every eval*.json
/// (of fathom eval --json). Throws Error naming the file: not_found without a log, bad_input.
std::string run_report(const std::filesystem::path& folder);

/// The page's parts, for the docs: one SVG for each picture, by name ("loss", "rate", ...).
std::map<std::string, std::string> run_charts(const RunLog& log);

}  // namespace fathom
