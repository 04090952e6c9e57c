#include "train/train_state.h"

#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/json_reader.h"

namespace fathom {
namespace {

constexpr size_t kMaxAnswers = 1 << 20, kMaxTokens = 1 << 24;

nlohmann::ordered_json practice_json(const std::vector<Row>& steps) {
  nlohmann::ordered_json out = nlohmann::ordered_json::array();
  for (const Row& row : steps) {
    nlohmann::ordered_json documents = nlohmann::ordered_json::array();
    for (const RowDocument& d : row) {
      documents.push_back({{"tokens", d.tokens},
                           {"labels", d.labels},
                           {"advantage", d.credit.advantage},
                           {"sampled", d.credit.sampled},
                           {"reference", d.credit.reference}});
    }
    out.push_back(std::move(documents));
  }
  return out;
}

std::vector<int32_t> ids_from(const JsonField& list) {
  std::vector<int32_t> ids;
  for (const JsonField& each : list.elements(kMaxTokens))
    ids.push_back(static_cast<int32_t>(each.integer(kUnlearned, INT32_MAX)));
  return ids;
}
std::vector<double> numbers_from(const JsonField& list) {
  std::vector<double> numbers;
  for (const JsonField& each : list.elements(kMaxTokens)) numbers.push_back(each.number(-1e300, 1e300));
  return numbers;
}

std::vector<Row> practice_from(const JsonField& steps) {
  std::vector<Row> out;
  for (const JsonField& step : steps.elements(kMaxAnswers)) {
    Row& row = out.emplace_back();
    for (const JsonField& d : step.elements(kMaxAnswers)) {
      row.push_back({ids_from(d.at("tokens")),
                     ids_from(d.at("labels")),
                     {d.at("advantage").number(-1e300, 1e300), numbers_from(d.at("sampled")),
                      numbers_from(d.at("reference"))}});
    }
  }
  return out;
}

}  // namespace

std::string to_json(const TrainState& s) {
  nlohmann::ordered_json sources = nlohmann::ordered_json::array(), waiting = sources;
  for (const auto& each : s.data.sources) sources.push_back({{"next", each.next}, {"tokens", each.tokens}});
  for (const auto& each : s.data.waiting) {
    waiting.push_back({{"source", each.source}, {"index", each.index}, {"salt", each.salt}});
  }
  const nlohmann::ordered_json out = {
      {"stage", s.stage},
      {"stage_step", s.stage_step},
      {"step", s.step},
      {"tokens", s.tokens},
      {"skipped", s.skipped},
      {"rollbacks", s.rollbacks},
      {"anticipate_left", s.anticipate_left},
      {"data", {{"salt", s.data.salt}, {"rows", s.data.rows}, {"sources", sources}, {"waiting", waiting}}},
      {"guard", {{"loss", s.guard_loss}, {"norm", s.guard_norm}, {"skipped", s.guard_skipped}}},
      {"practice", practice_json(s.practice)},
      {"log_bytes", s.log_bytes}};
  return out.dump(1) + "\n";
}

TrainState train_state_from_json(std::string_view text, const std::string& where) {
  constexpr int64_t kMany = int64_t{1} << 60;
  const nlohmann::json document = in_context(where, [&] { return parse_json(text, 16, size_t{1} << 28); });
  const JsonField root(document, where);
  const auto count = [](const JsonField& at, const char* key) { return at.at(key).integer(0, kMany); };
  TrainState s;
  s.stage = count(root, "stage");
  s.stage_step = count(root, "stage_step");
  s.step = count(root, "step");
  s.tokens = count(root, "tokens");
  s.skipped = count(root, "skipped");
  s.rollbacks = count(root, "rollbacks");
  s.anticipate_left = count(root, "anticipate_left");
  s.log_bytes = count(root, "log_bytes");
  const JsonField data = root.at("data"), guard = root.at("guard");
  s.data.salt = static_cast<uint64_t>(count(data, "salt"));
  s.data.rows = count(data, "rows");
  for (const JsonField& each : data.at("sources").elements(10000)) {
    s.data.sources.push_back({static_cast<uint64_t>(count(each, "next")), count(each, "tokens")});
  }
  for (const JsonField& each : data.at("waiting").elements(100000)) {
    s.data.waiting.push_back({count(each, "source"), static_cast<uint64_t>(count(each, "index")),
                              static_cast<uint64_t>(count(each, "salt"))});
  }
  for (const JsonField& each : guard.at("loss").elements(1 << 20)) {
    s.guard_loss.push_back(each.number(-1e300, 1e300));
  }
  for (const JsonField& each : guard.at("norm").elements(1 << 20)) {
    s.guard_norm.push_back(each.number(-1e300, 1e300));
  }
  s.guard_skipped = count(guard, "skipped");
  if (const auto practice = root.find("practice")) s.practice = practice_from(*practice);
  return s;
}

}  // namespace fathom
