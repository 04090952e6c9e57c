// Grammars: which texts they take, byte by byte, and the mask over a vocabulary.
#include "engine/serving/grammar.h"

#include <doctest/doctest.h>

#include "base/error.h"
#include "engine/serving/grammar_constraint.h"

using namespace fathom;

namespace {

bool takes(const std::string& gbnf, std::string_view text) {
  GrammarMachine machine(Grammar::parse(gbnf));
  auto state = machine.start();
  for (const char c : text) {
    state = machine.step(state, static_cast<unsigned char>(c));
    if (state == GrammarMachine::kDead) return false;
  }
  return machine.accepts(state);
}

}  // namespace

TEST_CASE("what a grammar takes") {
  CHECK(takes("root ::= \"a\" \"b\"? [c-e]*", "abcde"));
  CHECK(takes("root ::= \"a\" \"b\"? [c-e]*", "a"));
  CHECK_FALSE(takes("root ::= \"a\" \"b\"? [c-e]*", "abf"));
  CHECK(takes("root ::= item{2,3}\nitem ::= \"x\" | \"y\" # a comment", "xyx"));
  CHECK_FALSE(takes("root ::= item{2,3}\nitem ::= \"x\" | \"y\"", "x"));
  CHECK_FALSE(takes("root ::= item{2,3}\nitem ::= \"x\" | \"y\"", "xxxx"));
  CHECK(takes("root ::= \"(\" root \")\" | \"\"", "((()))"));
  CHECK_FALSE(takes("root ::= \"(\" root \")\" | \"\"", "((())"));
  CHECK(takes("root ::= [^a]+", "bé€😀"));
  CHECK_FALSE(takes("root ::= [^a]+", "ba"));
  CHECK(takes("root ::= [α-ω]{3}", "λογ"));
  CHECK_FALSE(takes("root ::= [^a]+", "\xED\xA0\x80"));  // a surrogate
  CHECK(takes("root ::= \"a\"\n  | \"b\"\n", "b"));
  CHECK(takes("root ::= . .", "é😀"));
}

TEST_CASE("long texts and ambiguous grammars take linear time") {
  CHECK(takes("root ::= (\"a\"*)* \"b\"", std::string(100'000, 'a') + "b"));
  GrammarMachine machine(Grammar::parse("root ::= list\nlist ::= \"[\" (list (\",\" list)*)? \"]\""));
  auto state = machine.start();
  for (int i = 0; i < 10'000; ++i) state = machine.step(state, '[');
  CHECK_FALSE(machine.accepts(state));
  for (int i = 0; i < 10'000; ++i) state = machine.step(state, ']');
  CHECK(machine.accepts(state));
}

TEST_CASE("what is no grammar") {
  for (const char* bad : {"", "root", "root ::= \"a", "root ::= [a", "root ::= other", "other ::= \"a\"",
                          "root ::= root \"a\" | \"b\"", "root ::= x root\nx ::= \"a\"?", "root ::= (\"a\"",
                          "root ::= \"a\"{3,1}", "root ::= \"\\q\"", "root ::= \"a\"\nroot ::= \"b\""}) {
    CAPTURE(std::string(bad));
    CHECK_THROWS_AS(Grammar::parse(bad), Error);
  }
  CHECK_THROWS_AS(Grammar::parse("root ::= \"a\"{99999}"), Error);
}

TEST_CASE("the mask of a vocabulary allows what the grammar goes on with") {
  const auto folder = std::string(FATHOM_SOURCE_DIR) + "/models/v4-10m";
  const auto tokenizer = Tokenizer::open(folder);
  const auto tree = std::make_shared<const TokenTree>(*tokenizer);
  GrammarConstraint constraint(tokenizer, tree, Grammar::parse("root ::= \"yes\" | \"no\" [0-9]+"), {1});
  const auto allows = [&](int32_t id) {
    return (constraint.allowed()[static_cast<size_t>(id) / 64] >> (id % 64) & 1) != 0;
  };
  const auto one = [&](const char* text) { return tokenizer->encode(text, false).at(0); };
  CHECK(allows(one("y")));
  CHECK(allows(one("n")));
  CHECK_FALSE(allows(one("x")));
  CHECK_FALSE(allows(1));
  CHECK(constraint.advance("no"));
  CHECK_FALSE(allows(1));
  CHECK(allows(one("7")));
  CHECK_FALSE(allows(one("a")));
  constraint.accept(one("7"));
  CHECK(allows(1));
  CHECK(allows(one("3")));
  CHECK_FALSE(allows(*tokenizer->id_of("<think>")));
  CHECK_FALSE(constraint.advance("x"));
}
