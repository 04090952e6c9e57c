#pragma once
/// A grammar as a mask over the tokens of a vocabulary.

#include <memory>
#include <vector>

#include "engine/serving/grammar.h"
#include "engine/serving/token_constraint.h"
#include "text/tokenizer.h"

namespace fathom {

/// The texts of a vocabulary's tokens as a tree of bytes. Added tokens are not in it: they are no text.
class TokenTree {
 public:
  explicit TokenTree(const Tokenizer& tokenizer);

  struct Node {
    int32_t first_child = -1, next_sibling = -1;
    int32_t token = -1;  ///< that ends here (of several with one text: the first)
    uint8_t byte = 0;
  };
  const std::vector<Node>& nodes() const { return nodes_; }
  int32_t vocab_size() const { return vocab_size_; }

 private:
  std::vector<Node> nodes_;
  int32_t vocab_size_;
};

class GrammarConstraint final : public TokenConstraint {
 public:
  GrammarConstraint(std::shared_ptr<const Tokenizer> tokenizer, std::shared_ptr<const TokenTree> tree,
                    std::shared_ptr<const Grammar> grammar, std::vector<int32_t> stop_tokens);
  std::span<const uint64_t> allowed() override;
  void accept(int32_t id) override;
  /// Advances over a text that is there already. False: the grammar does not take it.
  bool advance(std::string_view text);

 private:
  std::shared_ptr<const Tokenizer> tokenizer_;
  std::shared_ptr<const TokenTree> tree_;
  GrammarMachine machine_;
  std::vector<int32_t> stop_tokens_;
  std::optional<int32_t> markup_;  // the DSML token
  GrammarMachine::State state_;
  std::vector<uint64_t> mask_;
};

/// Either of several: whatever one of them allows; those that do not allow what was taken are out.
class EitherConstraint final : public TokenConstraint {
 public:
  explicit EitherConstraint(std::vector<std::shared_ptr<TokenConstraint>> constraints)
      : left_(std::move(constraints)) {}
  std::span<const uint64_t> allowed() override;
  void accept(int32_t id) override;

 private:
  std::vector<std::shared_ptr<TokenConstraint>> left_;
  std::vector<std::vector<uint64_t>> masks_;  // of left_, at the last call of allowed()
  std::vector<uint64_t> mask_;
};

}  // namespace fathom
