#include "train/stories/story.h"

#include <fmt/format.h>

#include <map>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "train/stories/plots.h"
#include "train/tasks/family.h"
#include "train/tasks/words.h"

namespace fathom {
namespace {

using Fields = std::map<std::string, std::string, std::less<>>;

std::string capital(std::string text) {
  if (!text.empty() && text[0] >= 'a' && text[0] <= 'z') text[0] = static_cast<char>(text[0] - 'a' + 'A');
  return text;
}

// One of the wordings of a line, its fields filled in.
std::string worded(Draw& draw, std::string_view line, const Fields& fields) {
  std::vector<std::string_view> wordings;
  for (size_t bar = 0; bar != std::string_view::npos; line.remove_prefix(bar + 1)) {
    bar = line.find('|');
    wordings.push_back(line.substr(0, bar));
    if (bar == std::string_view::npos) break;
  }
  std::string_view text = draw.pick(wordings);
  std::string out;
  while (true) {
    const size_t open = text.find('{');
    out += text.substr(0, open);
    if (open == std::string_view::npos) return out;
    const size_t close = text.find('}', open);
    FATHOM_CHECK(close != std::string_view::npos);
    const auto field = fields.find(text.substr(open + 1, close - open - 1));
    FATHOM_CHECK(field != fields.end());
    out += field->second;
    text.remove_prefix(close + 1);
  }
}

// The pronouns of a person, under names with a prefix.
void add_pronouns(Fields& fields, std::string_view name, const std::string& prefix) {
  const bool female = words::is_female(name);
  fields[prefix + "he"] = female ? "she" : "he";
  fields[prefix + "him"] = female ? "her" : "him";
  fields[prefix + "his"] = female ? "her" : "his";
  fields[prefix + "himself"] = female ? "herself" : "himself";
}

std::string kind_of(Draw& draw, std::string_view name) {
  if (draw.chance(0.7)) return std::string(draw.pick(words::animals()));
  return words::is_female(name) ? "girl" : "boy";
}

std::string with_article(std::string_view noun) { return fmt::format("{} {}", words::a_or_an(noun), noun); }

// What a story is made of before it is told.
struct Cast {
  Story story;
  Fields fields;
  const Plot* plot = nullptr;
};

Cast draw_cast(Draw& draw) {
  Cast cast;
  Story& s = cast.story;
  const auto other_than = [&](std::span<const std::string_view> list, std::string_view taken) {
    std::string_view word = draw.pick(list);
    while (word == taken) word = draw.pick(list);
    return std::string(word);
  };
  s.hero = draw.pick(words::names());
  s.friend_name = other_than(words::names(), s.hero);
  s.kind = kind_of(draw, s.hero);
  s.friend_kind = kind_of(draw, s.friend_name);
  s.thing = draw.pick(words::things());
  s.color = draw.pick(words::colors());
  s.place = draw.pick(words::places());
  Fields& f = cast.fields;
  f = {{"hero", s.hero},   {"friend", s.friend_name}, {"kind", s.kind},
       {"thing", s.thing}, {"color", s.color},        {"place", s.place}};
  f["place2"] = other_than(words::places(), s.place);
  f["food"] = draw.pick(words::foods());
  f["feeling"] = draw.pick({"happy", "glad", "proud", "merry", "cheerful"});
  f["time"] = draw.pick({"morning", "day", "evening", "summer day", "winter day", "cold day", "Sunday"});
  const auto adjective = draw.pick(words::adjectives());
  f["a_adj"] = with_article(adjective);
  f["a_color"] = with_article(s.color);
  f["a_fkind"] = with_article(s.friend_kind);
  add_pronouns(f, s.hero, "");
  add_pronouns(f, s.friend_name, "f");
  f["He"] = capital(f["he"]);
  f["His"] = capital(f["his"]);
  f["Fhe"] = capital(f["fhe"]);
  cast.plot = &draw.pick(story_plots());
  s.plot = worded(draw, cast.plot->name, f);
  return cast;
}

void tell(Draw& draw, Cast& cast) {
  std::string paragraph;
  const auto say = [&](std::string_view line) {
    if (line == "-") {
      cast.story.paragraphs.push_back(std::move(paragraph));
      paragraph.clear();
      return;
    }
    if (!paragraph.empty()) paragraph += ' ';
    paragraph += capital(worded(draw, line, cast.fields));
  };
  for (const auto line : story_openings()) say(line);
  say("-");
  for (const auto line : cast.plot->lines) say(line);
  for (const auto line : story_endings()) say(line);
  say("-");
}

bool is_small(char c) { return c >= 'a' && c <= 'z'; }

// Cut behind ".", "!" or "?" with its closing quote; "Why?" asked Tom. is one sentence.
std::vector<std::string> sentences_of(const std::string& text) {
  std::vector<std::string> out;
  size_t begin = 0;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '.' && text[i] != '!' && text[i] != '?') continue;
    const size_t next = i + 1 < text.size() && text[i + 1] == '"' ? i + 2 : i + 1;
    const bool goes_on = next + 1 < text.size() && (text[next] != ' ' || is_small(text[next + 1]));
    if (goes_on) continue;
    out.push_back(text.substr(begin, next - begin));
    begin = next + 1;
    i = next;
  }
  return out;
}

}  // namespace

