#pragma once
/// Simple stories from a grammar: plots of a few sentences, each with several wordings, over small word
/// lists. They are what a small model can learn to write well.

#include <cstdint>
#include <string>
#include <vector>

#include "train/tasks/draw.h"
#include "train/tasks/task.h"

namespace fathom {

struct Story {
  std::string hero, kind, friend_name, friend_kind, thing, color, place, plot;
  std::vector<std::string> paragraphs;  ///< of sentences
  std::string text() const;             ///< paragraphs with a blank line between
};

Story make_story(Draw& draw);
/// {"text"}: story number `index` of a stream, as `fathom data` reads it.
std::string story_line(uint64_t seed, uint64_t index);

/// So many sentences of stories one after the other: filler.
std::vector<std::string> story_sentences(Draw& draw, int64_t count);

/// A fact at a place (0 = begin, 1 = end) within so many sentences of filler, and a question for it.
Problem needle_problem(Draw& draw, int64_t sentences, double depth);

}  // namespace fathom
