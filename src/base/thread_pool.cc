// How a loop runs. The caller writes the job, then opens it by one store to `gate`; a worker that sees the
// new round enters by counting itself in, which fails once the gate is shut, so a worker that wakes late
// never touches a finished job and the caller never waits for a worker that has not begun. Workers look at
// the gate for some microseconds after a job (loops of one decode step follow each other closely), then
// sleep.

#include "base/thread_pool.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <exception>
#include <mutex>
#include <numeric>
#include <thread>
#include <utility>
#include <vector>

#include "base/affinity.h"
#include "base/error.h"

namespace fathom {

namespace {

constexpr auto kSpin = std::chrono::microseconds(50);
constexpr int64_t kPartsPerThread = 8;  // of a loop without test mode: enough to even out slow threads
constexpr int64_t kMaxTestParts = 1024;

// The gate: round number, open flag, workers inside.
constexpr uint64_t kOpen = 1u << 31;
constexpr uint64_t kInside = kOpen - 1;
constexpr int kRoundShift = 32;

thread_local bool inside_a_loop = false;

void relax() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

uint64_t next_random(uint64_t& state) {  // splitmix64
  uint64_t z = state += 0x9E3779B97F4A7C15u;
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
  return z ^ (z >> 31);
}

// True as soon as ready() is; false if it is not after the time to spin.
template <class F>
bool spin(bool allowed, const F& ready) {
  if (ready()) return true;
  if (!allowed) return false;
  const auto end = std::chrono::steady_clock::now() + kSpin;
  do {
    for (int i = 0; i < 32; ++i) {
      relax();
      if (ready()) return true;
    }
  } while (std::chrono::steady_clock::now() < end);
  return false;
}

}  // namespace

struct ThreadPool::State {
  explicit State(const ThreadPoolOptions& wanted) : options(wanted) {
    const std::vector<int>& cpus = process_cpus();
    const int offered = cpus.empty() ? static_cast<int>(std::max(1u, std::thread::hardware_concurrency()))
                                     : static_cast<int>(cpus.size());
    if (options.threads < 0) bad_input("threads: expected 0 or more, found {}", options.threads);
    if (options.threads == 0) options.threads = offered;
    may_spin = options.threads <= offered;
    const bool pin =
        options.pin && options.threads > 1 && static_cast<size_t>(options.threads) <= cpus.size();
    size_t own = 0;
    if (pin) {
      const auto found = std::find(cpus.begin(), cpus.end(), current_cpu());
      if (found != cpus.end()) own = static_cast<size_t>(found - cpus.begin());
      if (pin_this_thread(cpus[own])) pinned = std::this_thread::get_id();
    }
    try {
      for (int i = 1; i < options.threads; ++i) {
        const int cpu = pin ? cpus[(own + static_cast<size_t>(i)) % cpus.size()] : -1;
        workers.emplace_back([this, i, cpu] { work(i, cpu); });
      }
    } catch (...) {  // the system is out of threads
      stop();
      throw;
    }
  }
  ~State() { stop(); }

  void stop() {
    {
      const std::lock_guard lock(mutex);
      stopping.store(true);
    }
    wake.notify_all();
    for (auto& worker : workers) worker.join();
    if (pinned == std::this_thread::get_id()) unpin_this_thread();
  }

  void work(int index, int cpu) {
    if (cpu >= 0) {
      pin_this_thread(cpu);
    } else {
      unpin_this_thread();  // do not inherit a single CPU from a thread that drives another pool
    }
    inside_a_loop = true;  // a loop started from a body runs serially
    uint64_t seen = 0;
    for (;;) {
      const auto news = [&] { return (gate.load() >> kRoundShift) != seen || stopping.load(); };
      if (!spin(may_spin, news)) {
        std::unique_lock lock(mutex);
        sleeping.fetch_add(1);
        wake.wait(lock, news);
        sleeping.fetch_sub(1);
      }
      if (stopping.load()) return;
      uint64_t now = gate.load();
      while ((now & kOpen) != 0 && !gate.compare_exchange_weak(now, now + 1)) {
      }
      seen = now >> kRoundShift;
      if ((now & kOpen) == 0) continue;
      take_part(index);
      joined.fetch_add(1);
      if ((gate.fetch_sub(1) & kInside) == 1) {  // the last one out; the caller may sleep
        const std::lock_guard lock(mutex);
        done.notify_one();
      }
    }
  }

