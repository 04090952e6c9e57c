// Recall: values among pairs, cells of tables, a fact in a long text. Several questions to a list, for a
// dense signal; the trace quotes before it answers.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "train/stories/story.h"
#include "train/tasks/family.h"
#include "train/tasks/words.h"

namespace fathom {
namespace {

// Distinct keys of one kind.
std::vector<std::string> keys_for(Draw& draw, int64_t count, int64_t kind) {
  std::set<std::string> seen;
  std::vector<std::string> keys;
  for (int64_t tries = 0; std::ssize(keys) < count; ++tries) {
    std::string key;
    if (kind == 0 || tries > 4 * count + 20) {  // letters never run out
      key = draw.letters(tries > 8 * count + 40 ? 5 : 3);
    } else if (kind == 1) {
      key = fmt::format("{} {}", draw.pick(words::names()), draw.pick(words::names()));
    } else {
      key = fmt::format("the {} {}", draw.pick(draw.chance(0.4) ? words::colors() : words::adjectives()),
                        draw.pick(words::animals()));
    }
    if (seen.insert(key).second) keys.push_back(key);
  }
  return keys;
}

// Pairs, and the values of some of them, or of all in another order.
void make_pairs(Draw& draw, const Difficulty& d, bool all, Problem& p) {
  const int64_t least[] = {2, 3, 6, 12, 24}, most[] = {4, 8, 16, 32, 60};
  const int64_t pairs = d.size > 0 ? d.size : draw.between(by_level(d, least), by_level(d, most));
  const auto keys = keys_for(draw, pairs, draw.below(3));
  const int64_t style = draw.below(3);
  std::vector<std::string> values;
  std::string text = "Remember these codes.\n";
  for (const std::string& key : keys) {
    values.push_back(fmt::to_string(draw.number(draw.between(2, 4))));
    text += style == 0   ? fmt::format("{} = {}; ", key, values.back())
            : style == 1 ? fmt::format("{}: {}\n", key, values.back())
                         : fmt::format("The code of {} is {}. ", key, values.back());
  }
  text.back() = '\n';  // for the blank or newline after the last pair
  const int64_t some = all || d.level == 1 || draw.chance(0.5) ? 1 : draw.between(2, 4);
  const int64_t asked = all ? pairs : std::min(pairs, some);
  std::vector<size_t> order(keys.size());
  for (size_t i = 0; i < order.size(); ++i) order[i] = i;
  draw.shuffle(order);
  std::vector<std::string> names, answers;
  std::string around;
  for (int64_t i = 0; i < asked; ++i) {
    const size_t at = order[static_cast<size_t>(i)];
    names.push_back(keys[at]);
    answers.push_back(values[at]);
    p.trace += fmt::format("{}{}: {}", i > 0 ? "\n" : "", keys[at], values[at]);
    around += fmt::format("after {}: {} {}\n", at == 0 ? "codes" : keys[at - 1], keys[at], values[at]);
  }
  text += asked == 1 ? fmt::format("What is the code of {}?", names[0])
                     : fmt::format("What are the codes of {}?", comma_list(names));
  p.ask(text);
  p.key = text;
  p.answer = comma_list(answers);
  p.checked_trace = with_check(p.trace, around + "ok");
}

}  // namespace

void make_kv(Draw& draw, const Difficulty& d, Problem& p) { make_pairs(draw, d, false, p); }
void make_lookup(Draw& draw, const Difficulty& d, Problem& p) { make_pairs(draw, d, true, p); }

void make_table(Draw& draw, const Difficulty& d, Problem& p) {
  const int64_t most_rows[] = {3, 4, 6, 10, 16};
  const int64_t rows = d.size > 0 ? d.size : draw.between(2, by_level(d, most_rows));
  std::vector<std::string> columns = {"age", "city", "job", "pet"};
  draw.shuffle(columns);
  columns.resize(static_cast<size_t>(d.level <= 2 ? 2 : 3));
  auto names = keys_for(draw, rows, 1);
  std::vector<std::vector<std::string>> cells;
  std::string text = fmt::format("| name | {} |\n", fmt::join(columns, " | "));
  for (std::string& name : names) {
    std::vector<std::string> row;
    for (const std::string& column : columns) {
      row.emplace_back(column == "age"    ? fmt::to_string(draw.between(6, 90))
                       : column == "city" ? std::string(draw.pick(words::cities()))
                       : column == "job"  ? std::string(draw.pick(words::jobs()))
                                          : std::string(draw.pick(words::animals())));
    }
    text += fmt::format("| {} | {} |\n", name, fmt::join(row, " | "));
    cells.push_back(std::move(row));
  }
  const auto row = static_cast<size_t>(draw.below(rows));
  const auto column = static_cast<size_t>(draw.below(std::ssize(columns)));
  text += fmt::format("What is the {} of {}?", columns[column], names[row]);
  p.ask(text);
  p.key = text;
  p.answer = cells[row][column];
  p.trace =
      fmt::format("{} | {}\n{}: {}", names[row], fmt::join(cells[row], " | "), columns[column], p.answer);
  p.checked_trace =
      with_check(p.trace, fmt::format("column {} is {}: {} ok", column + 2, columns[column], p.answer));
}

Problem needle_problem(Draw& draw, int64_t sentences, double depth) {
  Problem p;
  p.family = "needle";
  const auto filler = story_sentences(draw, sentences);
  const auto at =
      std::min(filler.size(), static_cast<size_t>(std::lround(depth * static_cast<double>(filler.size()))));
  const std::string owner = fmt::format("the {} {}", draw.pick(words::colors()), draw.pick(words::things()));
  const std::string code = fmt::to_string(draw.number(4));
  const std::string fact = fmt::format("The secret number of {} is {}.", owner, code);
  std::string text;
  for (size_t i = 0; i <= filler.size(); ++i) {
    if (i == at) text += fact + " ";
    if (i < filler.size()) text += filler[i] + " ";
  }
  text.back() = '\n';
  p.ask(text + fmt::format("What is the secret number of {}?", owner));
  p.key = owner + code;
  p.answer = code;
  p.trace = fact;
  p.checked_trace = with_check(p.trace, fmt::format("{}: {} ok", owner, code));
  return p;
}

void make_needle(Draw& draw, const Difficulty& d, Problem& p) {
  const int64_t most[] = {6, 12, 24, 48, 120};
  const int64_t sentences = d.size > 0 ? d.size : draw.between(2, by_level(d, most));
  p = needle_problem(draw, sentences, draw.uniform());
}

}  // namespace fathom
