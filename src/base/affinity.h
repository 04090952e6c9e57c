#pragma once
/// Which CPUs the process may use, and pinning of threads to them.

#include <vector>

namespace fathom {

/// CPUs of the process's affinity mask when first asked (before any pinning of ours), ascending; empty where
/// the system does not say.
const std::vector<int>& process_cpus();
/// The CPU that runs the calling thread now, or -1.
int current_cpu();
/// Restricts the calling thread to one CPU; false if the system refuses (the thread runs on, unpinned).
bool pin_this_thread(int cpu);
/// Gives the calling thread all of process_cpus() again. A thread inherits the mask of the one that starts
/// it: call this first in a helper thread started from a thread that drives a ThreadPool.
void unpin_this_thread();

}  // namespace fathom
