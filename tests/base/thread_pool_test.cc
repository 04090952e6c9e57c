#include "base/thread_pool.h"

#include <doctest/doctest.h>

#include <atomic>
#include <numeric>
#include <set>
#include <stdexcept>
#include <thread>
#include <vector>

#include "base/affinity.h"
#include "base/error.h"

namespace fathom {

TEST_CASE("parallel_for covers every index once, in whole grains") {
  for (const int threads : {1, 2, 3, 16}) {  // 16: more threads than most test machines have CPUs
    for (const bool test_mode : {false, true}) {
      ThreadPool pool(ThreadPoolOptions{threads, true, test_mode, 7});
      CHECK(pool.threads() == threads);
      for (const int64_t count : {0, 1, 2, 17, 64, 1000, 5000}) {
        for (const int64_t grain : {1, 8, 10000}) {
          CAPTURE(threads);
          CAPTURE(count);
          CAPTURE(grain);
          std::vector<std::atomic<int>> times(static_cast<size_t>(count));
          std::atomic<bool> whole{true};
          pool.parallel_for(count, grain, [&](int64_t begin, int64_t end) {
            if (begin >= end || end > count) whole = false;
            if (!test_mode && (begin % grain != 0 || (end % grain != 0 && end != count))) whole = false;
            for (int64_t i = begin; i < end; ++i) ++times[static_cast<size_t>(i)];
          });
          CHECK(whole.load());
          bool once = true;
          for (const auto& n : times) once = once && n.load() == 1;
          CHECK(once);
        }
      }
    }
  }
}

TEST_CASE("zero or a negative number of iterations never calls the body") {
  ThreadPool pool(2);
  int calls = 0;
  pool.parallel_for(0, 1, [&](int64_t, int64_t) { ++calls; });
  pool.parallel_for(-5, 1, [&](int64_t, int64_t) { ++calls; });
  CHECK(calls == 0);
}

TEST_CASE("test mode uses every thread for the smallest loops, in a seeded order") {
  const auto orders = [](uint64_t seed) {
    ThreadPool pool(ThreadPoolOptions{3, true, true, seed});
    std::vector<std::thread::id> who(12);
    pool.parallel_for(12, 12, [&](int64_t begin, int64_t end) {
      CHECK(end == begin + 1);
      who[static_cast<size_t>(begin)] = std::this_thread::get_id();
    });
    CHECK(std::set<std::thread::id>(who.begin(), who.end()).size() == 3);
    std::vector<bool> mine;
    for (const auto id : who) mine.push_back(id == std::this_thread::get_id());
    return mine;
  };
  CHECK(orders(1) == orders(1));
  CHECK(orders(1) != orders(2));
}

TEST_CASE("the first exception reaches the caller and the pool stays usable") {
  for (const int threads : {1, 2, 5}) {
    for (const bool test_mode : {false, true}) {
      ThreadPool pool(ThreadPoolOptions{threads, true, test_mode, 3});
      for (int repeat = 0; repeat < 20; ++repeat) {
        CHECK_THROWS_WITH_AS(pool.parallel_for(100, 1,
                                               [](int64_t begin, int64_t end) {
                                                 if (begin <= 37 && 37 < end)
                                                   throw std::runtime_error("at 37");
                                               }),
                             "at 37", std::runtime_error);
      }
      CHECK_THROWS_AS(pool.parallel_for(100, 1, [](int64_t, int64_t) { throw 1; }), int);  // all of them
      std::atomic<int64_t> sum{0};
      pool.parallel_for(100, 1, [&](int64_t begin, int64_t end) { sum += end - begin; });
      CHECK(sum.load() == 100);
    }
  }
}

TEST_CASE("a loop inside a loop runs serially in its thread") {
  for (const bool test_mode : {false, true}) {
    ThreadPool pool(ThreadPoolOptions{3, true, test_mode, 1});
    std::atomic<int64_t> sum{0};
    std::atomic<bool> same_thread{true};
    pool.parallel_for(10, 1, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) {
        const auto outer = std::this_thread::get_id();
        pool.parallel_for(10, 1, [&](int64_t b, int64_t e) {
          if (std::this_thread::get_id() != outer) same_thread = false;
          sum += e - b;
        });
      }
    });
    CHECK(sum.load() == 100);
    CHECK(same_thread.load());
  }
}

TEST_CASE("callers from several threads take turns") {
  ThreadPool pool(2);
  std::atomic<int64_t> sum{0};
  std::vector<std::thread> callers;
  for (int c = 0; c < 4; ++c) {
    callers.emplace_back([&] {
      for (int i = 0; i < 200; ++i)
        pool.parallel_for(16, 1, [&](int64_t begin, int64_t end) { sum += end - begin; });
    });
  }
  for (auto& caller : callers) caller.join();
  CHECK(sum.load() == 4 * 200 * 16);
}

TEST_CASE("many short loops, with pauses in which the workers fall asleep") {
  ThreadPool pool(4);
  int64_t plain = 0;
  std::vector<int64_t> part(64);
  for (int i = 0; i < 2000; ++i) {
    if (i % 500 == 0) std::this_thread::sleep_for(std::chrono::milliseconds(2));
    pool.parallel_for(64, 1, [&](int64_t begin, int64_t end) {
      for (int64_t k = begin; k < end; ++k)
        part[static_cast<size_t>(k)] += k;  // no atomics: each index apart
    });
    plain += 63 * 64 / 2;
  }
  CHECK(std::accumulate(part.begin(), part.end(), int64_t(0)) == plain);
}

TEST_CASE("threads are pinned to distinct CPUs while the pool lives") {
  const int cpus = static_cast<int>(process_cpus().size());
  if (cpus >= 2) {
    {
      ThreadPool pool(ThreadPoolOptions{2, true, true, 1});
      std::vector<int> cpu(2, -1);
      std::vector<std::thread::id> who(2);
      pool.parallel_for(2, 1, [&](int64_t begin, int64_t) {
        cpu[static_cast<size_t>(begin)] = current_cpu();
        who[static_cast<size_t>(begin)] = std::this_thread::get_id();
      });
      CHECK(who[0] != who[1]);
      CHECK(cpu[0] != cpu[1]);
    }
    ThreadPool all(ThreadPoolOptions{0, true, false, 1});  // the mask is the process's again
    CHECK(all.threads() == cpus);
  }
}

TEST_CASE("a negative number of threads is refused") { CHECK_THROWS_AS(ThreadPool(-1), Error); }

}  // namespace fathom
