// JSON schemas as grammars: what an answer may be and what not (schemas.jsonl), what cannot be held, and
// bounds against the numbers themselves.
#include "server/service/schema_grammar.h"

#include <doctest/doctest.h>
#include <fmt/core.h>

#include <fstream>
#include <functional>

#include "base/error.h"
#include "engine/serving/grammar.h"
#include "server/api/api_error.h"
#include "server/service/number_grammar.h"

using namespace fathom;
using server::Decimal;
using server::NumberBounds;

namespace {

class Machine {
 public:
  explicit Machine(const std::string& gbnf) : machine_(Grammar::parse(gbnf)) {}
  bool accepts(std::string_view text) {
    GrammarMachine::State state = machine_.start();
    for (const char c : text) {
      if (state == GrammarMachine::kDead) return false;
      state = machine_.step(state, static_cast<unsigned char>(c));
    }
    return state != GrammarMachine::kDead && machine_.accepts(state);
  }

 private:
  GrammarMachine machine_;
};

std::vector<std::string> texts(const JsonValue& line, const char* key) {
  std::vector<std::string> out;
  const JsonValue* list = line.find(key);
  if (!list) return out;
  for (const JsonValue& text : *list->as_array()) out.push_back(*text.as_string());
  return out;
}

std::string refused(const std::string& schema, bool strict = false) {
  std::vector<std::string> unenforced;
  try {
    server::schema_grammar(parse_json_value(schema, JsonDialect::serde), "schema", strict, unenforced);
  } catch (const server::ApiError& error) {
    return fmt::format("{} {}", error.status, error.message);
  }
  return "";
}

Decimal tenths(int64_t value) { return {value, 1}; }

}  // namespace

TEST_CASE("schemas accept and refuse") {
  std::ifstream lines(FATHOM_SOURCE_DIR "/tests/server/schemas.jsonl");
  int count = 0;
  for (std::string line; std::getline(lines, line); ++count) {
    const JsonValue entry = parse_json_value(line, JsonDialect::serde);
    CAPTURE(dump_json(*entry.find("schema")));
    std::vector<std::string> unenforced;
    const std::string gbnf = server::schema_grammar(*entry.find("schema"), "schema", false, unenforced);
    CHECK(unenforced == texts(entry, "unenforced"));
    Machine machine(gbnf);
    for (const std::string& text : texts(entry, "accepts")) {
      CAPTURE(text);
      CHECK(machine.accepts(text));
    }
    for (const std::string& text : texts(entry, "refuses")) {
      CAPTURE(text);
      CHECK_FALSE(machine.accepts(text));
    }
  }
  CHECK(count > 50);
}

TEST_CASE("long counts are held exactly") {
  std::vector<std::string> unenforced;
  const auto schema =
      parse_json_value(R"({"type":"string","minLength":2500,"maxLength":4100})", JsonDialect::serde);
  Machine machine(server::schema_grammar(schema, "schema", true, unenforced));
  for (const auto& [length, good] : std::vector<std::pair<size_t, bool>>{{0, false},
                                                                         {2499, false},
                                                                         {2500, true},
                                                                         {3499, true},
                                                                         {3500, true},
                                                                         {4100, true},
                                                                         {4101, false}}) {
    CAPTURE(length);
    CHECK(machine.accepts("\"" + std::string(length, 'x') + "\"") == good);
  }
}

TEST_CASE("numbers between bounds are those that compare so") {
  for (const auto& [least, most] : std::vector<std::pair<int64_t, int64_t>>{
           {-25, 37}, {0, 0}, {5, 5}, {-31, -9}, {99, 1203}, {-1, 1}, {10, 19}, {-1000, 1}}) {
    for (const bool out : {false, true}) {
      CAPTURE(least);
      CAPTURE(most);
      CAPTURE(out);
      const NumberBounds bounds{tenths(least), tenths(most), out, out};
      const std::string whole = server::integer_grammar(bounds), any = server::number_grammar(bounds);
      for (int64_t i = -1300; i <= 1300; ++i) {
        const bool in = out ? i > least && i < most : i >= least && i <= most;
        const int64_t size = i < 0 ? -i : i;
        const std::string text = fmt::format("{}{}.{}", i < 0 ? "-" : "", size / 10, size % 10);
        if (any.empty()) {
          REQUIRE_FALSE(in);
          continue;
        }
        static std::string made;
        static std::unique_ptr<Machine> machine;
        if (made != any) machine = std::make_unique<Machine>("root ::= " + any + "\n"), made = any;
        REQUIRE(machine->accepts(text) == in);
        if (i % 10 == 0) REQUIRE(machine->accepts(std::to_string(i / 10)) == in);
      }
      if (!whole.empty()) {
        Machine machine("root ::= " + whole + "\n");
        for (int64_t i = -130; i <= 130; ++i) {
          const bool in = out ? i * 10 > least && i * 10 < most : i * 10 >= least && i * 10 <= most;
          REQUIRE(machine.accepts(std::to_string(i)) == in);
        }
      }
    }
  }
}

TEST_CASE("what cannot be held is refused with its place, or said") {
  CHECK(refused(R"({"type":"integer","minimum":5,"maximum":4})").starts_with("400 "));
  CHECK(refused(R"({"type":"number","exclusiveMinimum":1,"exclusiveMaximum":1})").starts_with("400 "));
  CHECK(refused(R"({"allOf":[]})").find("'/allOf'") != std::string::npos);
  CHECK(refused(R"({"allOf":[{"type":"string"},{"type":"null"}]})") != "");
  CHECK(refused(R"j({"type":"string","pattern":"(?=a)"})j", true).find("'/pattern'") != std::string::npos);
  CHECK(refused(R"({"type":"string","format":"colour"})", true).find("'/format'") != std::string::npos);
  CHECK(refused(R"({"type":"string","format":"date"})", true) == "");
  CHECK(refused(R"({"type":"array","minItems":3,"prefixItems":[{}],"items":false})") != "");
  CHECK(refused(R"({"type":"array","minItems":1000001})").starts_with("422 "));
  CHECK(refused(R"({"$ref":"#","type":"object"})").starts_with("422 "));  // itself and more, without end
  CHECK(
      refused(R"({"$defs":{"a":{"$ref":"#/$defs/a"}},"allOf":[{"$ref":"#/$defs/a"}]})").starts_with("422 "));
}
