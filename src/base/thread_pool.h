#pragma once
/// A pool of threads for loops whose iterations are independent. Results must not depend on how a loop is
/// cut: kernels split rows and outputs, never a sum (design: hard point 4).

#include <cstdint>
#include <memory>
#include <type_traits>

namespace fathom {

struct ThreadPoolOptions {
  int threads = 0;  ///< the caller included; 0 = one per CPU of the process's affinity mask
  bool pin = true;  ///< each thread on a CPU of its own, the constructing thread too while the pool lives;
                    ///< without effect for one thread or more threads than CPUs
  /// Cuts every loop into single iterations (1024 parts at most), dealt out to all threads in an order
  /// shuffled by `seed`: so that tests of small shapes use every thread.
  bool test_mode = false;
  uint64_t seed = 1;
};

class ThreadPool {
 public:
  explicit ThreadPool(const ThreadPoolOptions& options = {});
  ThreadPool(int threads) : ThreadPool(ThreadPoolOptions{threads}) {}  // NOLINT(google-explicit-constructor)
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  /// Number of threads that share a loop, the caller included.
  int threads() const;

  /// Calls fn(begin, end) on disjoint ranges that cover [0, count), each a multiple of `grain` long but the
  /// last; the caller takes part and returns when all are done. The ranges are handed out as threads get
  /// free. The first exception of fn is thrown to the caller, ranges not yet begun are then dropped. Called
  /// from inside a loop it runs serially in that thread; calls from several threads take turns.
  template <class F>
  void parallel_for(int64_t count, int64_t grain, F&& fn) {
    using Fn = std::remove_reference_t<F>;
    run(count, grain,
        {const_cast<void*>(static_cast<const void*>(&fn)),
         [](void* f, int64_t begin, int64_t end) { (*static_cast<Fn*>(f))(begin, end); }});
  }

 private:
  struct Body {
    void* object;
    void (*call)(void* object, int64_t begin, int64_t end);
  };
  struct State;

  void run(int64_t count, int64_t grain, Body body);

  std::unique_ptr<State> state_;
};

}  // namespace fathom
