#include "train/recipe_fields.h"

#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/json_reader.h"

namespace fathom {

RecipeReader::RecipeReader(const nlohmann::json& object, std::string path)
    : object_(object), path_(std::move(path)) {
  if (!object.is_object()) JsonField(object, path_.empty() ? "recipe" : path_).refuse("an object");
}
RecipeReader::~RecipeReader() = default;

const nlohmann::json* RecipeReader::find(const char* key) {
  known_.insert(key);
  const auto it = object_.find(key);
  return it == object_.end() || it->is_null() ? nullptr : &*it;
}

void RecipeReader::integer(const char* key, int64_t low, int64_t high, int64_t& value) {
  if (const auto* member = find(key)) value = JsonField(*member, path_of(key)).integer(low, high);
}
void RecipeReader::seed(const char* key, uint64_t& value) {
  if (const auto* member = find(key)) {
    value = static_cast<uint64_t>(JsonField(*member, path_of(key)).integer(0, INT64_MAX));
  }
}
void RecipeReader::number(const char* key, double low, double high, double& value) {
  if (const auto* member = find(key)) value = JsonField(*member, path_of(key)).number(low, high);
}
void RecipeReader::boolean(const char* key, bool& value) {
  if (const auto* member = find(key)) value = JsonField(*member, path_of(key)).boolean();
}
void RecipeReader::text(const char* key, std::string& value) {
  if (const auto* member = find(key)) value = JsonField(*member, path_of(key)).text();
}
void RecipeReader::word(const char* key, const std::vector<std::string_view>& words, int64_t& value) {
  const auto* member = find(key);
  if (member == nullptr) return;
  const JsonField field(*member, path_of(key));
  const std::string found = field.text();
  std::string known;
  for (size_t i = 0; i < words.size(); ++i) {
    if (found == words[i]) {
      value = static_cast<int64_t>(i);
      return;
    }
    known += (i == 0 ? "" : i + 1 == words.size() ? " or " : ", ") + std::string(words[i]);
  }
  field.refuse(known);
}
void RecipeReader::json(const char* key, std::string& value) {
  if (const auto* member = find(key)) value = member->dump();
}
void RecipeReader::texts(const char* key, std::vector<std::string>& value) {
  if (const auto* member = find(key)) {
    value.clear();
    for (const JsonField& each : JsonField(*member, path_of(key)).elements(10000))
      value.push_back(each.text());
  }
}
void RecipeReader::numbers(const char* key, double low, double high, std::map<std::string, double>& value) {
  const auto* member = find(key);
  if (member == nullptr) return;
  if (!member->is_object()) JsonField(*member, path_of(key)).refuse("an object of numbers");
  for (const auto& [name, each] : member->items()) {
    value[name] = JsonField(each, path_of(key) + "." + printable(name)).number(low, high);
  }
}

size_t RecipeReader::length(const char* key) {
  const auto* member = find(key);
  return member == nullptr ? 0 : JsonField(*member, path_of(key)).elements(10000).size();
}
const nlohmann::json& RecipeReader::element(const char* key, size_t i) { return object_.at(key).at(i); }

std::vector<std::string> RecipeReader::names(const char* key) {
  std::vector<std::string> names;
  const auto* member = find(key);
  if (member == nullptr) return names;
  if (!member->is_object()) JsonField(*member, path_of(key)).refuse("an object");
  for (const auto& [name, each] : member->items()) names.push_back(name);
  return names;
}
std::shared_ptr<const nlohmann::json> RecipeReader::source(const char* key, const std::string& name) {
  const nlohmann::json& member = object_.at(key).at(name);
  if (member.is_string()) return std::make_shared<const nlohmann::json>(nlohmann::json{{"path", member}});
  return std::make_shared<const nlohmann::json>(member);
}

void RecipeReader::finish() const {
  for (const auto& [key, value] : object_.items()) {
    if (known_.contains(key)) continue;
    std::string known;
    for (const std::string& each : known_) known += (known.empty() ? "" : ", ") + each;
    bad_input("{}: expected one of {}, found an unknown key", path_of(printable(key)), known);
  }
}

RecipeWriter::RecipeWriter()
    : object_(std::make_unique<nlohmann::ordered_json>(nlohmann::ordered_json::object())) {}
RecipeWriter::~RecipeWriter() = default;
void RecipeWriter::integer(const char* key, int64_t, int64_t, int64_t& value) { (*object_)[key] = value; }
void RecipeWriter::seed(const char* key, uint64_t& value) { (*object_)[key] = value; }
void RecipeWriter::number(const char* key, double, double, double& value) { (*object_)[key] = value; }
void RecipeWriter::boolean(const char* key, bool& value) { (*object_)[key] = value; }
void RecipeWriter::text(const char* key, std::string& value) {
  if (!value.empty()) (*object_)[key] = value;
}
void RecipeWriter::word(const char* key, const std::vector<std::string_view>& words, int64_t& value) {
  (*object_)[key] = words[static_cast<size_t>(value)];
}
void RecipeWriter::json(const char* key, std::string& value) {
  if (!value.empty()) (*object_)[key] = nlohmann::ordered_json::parse(value);
}
void RecipeWriter::texts(const char* key, std::vector<std::string>& value) {
  if (!value.empty()) (*object_)[key] = value;
}
void RecipeWriter::numbers(const char* key, double, double, std::map<std::string, double>& value) {
  if (!value.empty()) (*object_)[key] = value;
}
void RecipeWriter::add(const char* key, RecipeWriter& writer) { (*object_)[key] = *writer.object_; }
void RecipeWriter::begin_list(const char* key) { (*object_)[key] = nlohmann::ordered_json::array(); }
void RecipeWriter::push(const char* key, RecipeWriter& writer) { (*object_)[key].push_back(*writer.object_); }
nlohmann::ordered_json RecipeWriter::take() { return std::move(*object_); }

}  // namespace fathom
