#pragma once
/// Counters of the service in Prometheus' text form. Source: api.md section 2.6.

#include <array>
#include <cstdint>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "engine/serving/scheduler.h"
#include "server/service/answer_job.h"

namespace fathom::server {

/// Seconds of what has been answered so far; negative: nothing is known yet.
struct AnswerSpeed {
  double queue = -1, prompt_token = -1, answer_token = -1;
};

class Metrics {
 public:
  void count_request(const std::string& route, int code);
  /// @param seconds from the request to the end of its answer
  void count_answer(const JobReport& report, double seconds);
  /// Means of the answers so far.
  AnswerSpeed speed(const std::string& model) const;
  /// What there is now of all engines.
  /// @param currency of the prices
  std::string text(const std::vector<SchedulerStats>& engines, int64_t connections,
                   const std::string& currency) const;

 private:
  /// Cumulative buckets of seconds.
  struct Histogram {
    static constexpr std::array<double, 14> kBounds = {0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1,
                                                       0.25,  0.5,    1,     2.5,  5,     15,   60};
    std::array<int64_t, kBounds.size()> counts{};
    int64_t count = 0;
    double sum = 0;
    void add(double seconds);
    /// labels: "" or `mode="high",`
    void write(const std::string& name, const std::string& labels, std::string& out) const;
  };
  using ByMode = std::map<std::string, Histogram>;
  static void write_all(const std::string& name, const char* help, const ByMode& modes, std::string& out);
  mutable std::mutex mutex_;
  std::map<std::pair<std::string, int>, int64_t> requests_;
  int64_t prompt_hit_ = 0, prompt_miss_ = 0, reasoning_ = 0, answer_ = 0;
  Picos cost_ = 0;
  std::optional<double> joules_;  ///< nothing as long as the machine has told none
  int64_t masks_ = 0;
  double mask_seconds_ = 0;
  ByMode first_token_, total_;  ///< by mode of thinking
  Histogram token_, queue_;
  struct Sums {
    double queue = 0, prefill = 0, decode = 0;
    int64_t answers = 0, read = 0, written = 0;
  };
  std::map<std::string, Sums> sums_;  // by model
};

}  // namespace fathom::server
