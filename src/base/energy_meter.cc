#include "base/energy_meter.h"

#include <fstream>
#include <string>

namespace fathom {
namespace {

std::optional<int64_t> number_in(const std::filesystem::path& file) {
  std::ifstream in(file);
  int64_t value = -1;
  if (!(in >> value) || value < 0) return std::nullopt;
  return value;
}

// "intel-rapl:0" is a package; "intel-rapl:0:1" a part of it, which would be counted twice.
bool is_package(const std::string& name) {
  return name.starts_with("intel-rapl:") && name.find(':') == name.rfind(':');
}

}  // namespace

EnergyMeter::EnergyMeter(const std::filesystem::path& folder) {
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(folder, error)) {
    if (!is_package(entry.path().filename().string())) continue;
    const auto last = number_in(entry.path() / "energy_uj");
    const auto range = number_in(entry.path() / "max_energy_range_uj");
    if (last && range) packages_.push_back({entry.path() / "energy_uj", *range, *last});
  }
}

std::optional<double> EnergyMeter::joules() {
  if (packages_.empty()) return std::nullopt;
  for (Package& package : packages_) {
    const auto now = number_in(package.counter);
    if (!now) return std::nullopt;
    int64_t spent = *now - package.last;
    if (spent < 0) spent += package.range;
    package.last = *now;
    joules_ += static_cast<double>(spent) * 1e-6;
  }
  return joules_;
}

}  // namespace fathom
