// Which grammars can be read from left to right.
#include "base/error.h"
#include "engine/serving/grammar.h"

namespace fathom {
namespace {

// What a rule may begin with. `grows`: something follows it, so a stack grows on the way.
struct Edge {
  size_t to;
  bool grows;
};

class Beginnings {
 public:
  explicit Beginnings(const Grammar& grammar) : grammar_(grammar), nullable_(grammar.rules.size(), false) {
    find_nullable();
    edges_.resize(grammar_.rules.size());
    for (size_t r = 0; r < edges_.size(); ++r) {
      for (const int32_t first : grammar_.rules[r]) add_edges(r, static_cast<size_t>(first));
    }
  }

  /// Numbers of the strongly connected parts (Tarjan), without recursion.
  std::vector<size_t> parts() const {
    const size_t count = edges_.size();
    constexpr size_t kNone = SIZE_MAX;
    std::vector<size_t> order(count, kNone), low(count, 0), part(count, kNone), stack;
    size_t clock = 0, found = 0;
    for (size_t start = 0; start < count; ++start) {
      if (order[start] != kNone) continue;
      std::vector<std::pair<size_t, size_t>> path{{start, 0}};
      while (!path.empty()) {
        const auto [rule, next] = path.back();
        if (next == 0) {
          order[rule] = low[rule] = clock++;
          stack.push_back(rule);
        }
        if (next < edges_[rule].size()) {
          ++path.back().second;
          const size_t to = edges_[rule][next].to;
          if (order[to] == kNone) {
            path.emplace_back(to, 0);
          } else if (part[to] == kNone) {
            low[rule] = std::min(low[rule], order[to]);
          }
          continue;
        }
        path.pop_back();
        if (!path.empty()) low[path.back().first] = std::min(low[path.back().first], low[rule]);
        if (low[rule] != order[rule]) continue;
        while (part[rule] == kNone) {
          part[stack.back()] = found;
          stack.pop_back();
        }
        ++found;
      }
    }
    return part;
  }
  const std::vector<std::vector<Edge>>& edges() const { return edges_; }

 private:
  const Grammar::Element& element(size_t i) const { return grammar_.elements[i]; }
  bool is_end(size_t i) const { return element(i).rule < 0 && element(i).set < 0; }

  void find_nullable() {
    for (bool changed = true; changed;) {
      changed = false;
      for (size_t r = nullable_.size(); r-- > 0;) {
        for (size_t i = 0; i < grammar_.rules[r].size() && !nullable_[r]; ++i) {
          auto e = static_cast<size_t>(grammar_.rules[r][i]);
          while (element(e).rule >= 0 && nullable_[static_cast<size_t>(element(e).rule)]) ++e;
          if (is_end(e)) nullable_[r] = changed = true;
        }
      }
    }
  }
  void add_edges(size_t rule, size_t e) {
    for (; element(e).rule >= 0; ++e) {
      const auto to = static_cast<size_t>(element(e).rule);
      edges_[rule].push_back({to, !is_end(e + 1)});
      if (!nullable_[to]) return;
    }
  }

  const Grammar& grammar_;
  std::vector<bool> nullable_;
  std::vector<std::vector<Edge>> edges_;
};

// Whether some text is complete: rules that only lead to themselves have none.
bool ends(const Grammar& grammar) {
  std::vector<bool> ends(grammar.rules.size(), false);
  for (bool changed = true; changed;) {
    changed = false;
    for (size_t r = ends.size(); r-- > 0;) {
      for (size_t i = 0; i < grammar.rules[r].size() && !ends[r]; ++i) {
        auto e = static_cast<size_t>(grammar.rules[r][i]);
        const auto element = [&] { return grammar.elements[e]; };
        while (element().set >= 0 || (element().rule >= 0 && ends[static_cast<size_t>(element().rule)])) ++e;
        if (element().set < 0 && element().rule < 0) ends[r] = changed = true;
      }
    }
  }
  return ends[static_cast<size_t>(grammar.root)];
}

}  // namespace

void check_recursion(const Grammar& grammar) {
  if (!ends(grammar)) bad_input("grammar: expected a root that some text fulfils, found none");
  const Beginnings beginnings(grammar);
  const std::vector<size_t> parts = beginnings.parts();
  for (size_t r = 0; r < parts.size(); ++r) {
    for (const Edge& edge : beginnings.edges()[r]) {
      if (edge.grows && parts[edge.to] == parts[r])
        bad_input("grammar: expected rules that do not begin with themselves, found one");
    }
  }
}

}  // namespace fathom
