// Letters of words: counting, reversing, the n-th, Caesar's shift.
#include <fmt/format.h>

#include <algorithm>

#include "train/tasks/family.h"
#include "train/tasks/words.h"

namespace fathom {
namespace {

// A word, or letters at random.
std::string text_for(Draw& draw, const Difficulty& d, double words = 0.4) {
  const int64_t most[] = {4, 6, 8, 10, 14};
  if (d.size == 0 && draw.chance(words)) return std::string(draw.pick(words::spelled()));
  return draw.letters(d.size > 0 ? d.size : draw.between(3, by_level(d, most)));
}

std::string spelled(const std::string& text) {
  return fmt::format("{}", fmt::join(text.begin(), text.end(), " "));
}

}  // namespace

void make_count(Draw& draw, const Difficulty& d, Problem& p) {
  std::string text = text_for(draw, d);
  const char letter = draw.chance(0.9) ? text[static_cast<size_t>(draw.below(std::ssize(text)))]
                                       : static_cast<char>('a' + draw.below(26));
  for (char& c : text) {  // more of them than chance gives
    if (d.size > 0 || (text.size() > 4 && draw.chance(0.08))) c = draw.chance(0.15) ? letter : c;
  }
  switch (draw.below(3)) {
    case 0:
      p.ask(fmt::format("How many {}'s are in \"{}\"?", letter, text));
      break;
    case 1:
      p.ask(fmt::format("Count the letter {} in \"{}\".", letter, text));
      break;
    default:
      p.ask(fmt::format("How many times does the letter {} appear in \"{}\"?", letter, text));
  }
  p.key = fmt::format("{} {}", letter, text);
  int64_t count = 0;
  std::string places;
  for (size_t i = 0; i < text.size(); ++i) {
    count += text[i] == letter;
    if (text[i] == letter) places += fmt::format(" {}", i + 1);
    p.trace += fmt::format("{}{} {}", i > 0 ? ", " : "", text[i], count);
  }
  p.answer = fmt::to_string(count);
  p.checked_trace = with_check(p.trace, fmt::format("at{}: {} ok", places.empty() ? " none" : places, count));
}

void make_reverse(Draw& draw, const Difficulty& d, Problem& p) {
  const std::string text = text_for(draw, d);
  p.key = text;
  switch (draw.below(3)) {
    case 0:
      p.ask(fmt::format("Reverse the string \"{}\".", text));
      break;
    case 1:
      p.ask(fmt::format("Spell \"{}\" in reverse.", text));
      break;
    default:
      p.ask(fmt::format("Write \"{}\" backwards.", text));
  }
  p.answer.assign(text.rbegin(), text.rend());
  p.trace = spelled(text) + "\n" + spelled(p.answer);
  p.checked_trace =
      with_check(p.trace, fmt::format("back: {}\n{} {} ok", spelled(text), text.size(), text.size()));
}

void make_letter(Draw& draw, const Difficulty& d, Problem& p) {
  const std::string text = text_for(draw, d, 0.7);
  const int64_t place = draw.between(1, std::ssize(text));
  const bool from_end = d.level > 2 && draw.chance(0.4);
  p.key = fmt::format("{} {} {}", text, place, from_end);
  p.ask(from_end ? fmt::format("What is letter {} of \"{}\", counted from the end?", place, text)
                 : fmt::format("What is letter {} of \"{}\"?", place, text));
  const std::string read = from_end ? std::string(text.rbegin(), text.rend()) : text;
  for (int64_t i = 0; i < place; ++i) {
    p.trace += fmt::format("{}{} {}", i > 0 ? ", " : "", i + 1, read[static_cast<size_t>(i)]);
  }
  p.answer = read.substr(static_cast<size_t>(place - 1), 1);
  const int64_t other = std::ssize(text) - place + 1;
  p.checked_trace = with_check(
      p.trace, fmt::format("{} letters, {} from the other side: {} ok", text.size(), other, p.answer));
}

void make_caesar(Draw& draw, const Difficulty& d, Problem& p) {
  const int64_t most[] = {1, 2, 3, 5, 9};
  const std::string text = text_for(draw, d);
  const int64_t shift = draw.between(1, by_level(d, most));
  p.key = fmt::format("{} {}", text, shift);
  p.ask(fmt::format("Move each letter of \"{}\" {} place{} along the alphabet (after z comes a).", text,
                    shift, shift == 1 ? "" : "s"));
  std::string back;
  for (const char c : text) {
    const char moved = static_cast<char>('a' + (c - 'a' + shift) % 26);
    p.answer += moved;
    p.trace += fmt::format("{}{} {}", p.trace.empty() ? "" : ", ", c, moved);
    back += fmt::format("{}{} {}", back.empty() ? "" : ", ", moved, c);
  }
  p.checked_trace = with_check(p.trace, "back: " + back + " ok");
}

}  // namespace fathom
