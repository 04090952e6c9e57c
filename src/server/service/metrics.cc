#include "server/service/metrics.h"

#include <fmt/core.h>
#include <unistd.h>

#include <cstdio>

namespace fathom::server {
namespace {

void head(const char* name, const char* type, const char* help, std::string& out) {
  out += fmt::format("# HELP {} {}\n# TYPE {} {}\n", name, help, name, type);
}

int64_t resident_bytes() {
  std::FILE* file = std::fopen("/proc/self/statm", "r");
  if (!file) return 0;
  long long total = 0, resident = 0;
  const bool read = std::fscanf(file, "%lld %lld", &total, &resident) == 2;
  std::fclose(file);
  return read ? static_cast<int64_t>(resident) * sysconf(_SC_PAGESIZE) : 0;
}

// As the value of a label.
std::string escaped_label(const std::string& text) {
  std::string out;
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
  return out;
}

}  // namespace

void Metrics::Histogram::add(double seconds) {
  for (size_t i = 0; i < kBounds.size(); ++i) counts[i] += seconds <= kBounds[i];
  ++count;
  sum += seconds;
}

void Metrics::Histogram::write(const std::string& name, const std::string& labels, std::string& out) const {
  for (size_t i = 0; i < kBounds.size(); ++i)
    out += fmt::format("{}_bucket{{{}le=\"{}\"}} {}\n", name, labels, kBounds[i], counts[i]);
  out += fmt::format("{}_bucket{{{}le=\"+Inf\"}} {}\n", name, labels, count);
  const std::string own = labels.empty() ? "" : "{" + labels.substr(0, labels.size() - 1) + "}";
  out += fmt::format("{}_sum{} {}\n{}_count{} {}\n", name, own, sum, name, own, count);
}

void Metrics::write_all(const std::string& name, const char* help, const ByMode& modes, std::string& out) {
  head(name.c_str(), "histogram", help, out);
  for (const auto& [mode, histogram] : modes) histogram.write(name, fmt::format("mode=\"{}\",", mode), out);
}

void Metrics::count_request(const std::string& route, int code) {
  const std::lock_guard lock(mutex_);
  ++requests_[{route, code}];
}

void Metrics::count_answer(const JobReport& report, double seconds) {
  const std::lock_guard lock(mutex_);
  const AnswerStats& s = report.stats;
  prompt_hit_ += s.cached_tokens;
  prompt_miss_ += s.prompt_tokens - s.cached_tokens;
  reasoning_ += s.reasoning_tokens;
  answer_ += s.completion_tokens - s.reasoning_tokens;
  cost_ += report.price.total;
  if (s.joules) joules_ = joules_.value_or(0) + *s.joules;
  masks_ += s.masks;
  mask_seconds_ += s.mask_seconds;
  queue_.add(s.queue_seconds);
  Sums& sums = sums_[report.model];
  ++sums.answers;
  sums.queue += s.queue_seconds;
  sums.prefill += s.prefill_seconds;
  sums.read += s.prompt_tokens - s.cached_tokens;
  sums.decode += s.decode_seconds;
  sums.written += s.completion_tokens;
  if (s.first_token_seconds > 0) first_token_[report.mode].add(s.first_token_seconds);
  total_[report.mode].add(seconds);
  if (s.completion_tokens > 1) token_.add(s.decode_seconds / static_cast<double>(s.completion_tokens));
}

AnswerSpeed Metrics::speed(const std::string& model) const {
  const std::lock_guard lock(mutex_);
  const auto found = sums_.find(model);
  if (found == sums_.end()) return {};
  const Sums& s = found->second;
  const auto mean = [](double sum, int64_t count) {
    return count > 0 ? sum / static_cast<double>(count) : -1;
  };
  return {mean(s.queue, s.answers), mean(s.prefill, s.read), mean(s.decode, s.written)};
}

std::string Metrics::text(const std::vector<SchedulerStats>& engines, int64_t connections,
                          const std::string& currency) const {
  SchedulerStats all;
  for (const SchedulerStats& e : engines) {
    for (size_t i = 0; i < all.queued.size(); ++i) all.queued[i] += e.queued[i];
    all.running += e.running;
    all.steps += e.steps;
    all.kv_bytes += e.kv_bytes;
    all.cache_bytes += e.cache_bytes;
    all.cache_entries += e.cache_entries;
    all.cache_evictions += e.cache_evictions + e.disk.evictions;
    all.disk.bytes += e.disk.bytes;
    all.disk.hits += e.disk.hits;
    all.disk.damaged += e.disk.damaged;
    all.disk.failed_writes += e.disk.failed_writes;
  }
  const std::lock_guard lock(mutex_);
  std::string out;
  head("fathom_requests_total", "counter", "Requests by route and status.", out);
  for (const auto& [key, count] : requests_)
    out +=
        fmt::format("fathom_requests_total{{route=\"{}\",code=\"{}\"}} {}\n", key.first, key.second, count);
  head("fathom_tokens_total", "counter", "Tokens by kind.", out);
  for (const auto& [kind, count] : {std::pair{"prompt_hit", prompt_hit_},
                                    {"prompt_miss", prompt_miss_},
                                    {"reasoning", reasoning_},
                                    {"answer", answer_}})
    out += fmt::format("fathom_tokens_total{{kind=\"{}\"}} {}\n", kind, count);
  head("fathom_queue_depth", "gauge", "Requests that wait.", out);
  for (const auto& [name, i] : {std::pair{"high", 0u}, {"normal", 1u}, {"low", 2u}})
    out += fmt::format("fathom_queue_depth{{priority=\"{}\"}} {}\n", name, all.queued[i]);
  const auto gauge = [&](const char* name, const char* type, const char* help, const std::string& value) {
    head(name, type, help, out);
    out += fmt::format("{} {}\n", name, value);
  };
  gauge("fathom_batch_rows", "gauge", "Requests in the batch.", std::to_string(all.running));
  gauge("fathom_steps_total", "counter", "Steps of the engines.", std::to_string(all.steps));
  gauge("fathom_kv_bytes", "gauge", "State of the running requests.", std::to_string(all.kv_bytes));
  head("fathom_cache_bytes", "gauge", "States kept for later requests.", out);
  out += fmt::format("fathom_cache_bytes{{tier=\"memory\"}} {}\n", all.cache_bytes);
  out += fmt::format("fathom_cache_bytes{{tier=\"disk\"}} {}\n", all.disk.bytes);
  gauge("fathom_cache_disk_hits_total", "counter", "States read from disk.", std::to_string(all.disk.hits));
  gauge("fathom_cache_damaged_total", "counter", "Files of states that were damaged, and deleted.",
        std::to_string(all.disk.damaged));
  gauge("fathom_cache_failed_writes_total", "counter", "States that the disk did not take.",
        std::to_string(all.disk.failed_writes));
  gauge("fathom_cache_evictions_total", "counter", "States that had to go.",
        std::to_string(all.cache_evictions));
  head("fathom_cost_total", "counter", "Price of all answers.", out);
  out += fmt::format("fathom_cost_total{{currency=\"{}\"}} {}\n", escaped_label(currency), decimal(cost_));
  gauge("fathom_connections", "gauge", "Open connections.", std::to_string(connections));
  write_all("fathom_ttft_seconds", "From the request to its first token, by mode of thinking.", first_token_,
            out);
  write_all("fathom_request_seconds", "From the request to the end of its answer.", total_, out);
  const auto single = [&](const char* name, const char* help, const Histogram& histogram) {
    head(name, "histogram", help, out);
    histogram.write(name, "", out);
  };
  single("fathom_token_seconds", "Per token of an answer.", token_);
  single("fathom_queue_seconds", "In the queue.", queue_);
  head("fathom_constraint_mask_seconds", "summary",
       "To find out which tokens a format allows, per token that was chosen under one.", out);
  out += fmt::format("fathom_constraint_mask_seconds_sum {}\nfathom_constraint_mask_seconds_count {}\n",
                     mask_seconds_, masks_);
  if (joules_) {
    gauge("fathom_energy_joules_total", "counter", "Energy of the processors in the steps of answers.",
          fmt::format("{}", *joules_));
  }
  gauge("process_resident_memory_bytes", "gauge", "Resident memory.", std::to_string(resident_bytes()));
  return out;
}

}  // namespace fathom::server
