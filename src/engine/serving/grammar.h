#pragma once
/// Grammars over bytes: what a constrained answer may be. Context-free rules, run as a set of stacks; sets
/// are numbered and their steps remembered, so that a text costs a table look-up a byte once its states are
/// known. Source: api.md section 5 of the project's design (GBNF).

#include <bitset>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <vector>

namespace fathom {

/// What a step reads: a byte, or a token that is no text (256).
inline constexpr int kGrammarSymbols = 257;
inline constexpr int kMarkupSymbol = 256;

/// Rules in parts: an alternative is a run of elements, a rule a list of alternatives.
struct Grammar {
  struct Element {
    int32_t rule = -1;  ///< another rule, or
    int32_t set = -1;   ///< a set of symbols; both -1: the end of an alternative
  };
  std::vector<std::bitset<kGrammarSymbols>> sets;
  std::vector<Element> elements;
  std::vector<std::vector<int32_t>> rules;  ///< first elements of the alternatives
  int32_t root = -1;

  /// Reads GBNF; `%dsml` is the token of tool calls' markup. Throws Error(bad_input) with the line: a syntax
  /// error, a rule that is missing, left recursion, more than 200,000 elements.
  static std::shared_ptr<const Grammar> parse(std::string_view gbnf);
};

/// Throws Error(bad_input) if a rule can begin with itself and something after: reading it would never start.
void check_recursion(const Grammar& grammar);

class GrammarMachine {
 public:
  explicit GrammarMachine(std::shared_ptr<const Grammar> grammar);
  using State = int32_t;
  static constexpr State kDead = -1;

  State start() const { return start_; }
  State step(State state, int symbol);
  /// Whether the text may end here.
  bool accepts(State state) const { return states_[static_cast<size_t>(state)].accepts; }
  int64_t states() const { return static_cast<int64_t>(states_.size()); }

 private:
  // A stack: what comes next (an element), and the stack below it. 0 is the empty one.
  struct Node {
    int32_t element, below;
    bool operator==(const Node&) const = default;
  };
  struct StateData {
    std::vector<int32_t> stacks;  // ascending; the tops are sets of symbols
    bool accepts = false;
    std::vector<State> next;  // kUnknown where not yet computed
  };
  static constexpr State kUnknown = -2;
  int32_t push(int32_t element, int32_t below);
  void expand(int32_t element, int32_t below, std::vector<int32_t>& out, bool& accepts);
  void resume(int32_t stack, std::vector<int32_t>& out, bool& accepts);
  State intern(std::vector<int32_t> stacks, bool accepts);

  std::shared_ptr<const Grammar> grammar_;
  std::vector<Node> nodes_;
  std::unordered_map<uint64_t, int32_t> node_ids_;
  std::unordered_set<uint64_t> expanded_;  // elements on stacks, of the step being made
  std::vector<StateData> states_;
  std::unordered_map<std::string, State> state_ids_;
  State start_ = kDead;
};

}  // namespace fathom
