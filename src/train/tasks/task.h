#pragma once
/// Verifiable problems: questions with one right answer, made from a seed, each with a worked way to it.
///
/// A problem is a pure function of (mix, seed, index). Training and held-out problems are told apart by a
/// hash of what the problem is about (the operands, the word; not its wording): one in 20 is held out, and
/// none of these is ever trained on. Formats: digits that depend on a carry come after it, results are
/// written from the last digit inside the trace and from the first in the answer, one step to a line or
/// clause.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "text/chat_messages.h"

namespace fathom {

/// Non-think, Think, Think Max.
enum class Think { off, high, max };
std::string_view name(Think think);  // "off", "high", "max"
/// Throws Error(bad_input) for another word.
Think parse_think_mode(std::string_view word);

/// How an answer is held against the right one.
enum class Checker {
  exact,     ///< the same text, spaces at the ends aside
  json,      ///< the same JSON value
  call,      ///< the same tool call: name and arguments
  mentions,  ///< a text of sentences that has all of the words asked for
};

struct Problem {
  std::string family;
  std::string key;                    ///< what it is about; its hash decides the split
  std::vector<ChatMessage> prompt;    ///< system message with tools, earlier turns; the question is the last
  std::string answer;                 ///< content of the right answer
  std::vector<ToolCall> calls;        ///< calls of the right answer
  std::string trace;                  ///< reasoning of Think; may be empty
  std::string checked_trace;          ///< of Think Max: the same with a check by another way
  std::vector<std::string> mentions;  ///< for Checker::mentions
  Checker checker = Checker::exact;

  /// Sets the prompt to one user message.
  void ask(std::string question);
  const std::string& question() const;
};

/// What a family is asked for.
struct Difficulty {
  static constexpr int kLevels = 5;
  int level = 1;  ///< 1 .. kLevels
  int64_t size =
      0;  ///< > 0: exactly so many digits, steps, numbers, pairs, ...; what it counts is in the list
  double slips = 0;  ///< share of checked traces with a mistake that the check finds
};

/// A family and how often its problems are drawn.
struct TaskShare {
  std::string family;
  int64_t size = 0;
  double weight = 1;
};

struct TaskMix {
  std::vector<TaskShare> families;  ///< empty: all, by their usual shares
  int min_level = 1, max_level = Difficulty::kLevels;
  double off = 0.40, high = 0.45, max = 0.15;  ///< shares of the modes
  double slips = 0.1;
  bool held_out = false;  ///< problems of the held-out part instead of the others

  /// Throws Error(bad_input): an unknown family (the message lists them), a level, size or share out of
  /// range.
  void check() const;
};

/// "mul", "mul:3" (size 3), "mul*2" (twice as often), "mul:3*2", separated by commas. Throws
/// Error(bad_input).
std::vector<TaskShare> parse_task_list(std::string_view text);

struct MadeProblem {
  Problem problem;
  Think think = Think::off;
  int level = 1;
};

/// The problem number `index` of a stream. The mix must have been checked.
MadeProblem make_problem(const TaskMix& mix, uint64_t seed, uint64_t index);

/// A problem of one family. Throws Error(bad_input) if the family has no problem of that part at this
/// difficulty.
Problem make_family_problem(std::string_view family, const Difficulty& difficulty, bool held_out,
                            uint64_t seed, uint64_t index);

bool is_held_out(const Problem& problem);

/// What the model should write.
ChatMessage answer_message(const Problem& problem, Think think);
/// {"messages", "options", "task", "think", "level", "answer"}: a line that `fathom data` reads.
std::string problem_line(const MadeProblem& made);
/// The problem number `index` of a stream as a conversation of 1 to `turns` problems, all in the first one's
/// mode, as such a line; task, level and answer are the last one's. Problems after the first are those that a
/// single message asks.
std::string conversation_line(const TaskMix& mix, uint64_t seed, uint64_t index, int turns);

/// Whether content and calls of an answer are right.
bool is_right(const Problem& problem, std::string_view content, const std::vector<ToolCall>& calls);

}  // namespace fathom
