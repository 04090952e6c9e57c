#pragma once
/// Writes JSON schemas as rules of one GBNF grammar. Only for the files schema_*.cc.

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "text/python_json.h"

namespace fathom::server {

/// Rules of JSON that every grammar may use: ws, value, object, pair, array, string, char, integer, number.
extern const std::string_view kJsonRules;

/// A text as a GBNF literal.
std::string gbnf_literal(std::string_view text);

class SchemaWriter {
 public:
  /// @param strict a keyword that cannot be held is an error; else its pointer is added to `unenforced`, if
  /// there is one
  SchemaWriter(std::string path, bool strict, std::vector<std::string>* unenforced)
      : path_(std::move(path)), strict_(strict), unenforced_(unenforced) {}

  /// A value of a schema as an expression over the rules of grammar().
  std::string value(const JsonValue& schema);
  std::string grammar(const std::string& top) const;
  /// A rule of its own for what is used several times.
  std::string add_rule(const std::string& body);

 private:
  struct Rule {
    std::string name, body;
  };

  [[noreturn]] void refuse_at(const std::string& pointer, std::string_view what) const;
  [[noreturn]] void too_complex(const std::string& pointer) const;
  int64_t count(const JsonValue& schema, const char* key, int64_t otherwise,
                const std::string& pointer) const;
  // As a GBNF expression.
  std::string expression(const JsonValue& schema, const std::string& pointer, int depth);
  // Keywords that the grammar cannot hold are refused, or said in the answer where the schema is not strict.
  void check_keywords(const JsonValue& schema, const std::string& pointer) const;
  void not_held(const std::string& place) const;
  void not_held(const std::string& pointer, const std::vector<std::string>& keys) const;
  static JsonValue without(const JsonValue& schema, std::string_view key);
  // Whether anything in a schema is more than a note or a place for definitions.
  static bool demands(const JsonValue& schema);
  JsonValue joined_with(const JsonValue& a, const JsonValue& b, const std::string& pointer);
  // A schema that is but a reference as what it refers to.
  JsonValue resolved(const JsonValue& schema, const std::string& pointer, int depth);
  const JsonValue& target_of(const JsonValue& reference, const std::string& pointer) const;
  std::string referenced(const JsonValue& reference, const std::string& pointer, int depth);
  std::string typed(const JsonValue& schema, const std::string& type, const std::string& pointer, int depth);
  // `item`, a name, so many times; most < 0: without end. Large counts are blocks in turn, or a grammar would
  // grow with them.
  std::string repeated(const std::string& item, int64_t least, int64_t most);
  // A list of items with commas between them.
  std::string listed(const std::string& item, int64_t least, int64_t most);
  std::string pair_of(const std::string& key, const std::string& value) const;
  // An object whose names are not known.
  std::string free_object(const JsonValue& schema, const std::string& pointer, int depth, int64_t least,
                          int64_t most);
  // Properties in the schema's order; those that are not required may be left out. With a comma between those
  // that come, whichever they are: one rule says what may follow the first i properties if some of them came.
  std::string object(const JsonValue& schema, const std::string& pointer, int depth);
  std::string array(const JsonValue& schema, const std::string& pointer, int depth);

  const JsonValue* root_ = nullptr;
  int64_t roots_ = 0;
  std::string path_;
  bool strict_;
  std::vector<std::string>* unenforced_;
  std::map<std::string, Rule> rules_;  // by schema and reference, or "=" and the body
  int64_t nodes_ = 0, names_ = 0;
  std::string more_rules_;  // whole lines
};

}  // namespace fathom::server
