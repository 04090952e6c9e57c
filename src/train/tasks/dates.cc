// Days, times and units.
#include <fmt/format.h>

#include <array>

#include "train/tasks/family.h"

namespace fathom {
namespace {

constexpr std::array<const char*, 7> kDays = {"Monday", "Tuesday",  "Wednesday", "Thursday",
                                              "Friday", "Saturday", "Sunday"};

std::string time_text(int64_t minutes) { return fmt::format("{:02}:{:02}", minutes / 60, minutes % 60); }

struct Unit {
  const char *large, *small;
  int64_t factor;
};
constexpr Unit kUnits[] = {{"meters", "centimeters", 100}, {"kilometers", "meters", 1000},
                           {"kilograms", "grams", 1000},   {"hours", "minutes", 60},
                           {"minutes", "seconds", 60},     {"days", "hours", 24},
                           {"weeks", "days", 7},           {"dollars", "cents", 100},
                           {"feet", "inches", 12},         {"dozens", "pieces", 12}};

}  // namespace

void make_weekday(Draw& draw, const Difficulty& d, Problem& p) {
  const int64_t most[] = {6, 14, 30, 100, 400};
  const int64_t today = draw.below(7), days = d.size > 0 ? d.size : draw.between(1, by_level(d, most));
  const bool back = draw.chance(0.35);
  p.key = fmt::format("{} {} {}", today, days, back);
  p.ask(back ? fmt::format("Today is {}. Which day was it {} day{} ago?", kDays[static_cast<size_t>(today)],
                           days, days == 1 ? "" : "s")
             : fmt::format("Today is {}. Which day is it in {} day{}?", kDays[static_cast<size_t>(today)],
                           days, days == 1 ? "" : "s"));
  // Whole weeks go first, then day by day.
  const int64_t weeks = days / 7, rest = days % 7;
  p.trace = fmt::format("{}*7={}, {}-{}={}", weeks, weeks * 7, days, weeks * 7, rest);
  int64_t at = today;
  for (int64_t i = 1; i <= rest; ++i) {
    at = (at + (back ? 6 : 1)) % 7;
    p.trace += fmt::format("\n{} {}", i, kDays[static_cast<size_t>(at)]);
  }
  p.answer = kDays[static_cast<size_t>(at)];
  std::string check = fmt::format("back from {}", p.answer);
  for (int64_t i = 1; i <= rest; ++i) {
    at = (at + (back ? 1 : 6)) % 7;
    check += fmt::format("\n{} {}", i, kDays[static_cast<size_t>(at)]);
  }
  p.checked_trace = with_check(p.trace, check + " ok");
}

void make_clock(Draw& draw, const Difficulty& d, Problem& p) {
  const int64_t most[] = {20, 59, 120, 300, 900};
  const int64_t start = draw.below(24 * 60),
                minutes = d.size > 0 ? d.size : draw.between(1, by_level(d, most));
  if (d.level >= 3 && d.size == 0 && draw.chance(0.4)) {  // between two times of a day
    const int64_t end = (start + minutes) % (24 * 60);
    const int64_t low = std::min(start, end), high = std::max(start, end);
    p.key = fmt::format("{} to {}", low, high);
    p.ask(fmt::format("How many minutes are there from {} to {}?", time_text(low), time_text(high)));
    const int64_t a = high / 60 * 60 + high % 60, b = low / 60 * 60 + low % 60;
    p.trace = fmt::format("{}*60={}, {}+{}={}\n{}*60={}, {}+{}={}\n{}-{}={}", high / 60, high / 60 * 60,
                          high / 60 * 60, high % 60, a, low / 60, low / 60 * 60, low / 60 * 60, low % 60, b,
                          a, b, a - b);
    p.answer = fmt::to_string(high - low);
    p.checked_trace = with_check(p.trace, fmt::format("{}+{}={} ok", b, a - b, a));
    return;
  }
  p.key = fmt::format("{} {}", start, minutes);
  p.ask(draw.chance(0.5) ? fmt::format("It is {}. What time is it in {} minutes?", time_text(start), minutes)
                         : fmt::format("A train leaves at {} and takes {} minutes. When does it arrive?",
                                       time_text(start), minutes));
  const int64_t hours = start / 60, sum = start % 60 + minutes, carried = hours + sum / 60;
  p.trace = fmt::format("{}+{}={}\n{}={}*60+{}\n{}+{}={}", start % 60, minutes, sum, sum, sum / 60, sum % 60,
                        hours, sum / 60, carried);
  if (carried > 23) p.trace += fmt::format(", {}-24={}", carried, carried - 24);
  p.answer = time_text((start + minutes) % (24 * 60));
  p.trace += "\n" + p.answer;
  p.checked_trace =
      with_check(p.trace, fmt::format("{}*60={}, {}+{}={}, {}-{}={} ok", sum / 60, sum / 60 * 60,
                                      sum / 60 * 60, sum % 60, sum, sum, minutes, start % 60));
}

void make_units(Draw& draw, const Difficulty& d, Problem& p) {
  const int64_t most[] = {9, 12, 20, 50, 99};
  const Unit& unit = draw.pick(kUnits);
  const int64_t n = draw.between(2, by_level(d, most)), extra = draw.between(1, unit.factor - 1);
  const bool up = d.level >= 2 && draw.chance(0.4);
  const int64_t total = n * unit.factor + extra;
  p.key = fmt::format("{} {} {} {}", unit.large, n, extra, up);
  if (up) {
    p.ask(fmt::format("How many whole {} are {} {}, and how many {} are left?", unit.large, total, unit.small,
                      unit.small));
    p.trace =
        fmt::format("{}*{}={}\n{}-{}={}", n, unit.factor, n * unit.factor, total, n * unit.factor, extra);
    p.answer = fmt::format("{} {} and {} {}", n, unit.large, extra, unit.small);
    p.checked_trace = with_check(p.trace, fmt::format("{}+{}={} ok", n * unit.factor, extra, total));
  } else if (d.level >= 2) {
    p.ask(fmt::format("How many {} are {} {} and {} {}?", unit.small, n, unit.large, extra, unit.small));
    p.trace =
        fmt::format("{}*{}={}\n{}+{}={}", n, unit.factor, n * unit.factor, n * unit.factor, extra, total);
    p.answer = fmt::to_string(total);
    p.checked_trace = with_check(p.trace, fmt::format("{}-{}={}, {}/{}={} ok", total, extra, n * unit.factor,
                                                      n * unit.factor, unit.factor, n));
  } else {
    p.ask(fmt::format("How many {} are {} {}?", unit.small, n, unit.large));
    p.trace = fmt::format("{}*{}={}", n, unit.factor, n * unit.factor);
    p.answer = fmt::to_string(n * unit.factor);
    p.checked_trace = with_check(p.trace, fmt::format("{}/{}={} ok", n * unit.factor, unit.factor, n));
  }
}

}  // namespace fathom
