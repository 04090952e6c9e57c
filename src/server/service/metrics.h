#pragma once
/// Counters of the service in Prometheus' text form. Source: api.md section 2.6.

#include <array>
#include <cstdint>
#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "engine/serving/scheduler.h"
#include "server/service/answer_job.h"

namespace fathom::server {

class Metrics {
 public:
  void count_request(const std::string& route, int code);
  void count_answer(const JobReport& report);
  /// What there is now of all engines.
  std::string text(const std::vector<SchedulerStats>& engines) const;

 private:
  /// Cumulative buckets of seconds.
  struct Histogram {
    static constexpr std::array<double, 14> kBounds = {0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1,
                                                       0.25,  0.5,    1,     2.5,  5,     15,   60};
    std::array<int64_t, kBounds.size()> counts{};
    int64_t count = 0;
    double sum = 0;
    void add(double seconds);
    void write(const std::string& name, const char* help, std::string& out) const;
  };
  mutable std::mutex mutex_;
  std::map<std::pair<std::string, int>, int64_t> requests_;
  int64_t prompt_hit_ = 0, prompt_miss_ = 0, reasoning_ = 0, answer_ = 0;
  Picos cost_ = 0;
  Histogram first_token_, token_, queue_;
};

}  // namespace fathom::server
