#pragma once
/// What a benchmark ran on, and how much of the machine it had to itself.

#include "engine/bench/report.h"
#include "model/runtime.h"

namespace fathom::bench {

/// Measures from its construction on what share of the machine's CPU time other processes took.
class Watch {
 public:
  Watch();
  /// 1 - (CPU time of others) / (CPU time of all CPUs) so far; 1 where the system does not tell.
  double idle_share() const;

 private:
  struct Times {
    double all = 0, idle = 0, own = 0;
  };
  static Times now();
  Times start_;
};

/// All but idle_share, which Watch knows.
Environment environment_of(const Runtime<float>& runtime);

/// Resident bytes of this process (VmRSS); 0 where the system does not tell.
int64_t resident_bytes();

/// "2026-01-31-epyc": date of the environment and a short name of the CPU; a file's stem.
std::string result_stem(const Environment& environment);

}  // namespace fathom::bench
