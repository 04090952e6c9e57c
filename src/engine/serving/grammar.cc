#include "engine/serving/grammar.h"

#include <algorithm>

#include "base/error.h"

namespace fathom {

GrammarMachine::GrammarMachine(std::shared_ptr<const Grammar> grammar) : grammar_(std::move(grammar)) {
  nodes_.push_back({-1, 0});
  std::vector<int32_t> stacks;
  bool accepts = false;
  for (const int32_t first : grammar_->rules[static_cast<size_t>(grammar_->root)])
    expand(first, 0, stacks, accepts);
  start_ = intern(std::move(stacks), accepts);
}

namespace {

uint64_t key_of(int32_t element, int32_t below) {
  return static_cast<uint64_t>(static_cast<uint32_t>(element)) << 32 | static_cast<uint32_t>(below);
}

}  // namespace

int32_t GrammarMachine::push(int32_t element, int32_t below) {
  const uint64_t key = key_of(element, below);
  const auto [known, is_new] = node_ids_.try_emplace(key, static_cast<int32_t>(nodes_.size()));
  if (is_new) nodes_.push_back({element, below});
  return known->second;
}

// All stacks whose top is a set, from an element on. Stacks do not grow without a step (check_recursion), so
// this ends.
void GrammarMachine::expand(int32_t element, int32_t below, std::vector<int32_t>& out, bool& accepts) {
  const Grammar::Element& e = grammar_->elements[static_cast<size_t>(element)];
  if (e.set >= 0) {
    out.push_back(push(element, below));
  } else if (!expanded_.insert(key_of(element, below)).second) {
    return;  // an empty repeat of something empty
  } else if (e.rule >= 0) {
    // Nothing after the rule: its end is the end of this one, and the stack does not grow.
    const Grammar::Element& after = grammar_->elements[static_cast<size_t>(element) + 1];
    const bool last = after.set < 0 && after.rule < 0;
    const int32_t back = last ? below : push(element + 1, below);
    for (const int32_t first : grammar_->rules[static_cast<size_t>(e.rule)])
      expand(first, back, out, accepts);
  } else {
    resume(below, out, accepts);
  }
}

void GrammarMachine::resume(int32_t stack, std::vector<int32_t>& out, bool& accepts) {
  if (stack == 0) {
    accepts = true;
    return;
  }
  const Node node = nodes_[static_cast<size_t>(stack)];
  expand(node.element, node.below, out, accepts);
}

GrammarMachine::State GrammarMachine::intern(std::vector<int32_t> stacks, bool accepts) {
  std::ranges::sort(stacks);
  stacks.erase(std::unique(stacks.begin(), stacks.end()), stacks.end());
  if (stacks.empty() && !accepts) return kDead;
  std::string key(reinterpret_cast<const char*>(stacks.data()), stacks.size() * sizeof(int32_t));
  key += accepts ? '1' : '0';
  const auto [known, is_new] = state_ids_.try_emplace(std::move(key), static_cast<State>(states_.size()));
  if (is_new) states_.push_back({std::move(stacks), accepts, {}});
  return known->second;
}

GrammarMachine::State GrammarMachine::step(State state, int symbol) {
  StateData& from = states_[static_cast<size_t>(state)];
  if (from.next.empty()) from.next.assign(kGrammarSymbols, kUnknown);
  const State known = from.next[static_cast<size_t>(symbol)];
  if (known != kUnknown) return known;
  std::vector<int32_t> stacks;
  bool accepts = false;
  expanded_.clear();
  const std::vector<int32_t> tops = from.stacks;  // states_ may move below
  for (const int32_t stack : tops) {
    const Node node = nodes_[static_cast<size_t>(stack)];
    const Grammar::Element& e = grammar_->elements[static_cast<size_t>(node.element)];
    if (!grammar_->sets[static_cast<size_t>(e.set)][static_cast<size_t>(symbol)]) continue;
    expand(node.element + 1, node.below, stacks, accepts);
  }
  const State next = intern(std::move(stacks), accepts);
  states_[static_cast<size_t>(state)].next[static_cast<size_t>(symbol)] = next;
  return next;
}

}  // namespace fathom
