// Word problems of one to five steps: a quantity and what happens to it, with persons, things and wording
// drawn apart, so that the steps have to be read. Traces are equations, as GSM8K writes them.
#include <fmt/format.h>

#include <string>

#include "train/tasks/family.h"
#include "train/tasks/words.h"

namespace fathom {
namespace {

struct Telling {
  std::string_view name, thing;
  std::string_view he, his;
  int64_t value = 0;
  std::string text, trace, back;  // back: the equations undone, last first

  void step(int64_t a, char sign, int64_t b, int64_t result) {
    trace += fmt::format("{}{}{}{}={}", trace.empty() ? "" : "\n", a, sign, b, result);
    const char inverse = sign == '+' ? '-' : sign == '-' ? '+' : sign == '*' ? '/' : '*';
    back = fmt::format("{}{}{}={}{}", result, inverse, b, a, back.empty() ? "" : "\n" + back);
    value = result;
  }
};

constexpr int64_t kMostValue = 999;

void gain(Draw& draw, Telling& t) {
  const int64_t n = draw.between(2, draw.chance(0.5) ? 12 : 60);
  const auto other = draw.pick(words::names());
  switch (draw.below(6)) {
    case 0:
      t.text += fmt::format(" {} gives {} {} more.", other, t.his == "her" ? "her" : "him", n);
      break;
    case 1:
      t.text += fmt::format(" Then {} finds {} {}.", t.he, n, t.thing);
      break;
    case 2:
      t.text += fmt::format(" {} buys {} more {}.", t.name, n, t.thing);
      break;
    case 3:
      t.text += fmt::format(" A friend brings {} {}.", n, t.thing);
      break;
    case 4:
      t.text += fmt::format(" On {} {} gets {} more.", draw.pick({"Monday", "Tuesday", "Friday", "Sunday"}),
                            t.he, n);
      break;
    default:
      t.text += fmt::format(" {} wins {} {} in a game.", t.name, n, t.thing);
  }
  t.step(t.value, '+', n, t.value + n);
}

void lose(Draw& draw, Telling& t) {
  const int64_t n = draw.between(1, t.value - 1);
  const auto other = draw.pick(words::names());
  switch (draw.below(6)) {
    case 0:
      t.text += fmt::format(" {} gives {} to {}.", t.name, n, other);
      break;
    case 1:
      t.text += fmt::format(" Then {} loses {} {}.", t.he, n, t.thing);
      break;
    case 2:
      t.text += fmt::format(" {} sells {} of {} {}.", t.name, n, t.his, t.thing);
      break;
    case 3:
      t.text += fmt::format(" {} {} are broken and thrown away.", n, t.thing);
      break;
    case 4:
      t.text += fmt::format(" {} puts {} {} in a box for {}.", t.name, n, t.thing, other);
      break;
    default:
      t.text += fmt::format(" {} takes {} of them.", other, n);
  }
  t.step(t.value, '-', n, t.value - n);
}

void packs(Draw& draw, Telling& t) {
  const int64_t bags = draw.between(2, 9), each = draw.between(2, 12);
  switch (draw.below(4)) {
    case 0:
      t.text += fmt::format(" {} buys {} bags with {} {} in each.", t.name, bags, each, t.thing);
      break;
    case 1:
      t.text += fmt::format(" Each of {} friends brings {} {}.", bags, each, t.thing);
      break;
    case 2:
      t.text += fmt::format(" For {} days {} gets {} {} a day.", bags, t.he, each, t.thing);
      break;
    default:
      t.text += fmt::format(" {} boxes of {} {} arrive for {}.", bags, each, t.thing, t.name);
  }
  const int64_t before = t.value;
  t.step(bags, '*', each, bags * each);
  t.step(before, '+', bags * each, before + bags * each);
}

void times(Draw& draw, Telling& t) {
  const int64_t by = draw.between(2, t.value < 100 ? 4 : 2);
  t.text += by == 2 && draw.chance(0.5)
                ? fmt::format(" Then {} doubles the number of {} {}.", t.he, t.his, t.thing)
                : fmt::format(" A week later {} has {} times as many {}.", t.name, by, t.thing);
  t.step(t.value, '*', by, t.value * by);
}

// Only where it comes out even.
bool share(Draw& draw, Telling& t) {
  std::vector<int64_t> parts;
  for (int64_t n = 2; n <= 9; ++n) {
    if (t.value % n == 0 && t.value > n) parts.push_back(n);
  }
  if (parts.empty()) return false;
  const int64_t by = draw.pick(parts);
  t.text +=
      by == 2 && draw.chance(0.5)
          ? fmt::format(" {} keeps only half of them.", t.name)
          : fmt::format(" {} shares the {} equally among {} boxes and keeps one box.", t.name, t.thing, by);
  t.step(t.value, '/', by, t.value / by);
  return true;
}

void price(Draw& draw, Telling& t) {
  const int64_t each = draw.between(2, 9);
  t.text += fmt::format(" {} sells all {} {} for {} dollars each. How many dollars does {} get?", t.name,
                        t.his, t.thing, each, t.he);
  t.step(t.value, '*', each, t.value * each);
}

}  // namespace

void make_word(Draw& draw, const Difficulty& d, Problem& p) {
  const int64_t least[] = {1, 1, 2, 2, 3}, most[] = {1, 2, 3, 3, 4};
  const int64_t steps = d.size > 0 ? d.size : draw.between(by_level(d, least), by_level(d, most));
  Telling t;
  t.name = draw.pick(words::names());
  t.thing = draw.pick(words::countables());
  t.he = words::is_female(t.name) ? "she" : "he";
  t.his = words::is_female(t.name) ? "her" : "his";
  t.value = draw.between(3, draw.chance(0.6) ? 20 : 90);
  const int64_t start = t.value;
  switch (draw.below(4)) {
    case 0:
      t.text = fmt::format("{} has {} {}.", t.name, start, t.thing);
      break;
    case 1:
      t.text = fmt::format("In the morning {} has {} {}.", t.name, start, t.thing);
      break;
    case 2:
      t.text = fmt::format("There are {} {} in a basket that belongs to {}.", start, t.thing, t.name);
      break;
    default:
      t.text = fmt::format("{} keeps {} {} in {} room.", t.name, start, t.thing, t.his);
  }
  bool asked = false;
  for (int64_t i = 0; i < steps; ++i) {
    const int64_t kind = draw.below(6);
    if (i + 1 == steps && steps > 1 && draw.chance(0.15) && t.value * 9 < 9 * kMostValue) {
      price(draw, t);
      asked = true;
    } else if (kind == 1 && t.value > 2) {
      lose(draw, t);
    } else if (kind == 2) {
      packs(draw, t);
    } else if (kind == 3 && t.value * 4 <= kMostValue) {
      times(draw, t);
    } else if (kind != 4 || !share(draw, t)) {
      gain(draw, t);
    }
  }
  if (!asked) {
    t.text += draw.chance(0.5) ? fmt::format(" How many {} does {} have now?", t.thing, t.name)
                               : fmt::format(" How many {} are there in the end?", t.thing);
  }
  p.ask(t.text);
  p.key = t.trace;
  p.trace = t.trace;
  p.answer = fmt::to_string(t.value);
  p.checked_trace = with_check(p.trace, fmt::format("back\n{}\nok", t.back));
}

}  // namespace fathom
