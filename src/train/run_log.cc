// Reading of log.jsonl.
#include <fmt/format.h>

#include <limits>
#include <nlohmann/json.hpp>
#include <optional>
#include <sstream>

#include "base/error.h"
#include "train/report.h"

namespace fathom {
namespace {

using Json = nlohmann::json;

// What is not finite was written as null.
std::optional<double> number(const Json& object, const char* key) {
  const auto found = object.find(key);
  if (found == object.end()) return std::nullopt;
  if (found->is_null()) return std::numeric_limits<double>::quiet_NaN();
  if (!found->is_number()) return std::nullopt;
  return found->get<double>();
}
int64_t integer(const Json& object, const char* key, int64_t otherwise) {
  const auto found = object.find(key);
  return found != object.end() && found->is_number_integer() ? found->get<int64_t>() : otherwise;
}
std::string text(const Json& object, const char* key) {
  const auto found = object.find(key);
  return found != object.end() && found->is_string() ? found->get<std::string>() : std::string();
}

void put(RunCurve& curve, double step, double value) {
  while (!curve.points.empty() && curve.points.back().first >= step) {
    curve.taken_back.push_back(curve.points.back());
    curve.points.pop_back();
  }
  curve.points.emplace_back(step, value);
}

constexpr const char* kCurves[] = {"loss",       "lm",       "mtp",     "balance", "norm",  "rate",
                                   "adamw_rate", "packed",   "reward",  "right",   "ended", "answer_tokens",
                                   "entropy",    "contrast", "clipped", "kl",      "drift", "kl_teachers"};

class LogReader {
 public:
  explicit LogReader(RunLog& log) : log_(log) {}

  void read(const Json& line) {
    const int64_t step = integer(line, "step", -1);
    if (step < 0) return;
    const std::string event = text(line, "event");
    if (event == "validation") return read_validation(line, step);
    if (!event.empty()) {
      log_.events.push_back({step, event, text(line, "detail")});
      log_.rollbacks += event == "rollback";
      return;
    }
    read_step(line, step);
  }

 private:
  void read_validation(const Json& line, int64_t step) {
    const auto at = static_cast<double>(step);
    for (const auto& [source, figures] : line.items()) {
      if (!figures.is_object()) continue;
      if (const auto bits = number(figures, "bits_per_byte")) put(log_.validation_bits[source], at, *bits);
      if (const auto loss = number(figures, "loss")) put(log_.validation_loss[source], at, *loss);
    }
  }

  void read_step(const Json& line, int64_t step) {
    const auto at = static_cast<double>(step);
    for (const char* name : kCurves) {
      if (const auto value = number(line, name)) put(log_.curves[name], at, *value);
    }
    const int64_t tokens = integer(line, "tokens", 0);
    const double seconds = number(line, "seconds").value_or(0);
    if (seconds > 0 && tokens > tokens_) {
      put(log_.curves["tokens_per_second"], at, static_cast<double>(tokens - tokens_) / seconds);
    }
    tokens_ = tokens;
    log_.steps = step;
    log_.tokens = tokens;
    log_.seconds += seconds;
    const std::string decision = text(line, "decision");
    log_.skipped += decision == "skip";
    if (!decision.empty()) {
      log_.events.push_back(
          {step, decision,
           fmt::format("loss {:.4g} (z {:.1f}), gradient norm {:.4g} (z {:.1f})",
                       number(line, "loss").value_or(0), number(line, "loss_z").value_or(0),
                       number(line, "norm").value_or(0), number(line, "norm_z").value_or(0))});
    }
    read_stage(line, step);
    each_layer(line, "load", [&](int64_t layer, const Json& figures) {
      if (const auto max = number(figures, "max")) put(log_.load[layer], at, *max);
      if (const auto entropy = number(figures, "entropy")) put(log_.entropy[layer], at, *entropy);
      if (const auto dead = number(figures, "dead")) put(log_.dead[layer], at, *dead);
    });
    each_layer(line, "indexer", [&](int64_t layer, const Json& figures) {
      if (const auto kl = number(figures, "kl")) put(log_.indexer_kl[layer], at, *kl);
      if (const auto captured = number(figures, "captured")) put(log_.captured[layer], at, *captured);
    });
  }

  // A stage is a name, or its number.
  void read_stage(const Json& line, int64_t step) {
    const auto found = line.find("stage");
    if (found == line.end()) return;
    const std::string stage = found->is_string() ? found->get<std::string>() : found->dump();
    if (stage == stage_) return;
    stage_ = stage;
    log_.stages.push_back(stage);
    log_.stage_starts.emplace_back(step, stage);
  }

  template <class F>
  static void each_layer(const Json& line, const char* key, F&& take) {
    const auto list = line.find(key);
    if (list == line.end() || !list->is_array()) return;
    for (const Json& figures : *list) {
      if (figures.is_object()) take(integer(figures, "layer", -1), figures);
    }
  }

  RunLog& log_;
  int64_t tokens_ = 0;
  std::string stage_;
};

}  // namespace

RunLog RunLog::parse(const std::string& text) {
  RunLog log;
  LogReader reader(log);
  int64_t number = 0;
  for (size_t begin = 0; begin < text.size();) {
    const size_t newline = text.find('\n', begin);
    const size_t end = std::min(newline, text.size());
    ++number;
    if (end > begin) {
      const Json line = Json::parse(text.begin() + static_cast<std::ptrdiff_t>(begin),
                                    text.begin() + static_cast<std::ptrdiff_t>(end), nullptr, false);
      if (line.is_object()) {
        reader.read(line);
      } else if (newline != std::string::npos) {
        bad_input("line {}: expected a JSON object, found '{}'", number,
                  printable(std::string_view(text).substr(begin, end - begin), 60));
      }
    }
    begin = end + 1;
  }
  return log;
}

}  // namespace fathom