std::string Story::text() const { return fmt::format("{}", fmt::join(paragraphs, "\n\n")); }

Story make_story(Draw& draw) {
  Cast cast = draw_cast(draw);
  tell(draw, cast);
  return cast.story;
}

std::string story_line(uint64_t seed, uint64_t index) {
  Draw draw(seed, index);
  return nlohmann::json{{"text", make_story(draw).text()}}.dump();
}

std::vector<std::string> story_sentences(Draw& draw, int64_t count) {
  std::vector<std::string> out;
  while (std::ssize(out) < count) {
    for (const std::string& paragraph : make_story(draw).paragraphs) {
      for (std::string& sentence : sentences_of(paragraph)) out.push_back(std::move(sentence));
    }
  }
  out.resize(static_cast<size_t>(count));
  return out;
}

void make_tale(Draw& draw, const Difficulty& d, Problem& p) {
  Cast cast = draw_cast(draw);
  tell(draw, cast);
  const Story& s = cast.story;
  p.checker = Checker::mentions;
  const std::string who = fmt::format("{} named {}", with_article(s.kind), s.hero);
  if (d.level == 1) {
    p.ask(draw.chance(0.5) ? fmt::format("Tell me a story about {}.", who)
                           : fmt::format("Write a short story about {}.", who));
    p.mentions = {s.hero};
  } else {
    p.ask(draw.chance(0.5)
              ? fmt::format("Write a short story about {} and {} named {}. It should be about {}.", who,
                            with_article(s.friend_kind), s.friend_name, s.plot)
              : fmt::format("Tell a story with {}, {} and the {}. Topic: {}.", who, s.friend_name, s.place,
                            s.plot));
    p.mentions = {s.hero, s.friend_name};
  }
  p.key = fmt::format("{} {} {} {} {}", s.hero, s.kind, s.friend_name, s.place, s.plot);
  p.answer = s.text();
  p.trace =
      fmt::format("who: {}, {}; with: {}, {}\nwhere: {}\ntopic: {}\ntrouble: {}\nend: {}", s.hero, s.kind,
                  s.friend_name, s.friend_kind, s.place, s.plot,
                  worded(draw, cast.plot->trouble, cast.fields), worded(draw, cast.plot->end, cast.fields));
  p.checked_trace = with_check(p.trace, fmt::format("asked: {} ok", comma_list(p.mentions)));
}

void make_reading(Draw& draw, const Difficulty& /*the same at all levels*/, Problem& p) {
  const Story s = make_story(draw);
  const std::string text = s.text();
  const auto says = [&](const std::string& words) { return text.find(words) != std::string::npos; };
  // Only what the story says: question, answer, and the words that say it.
  struct Question {
    std::string text, answer, source;
  };
  std::vector<Question> questions = {
      {"What is " + s.hero + ", a boy, a girl or which animal?", s.kind, s.kind}};
  const std::string named = s.friend_kind + " named " + s.friend_name;
  const std::string such = s.friend_name + ", " + with_article(s.friend_kind);
  if (says(named) || says(such)) {
    questions.push_back({"What is " + s.friend_name + ", a boy, a girl or which animal?", s.friend_kind,
                         says(named) ? named : such});
  }
  if (const std::string colored = s.color + " " + s.thing; says(colored)) {
    questions.push_back({"What color is the " + s.thing + "?", s.color, colored});
    // Some plots have a ribbon or a rope besides.
    if (!says(s.color + " r")) {
      questions.push_back({"Which thing in the story is " + s.color + "?", s.thing, colored});
    }
  }
  const Question& chosen = draw.pick(questions);
  p.ask(draw.chance(0.5) ? text + "\n\n" + chosen.text : chosen.text + "\n\n" + text);
  p.key = chosen.text + s.plot + s.place;
  p.answer = chosen.answer;
  for (const std::string& paragraph : s.paragraphs) {
    for (const std::string& sentence : sentences_of(paragraph)) {
      if (p.trace.empty() && sentence.find(chosen.source) != std::string::npos) p.trace = sentence;
    }
  }
  p.checked_trace = with_check(p.trace, fmt::format("it says {}: {} ok", chosen.source, chosen.answer));
}

}  // namespace fathom
