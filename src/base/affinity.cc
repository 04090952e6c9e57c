#include "base/affinity.h"

#ifdef __linux__
#include <sched.h>
#include <unistd.h>
#endif

namespace fathom {

#ifdef __linux__

namespace {

bool set_mask(const std::vector<int>& cpus) {
  cpu_set_t set;
  CPU_ZERO(&set);
  for (const int cpu : cpus) CPU_SET(static_cast<size_t>(cpu), &set);
  return sched_setaffinity(0, sizeof(set), &set) == 0;
}

}  // namespace

const std::vector<int>& process_cpus() {
  static const std::vector<int> cpus = [] {
    std::vector<int> found;
    cpu_set_t set;
    if (sched_getaffinity(getpid(), sizeof(set), &set) == 0) {  // fails beyond CPU_SETSIZE CPUs: no pinning
      for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
        if (CPU_ISSET(static_cast<size_t>(cpu), &set)) found.push_back(cpu);
      }
    }
    return found;
  }();
  return cpus;
}

int current_cpu() { return sched_getcpu(); }

bool pin_this_thread(int cpu) { return cpu >= 0 && cpu < CPU_SETSIZE && set_mask({cpu}); }

void unpin_this_thread() {
  if (!process_cpus().empty()) set_mask(process_cpus());
}

#else

const std::vector<int>& process_cpus() {
  static const std::vector<int> none;
  return none;
}
int current_cpu() { return -1; }
bool pin_this_thread(int) { return false; }
void unpin_this_thread() {}

#endif

}  // namespace fathom
