// Lists of numbers: sorting by selection; median, extremes, doubles.
#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <set>

#include "train/tasks/family.h"

namespace fathom {
namespace {

std::vector<int64_t> numbers_for(Draw& draw, const Difficulty& d, const int64_t (&least)[Difficulty::kLevels],
                                 const int64_t (&most)[Difficulty::kLevels]) {
  std::vector<int64_t> numbers(
      static_cast<size_t>(d.size > 0 ? d.size : draw.between(by_level(d, least), by_level(d, most))));
  for (int64_t& n : numbers) n = draw.number(draw.between(1, d.level == 1 ? 2 : 3));
  return numbers;
}

std::string spaced(const std::vector<int64_t>& numbers) { return fmt::format("{}", fmt::join(numbers, " ")); }

// "8 5 9: 5", then without the 5, and so on.
std::string selection_trace(std::vector<int64_t> numbers, bool ascending, size_t count) {
  std::string text;
  for (size_t i = 0; i < count; ++i) {
    const auto chosen = ascending ? std::min_element(numbers.begin(), numbers.end())
                                  : std::max_element(numbers.begin(), numbers.end());
    text += fmt::format("{}{}: {}", i > 0 ? "\n" : "", spaced(numbers), *chosen);
    numbers.erase(chosen);
  }
  return text;
}

// In pairs and in number.
std::string order_check(const std::vector<int64_t>& numbers, const std::vector<int64_t>& sorted,
                        bool ascending) {
  std::string text = fmt::format("{} in, {} out\n", numbers.size(), sorted.size());
  for (size_t i = 0; i + 1 < sorted.size(); ++i) {
    text += fmt::format("{}{}{} ", sorted[i],
                        sorted[i] == sorted[i + 1] ? "="
                        : ascending                ? "<"
                                                   : ">",
                        sorted[i + 1]);
  }
  return text + "ok";
}

}  // namespace

void make_sort(Draw& draw, const Difficulty& d, Problem& p) {
  const int64_t least[] = {3, 3, 4, 5, 6}, most[] = {4, 6, 8, 10, 12};
  const auto numbers = numbers_for(draw, d, least, most);
  const bool ascending = draw.chance(0.5);
  const char* order = ascending ? "smallest to largest" : "largest to smallest";
  const std::string list = comma_list(numbers);
  p.key = list;
  switch (draw.below(3)) {
    case 0:
      p.ask(fmt::format("Sort these numbers from {}: {}.", order, list));
      break;
    case 1:
      p.ask(fmt::format("Put in order from {}: {}.", order, list));
      break;
    default:
      p.ask(fmt::format("{}\nSort from {}.", list, order));
  }
  auto sorted = numbers;
  std::stable_sort(sorted.begin(), sorted.end(),
                   [&](int64_t a, int64_t b) { return ascending ? a < b : a > b; });
  p.answer = comma_list(sorted);
  p.trace = selection_trace(numbers, ascending, numbers.size());
  p.checked_trace = with_check(p.trace, order_check(numbers, sorted, ascending));
}

void make_select(Draw& draw, const Difficulty& d, Problem& p) {
  const int64_t least[] = {3, 3, 5, 5, 7}, most[] = {5, 5, 7, 9, 11};
  auto numbers = numbers_for(draw, d, least, most);
  const int64_t kind = draw.below(4);
  if (kind == 0 && numbers.size() % 2 == 0) numbers.pop_back();  // a median needs a middle
  if (kind == 3 && numbers.size() > 1 && draw.chance(0.7)) numbers.back() = numbers[0];
  draw.shuffle(numbers);
  const std::string list = comma_list(numbers);
  p.key = fmt::format("{} {}", kind, list);
  auto sorted = numbers;
  std::sort(sorted.begin(), sorted.end());
  if (kind == 0) {
    p.ask(fmt::format("What is the median of {}?", list));
    p.answer = fmt::to_string(sorted[sorted.size() / 2]);
    p.trace = selection_trace(numbers, true, numbers.size() / 2 + 1);
    p.checked_trace = with_check(
        p.trace, fmt::format("from above\n{}\n{} {} ok",
                             selection_trace(numbers, false, numbers.size() / 2 + 1), p.answer, p.answer));
  } else if (kind == 3) {
    const std::set<int64_t> once(numbers.begin(), numbers.end());
    std::vector<int64_t> kept;
    for (const int64_t n : numbers) {
      const bool seen = std::find(kept.begin(), kept.end(), n) != kept.end();
      p.trace += fmt::format("{}{} {}", p.trace.empty() ? "" : "; ", n, seen ? "again" : "new");
      if (!seen) kept.push_back(n);
    }
    p.ask(fmt::format("Remove the doubles from {}. Keep the order.", list));
    p.answer = comma_list(kept);
    p.checked_trace = with_check(p.trace, fmt::format("{} in, {} out, {} again ok", numbers.size(),
                                                      once.size(), numbers.size() - once.size()));
  } else {
    const bool largest = kind == 1;
    p.ask(fmt::format("What is the {} of {}?", largest ? "largest" : "smallest", list));
    int64_t best = numbers[0];
    for (const int64_t n : numbers) {
      best = largest ? std::max(best, n) : std::min(best, n);
      p.trace += fmt::format("{}{}: {}", p.trace.empty() ? "" : "; ", n, best);
    }
    p.answer = fmt::to_string(best);
    std::string back;
    for (size_t i = numbers.size(); i-- > 0;)
      back += fmt::format("{} {} {}, ", best, largest ? ">=" : "<=", numbers[i]);
    p.checked_trace = with_check(p.trace, back + "ok");
  }
}

}  // namespace fathom
