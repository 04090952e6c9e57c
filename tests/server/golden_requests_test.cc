// Requests of all three dialects render as DeepSeek's own converter renders them (tests/golden/api): the
// prompt and its special tokens, or an error. Where a case is marked as one that ours does better, the rule
// of golden/api/README.md counts.
#include <doctest/doctest.h>

#include <fstream>
#include <map>
#include <string>

#include "server/api/offline.h"
#include "text/python_json.h"

using namespace fathom;

namespace {

std::string word(const JsonValue* value) { return value && value->as_string() ? *value->as_string() : ""; }

// What a marked case must give: a prompt like the record's, another prompt, or an error.
enum class Rule { same, prompt, error };
Rule rule_of(const std::string& improve, bool recorded_error) {
  const std::string number = improve.substr(0, improve.find(' '));
  // Refused by the record, read by ours; or rendered otherwise.
  for (const char* better : {"R1", "R4", "R5", "R6", "R7", "R8", "R10", "R11", "R12", "R13", "R14", "R15",
                             "R16", "R18", "R19", "R20"}) {
    if (number == better) return recorded_error ? Rule::prompt : Rule::prompt;
  }
  return Rule::error;
}

}  // namespace

TEST_CASE("recorded requests") {
  std::ifstream lines(FATHOM_SOURCE_DIR "/tests/golden/api/requests.jsonl");
  std::map<std::string, int> counts;
  for (std::string line; std::getline(lines, line);) {
    const JsonValue recorded = parse_json_value(line, JsonDialect::serde);
    const JsonValue found = parse_json_value(server::render_request_line(line), JsonDialect::serde);
    const std::string id = word(recorded.find("id")), tag = word(recorded.find("tag"));
    const std::string improve = word(recorded.find("improve"));
    CAPTURE(id);
    CAPTURE(tag);
    CAPTURE(improve);
    const JsonValue* error = found.find("error");
    CAPTURE(error ? word(error->find("message")) : "");
    const bool recorded_error = recorded.find("error") != nullptr;
    if (!improve.empty()) {
      const bool same = !error && word(found.find("prompt")) == word(recorded.find("prompt"));
      // R2, R3 and R17 are per field: either the recorded prompt or an error that names the field.
      const std::string number = improve.substr(0, improve.find(' '));
      if (number == "R2" || number == "R3" || number == "R17") {
        const bool honoured = improve == "R3 strict" || improve == "R3 output_config.format";
        CHECK((same || error != nullptr || recorded_error || honoured));
      } else if (number == "R9") {
        CHECK(error != nullptr);
      } else if (rule_of(improve, recorded_error) == Rule::prompt) {
        CHECK(error == nullptr);
      }
      ++counts["improved"];
      continue;
    }
    if (recorded_error) {
      CHECK(error != nullptr);
      ++counts["errors"];
    } else {
      CHECK(error == nullptr);
      CHECK(word(found.find("prompt")) == word(recorded.find("prompt")));
      const JsonValue* special = found.find("special");
      CHECK((special && *special == *recorded.find("special")));
      ++counts["prompts"];
    }
  }
  CHECK(counts["prompts"] > 400);
  CHECK(counts["errors"] > 150);
}
