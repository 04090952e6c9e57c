#include "engine/verify/checks.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "base/error.h"
#include "base/file.h"

namespace fathom::verify {
namespace {

// A maximum that keeps NaN: std::max would lose it.
double larger(double a, double b) { return std::isnan(a) || b <= a ? a : b; }

void check_sizes(size_t expected, size_t found, const std::string& what) {
  if (expected != found) bad_input("{}: expected {} values, found {}", what, expected, found);
}

}  // namespace

bool is_file(const std::filesystem::path& path) noexcept {
  std::error_code none;
  return std::filesystem::is_regular_file(path, none);
}

VerifyItem& Checks::item(const std::string& quantity) {
  auto& items = report_.items;
  const auto found =
      std::find_if(items.begin(), items.end(), [&](const VerifyItem& i) { return i.quantity == quantity; });
  if (found != items.end()) return *found;
  return items.emplace_back(VerifyItem{quantity, 0, 0, ""});
}

void Checks::worst(const std::string& quantity, double error, double bound) {
  VerifyItem& i = item(quantity);
  i.error = larger(i.error, error);
  i.bound = bound;
}

void Checks::differing(const std::string& quantity, int64_t count, int64_t of, double allowed_share) {
  auto found =
      std::find_if(counts_.begin(), counts_.end(), [&](const auto& c) { return c.first == quantity; });
  if (found == counts_.end()) found = counts_.insert(counts_.end(), {quantity, {}});
  Count& sum = found->second;
  sum.differing += count;
  sum.of += of;
  VerifyItem& i = item(quantity);
  i.error = static_cast<double>(sum.differing);
  i.bound = std::floor(allowed_share * static_cast<double>(sum.of));
  i.detail = fmt::format("differing of {}", sum.of);
}

void Checks::used_model(const std::filesystem::path& path) {
  std::error_code ignored;
  const auto relative = [&](const std::filesystem::path& p) {
    return std::filesystem::relative(p, folder(), ignored).generic_string();
  };
  if (!std::filesystem::is_directory(path, ignored)) {
    used(relative(path));
    used(relative(path.parent_path() / "config.json"));
    return;
  }
  used(relative(path / "config.json"));
  if (is_file(path / "model.safetensors")) {
    used(relative(path / "model.safetensors"));
    return;
  }
  for (const auto& entry : std::filesystem::directory_iterator(path, ignored)) {
    const std::string name = entry.path().filename().string();
    if (name.ends_with(".safetensors.index.json") || name.find("-of-") != std::string::npos) {
      used(relative(entry.path()));
    }
  }
}

std::filesystem::path Checks::model_path() {
  if (!options_.model.empty()) return options_.model;
  const auto named = folder() / "model_folder";
  if (!is_file(named)) return folder();
  used("model_folder");
  std::string text = read_text(named, 4096);
  while (!text.empty() && (text.back() == '\n' || text.back() == '\r')) text.pop_back();
  return folder() / text;
}

void Checks::unread_tensors(const std::string& file, const std::vector<std::string>& names) {
  for (const std::string& name : names) not_checked(file + ": " + printable(name));
}

void Checks::list_unused_files() {
  std::error_code ignored;
  std::vector<std::string> unused;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder(), ignored)) {
    if (!is_file(entry.path())) continue;
    const std::string name = std::filesystem::relative(entry.path(), folder(), ignored).generic_string();
    if (!used_.contains(name)) unused.push_back(printable(name));
  }
  std::sort(unused.begin(), unused.end());
  for (const std::string& name : unused) not_checked(name);
}

double max_abs_diff(std::span<const float> a, std::span<const float> b, const std::string& what) {
  check_sizes(a.size(), b.size(), what);
  double worst = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    worst = larger(worst, std::abs(static_cast<double>(a[i]) - static_cast<double>(b[i])));
  }
  return worst;
}

double gradient_error(std::span<const float> expected, std::span<const float> found,
                      const std::string& what) {
  constexpr double kSlack = 1e-7;
  double largest = 0;
  for (const float v : expected) largest = std::max(largest, std::abs(static_cast<double>(v)));
  const double difference = max_abs_diff(expected, found, what);
  return difference <= kSlack ? 0 : (difference - kSlack) / largest;
}

int64_t rows_differing(std::span<const int32_t> a, std::span<const int32_t> b, int64_t width,
                       const std::string& what) {
  check_sizes(a.size(), b.size(), what);
  int64_t count = 0;
  const auto w = static_cast<size_t>(width);
  for (size_t i = 0; w > 0 && i + w <= a.size(); i += w) {
    count += !std::equal(a.begin() + static_cast<std::ptrdiff_t>(i),
                         a.begin() + static_cast<std::ptrdiff_t>(i + w),
                         b.begin() + static_cast<std::ptrdiff_t>(i));
  }
  return count;
}

int32_t argmax(std::span<const float> row) {
  return static_cast<int32_t>(std::max_element(row.begin(), row.end()) - row.begin());
}

double log_sum_exp(std::span<const float> row) {
  double most = -std::numeric_limits<double>::infinity(), sum = 0;
  for (const float v : row) most = std::max(most, static_cast<double>(v));
  for (const float v : row) sum += std::exp(static_cast<double>(v) - most);
  return most + std::log(sum);
}

LogitDistance logit_distance(std::span<const float> expected, std::span<const float> found, int64_t vocab,
                             const std::string& what) {
  check_sizes(expected.size(), found.size(), what);
  LogitDistance d;
  std::vector<double> largest;
  const auto width = static_cast<size_t>(vocab);
  for (size_t at = 0; at + width <= expected.size(); at += width) {
    const auto p = expected.subspan(at, width), q = found.subspan(at, width);
    const double zp = log_sum_exp(p), zq = log_sum_exp(q);
    double kl = 0;
    for (size_t i = 0; i < width; ++i) {
      const double lp = static_cast<double>(p[i]) - zp, lq = static_cast<double>(q[i]) - zq;
      kl += std::exp(lp) * (lp - lq);
    }
    largest.push_back(max_abs_diff(p, q, what));
    d.max_abs = larger(d.max_abs, largest.back());
    d.kl_mean += kl;
    d.kl_max = larger(d.kl_max, kl);
    d.top1_differing += argmax(p) != argmax(q);
    ++d.tokens;
  }
  if (d.tokens > 0) d.kl_mean /= static_cast<double>(d.tokens);
  d.median_max_abs = median(std::move(largest));
  return d;
}

double median(std::vector<double> values) {
  if (values.empty()) return 0;
  for (const double v : values) {
    if (std::isnan(v)) return v;
  }
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

}  // namespace fathom::verify