  // Runs parts of the open job until none is left.
  void take_part(int index) {
    try {
      if (options.test_mode) {
        for (size_t i = static_cast<size_t>(index); i < order.size();
             i += static_cast<size_t>(options.threads)) {
          run_part(order[i]);
        }
      } else {
        for (;;) {
          const int64_t part = next.fetch_add(1);
          if (part >= parts) break;
          run_part(part);
        }
      }
    } catch (...) {
      const std::lock_guard lock(mutex);
      if (!error) error = std::current_exception();
      failed.store(true);
    }
  }

  void run_part(int64_t part) {
    if (failed.load()) return;
    body.call(body.object, part * size, std::min(count, (part + 1) * size));
  }

  void run(int64_t wanted_count, int64_t grain, Body wanted_body) {
    const std::lock_guard turn(callers);
    count = wanted_count;
    body = wanted_body;
    if (options.test_mode) {
      size = (count + kMaxTestParts - 1) / kMaxTestParts;
    } else {
      const int64_t share = (count - 1) / (kPartsPerThread * options.threads) + 1;
      size = (share - 1) / grain * grain + grain;  // whole grains; cannot pass count by more than a grain
    }
    parts = (count - 1) / size + 1;
    next.store(0);
    joined.store(0);
    failed.store(false);
    error = nullptr;
    if (options.test_mode) shuffle();

    const uint64_t round = (gate.load() >> kRoundShift) + 1;
    gate.store((round << kRoundShift) | kOpen);
    // A worker counts itself as sleeping before it looks at the gate a last time, so one of the two sees the
    // other; taking the lock waits for one that has looked and does not sleep yet.
    if (sleeping.load() > 0) {
      {
        const std::lock_guard lock(mutex);
      }
      wake.notify_all();
    }
    inside_a_loop = true;
    take_part(0);
    inside_a_loop = false;

    if (options.test_mode) wait_for([&] { return joined.load() == options.threads - 1; });
    gate.fetch_and(~kOpen);
    wait_for([&] { return (gate.load() & kInside) == 0; });
    if (error) std::rethrow_exception(std::exchange(error, nullptr));
  }

  template <class F>
  void wait_for(const F& ready) {
    if (spin(may_spin, ready)) return;
    std::unique_lock lock(mutex);
    done.wait(lock, ready);
  }

  void shuffle() {
    order.resize(static_cast<size_t>(parts));
    std::iota(order.begin(), order.end(), int64_t(0));
    for (size_t i = order.size(); i > 1; --i) std::swap(order[i - 1], order[next_random(options.seed) % i]);
  }

  ThreadPoolOptions options;
  bool may_spin = true;
  std::thread::id pinned;
  std::vector<std::thread> workers;

  std::mutex callers;  // one loop at a time
  Body body{};
  int64_t count = 0, size = 1, parts = 0;
  std::vector<int64_t> order;  // of parts, in test mode

  alignas(64) std::atomic<uint64_t> gate{0};
  alignas(64) std::atomic<int64_t> next{0};
  alignas(64) std::atomic<int> joined{0};
  std::atomic<bool> failed{false};
  std::exception_ptr error;  // guarded by mutex

  std::mutex mutex;
  std::condition_variable wake, done;
  std::atomic<int> sleeping{0};
  std::atomic<bool> stopping{false};
};

ThreadPool::ThreadPool(const ThreadPoolOptions& options) : state_(std::make_unique<State>(options)) {}
ThreadPool::~ThreadPool() = default;

int ThreadPool::threads() const { return state_->options.threads; }

void ThreadPool::run(int64_t count, int64_t grain, Body body) {
  FATHOM_CHECK(grain > 0);
  if (count <= 0) return;
  if (inside_a_loop || state_->options.threads == 1 || (count <= grain && !state_->options.test_mode)) {
    body.call(body.object, 0, count);
    return;
  }
  state_->run(count, grain, body);
}

}  // namespace fathom
