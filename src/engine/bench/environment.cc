#include "engine/bench/environment.h"

#include <sys/resource.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <ctime>
#include <fstream>
#include <memory>
#include <sstream>
#include <thread>

#include "base/error.h"

namespace fathom::bench {
namespace {

// First line that a program writes; "" if it fails.
std::string output_of(const std::string& command) {
  const std::unique_ptr<FILE, int (*)(FILE*)> pipe(::popen((command + " 2>/dev/null").c_str(), "r"),
                                                   ::pclose);
  std::array<char, 256> line{};
  if (!pipe || !std::fgets(line.data(), static_cast<int>(line.size()), pipe.get())) return "";
  std::string text(line.data());
  while (!text.empty() && (text.back() == '\n' || text.back() == '\r')) text.pop_back();
  return printable(text, 100);
}

std::string commit() {
#ifdef FATHOM_SOURCE_FOLDER
  const std::string git = "git -C '" FATHOM_SOURCE_FOLDER "' ";
  const std::string head = output_of(git + "rev-parse --short=12 HEAD");
  if (!head.empty())
    return head + (output_of(git + "status --porcelain -- src CMakeLists.txt").empty() ? "" : "-dirty");
#endif
  return "unknown";
}

std::string cpu_name() {
  std::ifstream file("/proc/cpuinfo");
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with("model name")) {
      const size_t colon = line.find(": ");
      if (colon != std::string::npos) return printable(line.substr(colon + 2), 80);
    }
  }
  return "unknown";
}

std::string today() {
  const std::time_t now = std::time(nullptr);
  std::tm parts{};
  ::gmtime_r(&now, &parts);
  std::array<char, 16> text{};
  return {text.data(), std::strftime(text.data(), text.size(), "%Y-%m-%d", &parts)};
}

}  // namespace

Watch::Times Watch::now() {
  Times t;
  std::ifstream file("/proc/stat");
  std::string line, word;
  if (std::getline(file, line)) {
    std::istringstream fields(line);
    fields >> word;
    const auto tick = static_cast<double>(::sysconf(_SC_CLK_TCK));
    double value = 0;
    // user nice system idle iowait irq softirq steal: guest times are within user.
    for (int i = 0; i < 8 && fields >> value; ++i) {
      t.all += value / tick;
      if (i == 3 || i == 4) t.idle += value / tick;
    }
  }
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  for (const timeval& v : {usage.ru_utime, usage.ru_stime}) {
    t.own += static_cast<double>(v.tv_sec) + 1e-6 * static_cast<double>(v.tv_usec);
  }
  return t;
}

Watch::Watch() : start_(now()) {}

double Watch::idle_share() const {
  const Times end = now();
  const double all = end.all - start_.all;
  if (all <= 0) return 1;
  const double others = all - (end.idle - start_.idle) - (end.own - start_.own);
  return others < 0 ? 1 : 1 - others / all;
}

Environment environment_of(const Runtime<float>& runtime) {
  Environment e;
  e.commit = commit();
  e.cpu = cpu_name();
  e.flags = FATHOM_COMPILE_FLAGS;
  e.date = today();
  e.cpus = static_cast<int64_t>(std::thread::hardware_concurrency());
  e.threads = runtime.threads();
  e.target = std::string(name(runtime.target()));
  e.numerics = std::string(name(runtime.numerics().mode));
  return e;
}

int64_t resident_bytes() {
  std::ifstream file("/proc/self/status");
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with("VmRSS:")) return std::stoll(line.substr(6)) * 1024;
  }
  return 0;
}

std::string result_stem(const Environment& environment) {
  std::string cpu;
  for (const char c : environment.cpu) {
    if ((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9')) {
      cpu += c;
    } else if (c >= 'A' && c <= 'Z') {
      cpu += static_cast<char>(c - 'A' + 'a');
    } else if (!cpu.empty() && cpu.back() != '-') {
      cpu += '-';
    }
  }
  while (!cpu.empty() && cpu.back() == '-') cpu.pop_back();
  return environment.date + "-" + cpu + "-" + std::to_string(environment.cpus) + "cpu";
}

}  // namespace fathom::bench
