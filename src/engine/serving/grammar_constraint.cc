#include "engine/serving/grammar_constraint.h"

#include <algorithm>

#include "base/error.h"
#include "text/protocol_strings.h"

namespace fathom {

TokenTree::TokenTree(const Tokenizer& tokenizer) : nodes_(1), vocab_size_(tokenizer.vocab_size()) {
  std::vector<std::pair<std::string_view, int32_t>> texts;
  for (int32_t id = 0; id < vocab_size_; ++id) {
    const std::string_view text = tokenizer.token_bytes(id);
    if (!text.empty() && tokenizer.id_of(text) != id) texts.emplace_back(text, id);
  }
  std::ranges::sort(texts);
  std::vector<int32_t> path{0};  // nodes of the last text
  std::string_view last;
  for (const auto& [text, id] : texts) {
    const auto common = static_cast<size_t>(std::ranges::mismatch(text, last).in1 - text.begin());
    path.resize(std::min(common, last.size()) + 1);
    for (size_t i = path.size() - 1; i < text.size(); ++i) {
      Node node;
      node.byte = static_cast<uint8_t>(text[i]);
      node.next_sibling = nodes_[static_cast<size_t>(path.back())].first_child;
      const auto index = static_cast<int32_t>(nodes_.size());
      nodes_[static_cast<size_t>(path.back())].first_child = index;
      nodes_.push_back(node);
      path.push_back(index);
    }
    if (nodes_[static_cast<size_t>(path.back())].token < 0)
      nodes_[static_cast<size_t>(path.back())].token = id;
    last = text;
  }
}

GrammarConstraint::GrammarConstraint(std::shared_ptr<const Tokenizer> tokenizer,
                                     std::shared_ptr<const TokenTree> tree,
                                     std::shared_ptr<const Grammar> grammar, std::vector<int32_t> stop_tokens)
    : tokenizer_(std::move(tokenizer)),
      tree_(std::move(tree)),
      machine_(std::move(grammar)),
      stop_tokens_(std::move(stop_tokens)),
      markup_(tokenizer_->id_of(protocol::kDsml)),
      state_(machine_.start()),
      mask_(static_cast<size_t>((tree_->vocab_size() + 63) / 64)) {}

std::span<const uint64_t> GrammarConstraint::allowed() {
  std::ranges::fill(mask_, 0);
  const auto allow = [&](int32_t id) { mask_[static_cast<size_t>(id) / 64] |= uint64_t{1} << (id % 64); };
  const auto& nodes = tree_->nodes();
  struct Visit {
    int32_t node;
    GrammarMachine::State state;
  };
  std::vector<Visit> open{{0, state_}};
  while (!open.empty()) {
    const Visit visit = open.back();
    open.pop_back();
    for (int32_t child = nodes[static_cast<size_t>(visit.node)].first_child; child >= 0;
         child = nodes[static_cast<size_t>(child)].next_sibling) {
      const TokenTree::Node& node = nodes[static_cast<size_t>(child)];
      const auto state = machine_.step(visit.state, node.byte);
      if (state == GrammarMachine::kDead) continue;
      if (node.token >= 0) allow(node.token);
      if (node.first_child >= 0) open.push_back({child, state});
    }
  }
  if (markup_ && machine_.step(state_, kMarkupSymbol) != GrammarMachine::kDead) allow(*markup_);
  const bool nothing = std::ranges::all_of(mask_, [](uint64_t word) { return word == 0; });
  if (machine_.accepts(state_) || nothing) {
    for (const int32_t id : stop_tokens_) allow(id);
  }
  return mask_;
}

void GrammarConstraint::accept(int32_t id) {
  if (std::ranges::find(stop_tokens_, id) != stop_tokens_.end()) return;
  if (markup_ == id) {
    state_ = machine_.step(state_, kMarkupSymbol);
    FATHOM_CHECK(state_ != GrammarMachine::kDead);
    return;
  }
  FATHOM_CHECK(advance(tokenizer_->token_bytes(id)));
}

bool GrammarConstraint::advance(std::string_view text) {
  for (const char c : text) {
    const auto next = machine_.step(state_, static_cast<unsigned char>(c));
    if (next == GrammarMachine::kDead) return false;
    state_ = next;
  }
  return true;
}

std::span<const uint64_t> EitherConstraint::allowed() {
  masks_.clear();
  mask_.clear();
  for (const auto& constraint : left_) {
    const std::span<const uint64_t> own = constraint->allowed();
    masks_.emplace_back(own.begin(), own.end());
    mask_.resize(own.size());
    for (size_t i = 0; i < own.size(); ++i) mask_[i] |= own[i];
  }
  return mask_;
}

void EitherConstraint::accept(int32_t id) {
  if (masks_.size() != left_.size()) (void)allowed();
  std::vector<std::shared_ptr<TokenConstraint>> taken;
  for (size_t i = 0; i < left_.size(); ++i) {
    const auto word = masks_[i][static_cast<size_t>(id) / 64];
    if ((word >> (id % 64) & 1) == 0) continue;
    left_[i]->accept(id);
    taken.push_back(left_[i]);
  }
  FATHOM_CHECK(!taken.empty());
  left_ = std::move(taken);
  masks_.clear();
}

}  // namespace fathom
