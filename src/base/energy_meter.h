#pragma once
/// Joules that the processors have taken, where the kernel tells them (Linux powercap, RAPL).

#include <cstdint>
#include <filesystem>
#include <optional>
#include <vector>

namespace fathom {

class EnergyMeter {
 public:
  /// Looks for packages ("intel-rapl:0", ...) whose counters may be read.
  explicit EnergyMeter(const std::filesystem::path& folder = "/sys/class/powercap");

  /// Of all packages since the meter was made; nothing if there is none, or one could not be read.
  /// Counters that start again are allowed for, if this is called at least once in a round (about a minute).
  std::optional<double> joules();

 private:
  struct Package {
    std::filesystem::path counter;
    int64_t range = 0, last = 0;  ///< microjoules
  };
  std::vector<Package> packages_;
  double joules_ = 0;
};

}  // namespace fathom
