#pragma once
/// What a benchmark found: figures, each beside the limit measured in the same run, and what they were
/// measured on.

#include <cstdint>
#include <string>
#include <vector>

#include "engine/machine_measure.h"

namespace fathom::bench {

/// One measured quantity.
struct Figure {
  std::string name;   ///< "bf16, 1 row"
  std::string unit;   ///< "GB/s", "tokens/s", "ms", ...
  double best = 0;    ///< the best of the rounds: the least time or the highest rate
  double median = 0;  ///< their median
  double limit = 0;   ///< in the same unit; 0 = none
  std::string limit_name = {};
  double goal = 0;  ///< share of the limit aimed at; 0 = none
  /// Figures of the same group are points of one curve over x (context length); "" = no curve.
  std::string curve = {};
  double x = 0;

  /// How much of the limit is reached, 1 = all of it; for times limit / time, for rates rate / limit. 0
  /// without a limit.
  double share() const;
  /// Whether a smaller value is the better one (units of time and of memory).
  bool smaller_is_better() const;
};

/// Where and how it was measured.
struct Environment {
  std::string commit;  ///< of the source tree, "-dirty" if it had changes; "unknown" outside a checkout
  std::string cpu, flags, date;
  int64_t cpus = 0, threads = 0;
  std::string target, numerics;
  double idle_share = 0;  ///< CPU time of the machine during the run that no other process took, 0 to 1
};

struct Report {
  std::string bench, model;
  Environment environment = {};
  MachineMeasure machine = {};
  std::vector<Figure> figures = {};
  std::vector<std::string> notes = {};
};

/// Aligned text, a line a figure.
std::string to_table(const std::vector<Report>& reports);
/// {"environment": ..., "benches": [...]}, ends in a newline.
std::string to_json(const std::vector<Report>& reports);
/// Bars of the shares of the limits; curves over x where figures form curves.
std::string to_svg(const std::vector<Report>& reports);

}  // namespace fathom::bench
