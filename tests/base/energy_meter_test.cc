#include "base/energy_meter.h"

#include <doctest/doctest.h>

#include <fstream>
#include <string>

#include "tests/support/temp_folder.h"

using namespace fathom;

namespace {

void write(const std::filesystem::path& file, const std::string& text) {
  std::ofstream(file) << text << '\n';
}

std::filesystem::path package(const std::filesystem::path& folder, const char* name, const char* energy) {
  const std::filesystem::path path = folder / name;
  std::filesystem::create_directory(path);
  write(path / "energy_uj", energy);
  write(path / "max_energy_range_uj", "10000000");
  return path / "energy_uj";
}

}  // namespace

TEST_CASE("joules of all packages, parts of a package left out") {
  const test::TempFolder folder;
  const auto first = package(folder.path(), "intel-rapl:0", "1000000");
  const auto second = package(folder.path(), "intel-rapl:1", "9000000");
  const auto part = package(folder.path(), "intel-rapl:0:0", "0");
  EnergyMeter meter(folder.path());
  CHECK(meter.joules() == 0.0);
  write(first, "1500000");
  write(part, "7000000");
  CHECK(meter.joules().value_or(-1) == doctest::Approx(0.5));
  write(second, "1000000");  // it has started again
  CHECK(meter.joules().value_or(-1) == doctest::Approx(2.5));
  CHECK(meter.joules().value_or(-1) == doctest::Approx(2.5));
}

TEST_CASE("no packages, or none that can be read: nothing is told") {
  const test::TempFolder folder;
  CHECK_FALSE(EnergyMeter(folder.path() / "absent").joules());
  const auto file = package(folder.path(), "intel-rapl:0", "5");
  EnergyMeter meter(folder.path());
  CHECK(meter.joules());
  write(file, "nonsense");
  CHECK_FALSE(meter.joules());
}
