#include "engine/price_file.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/file.h"
#include "base/json_reader.h"

namespace fathom {
namespace {

constexpr int64_t kMaxFileBytes = 1 << 20;
constexpr double kMostPerMillion = 1000;  // times 2^31 tokens of each kind: three of them fit in Picos
constexpr size_t kMostCurrency = 16;

std::string lower(std::string_view text) {
  std::string out(text);
  std::transform(out.begin(), out.end(), out.begin(),
                 [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; });
  return out;
}

double number_of(const JsonField& field) {
  if (!field.is_string()) return field.number(0, kMostPerMillion);
  const std::string text = field.text();
  double value = 0;
  const auto [rest, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || rest != text.data() + text.size() ||
      !(value >= 0 && value <= kMostPerMillion)) {
    bad_input("{}: expected a number from 0 to {}, found '{}'", field.path(), kMostPerMillion,
              printable(text));
  }
  return value;
}

Picos price_in(const JsonField& model, const char* key) {
  const JsonField field = model.at(key);
  const double picos = number_of(field) * 1e6;
  constexpr double kSlack = 1e-4;  // far above what doubles lose up to 10^9, far below a seventh decimal
  if (std::abs(picos - std::round(picos)) > kSlack) {
    bad_input("{}: expected at most six decimals, found {}", field.path(),
              printable(field.json().dump(), 40));
  }
  return std::llround(picos);
}

}  // namespace

const TokenPrice* PriceFile::of(std::string_view model) const {
  const std::string wanted = lower(model);
  const std::pair<const std::string, TokenPrice>* best = nullptr;
  for (const auto& entry : models) {
    if (wanted.find(entry.first) == std::string::npos) continue;
    if (!best || entry.first.size() > best->first.size()) best = &entry;
  }
  if (best) return &best->second;
  const auto other = models.find("default");
  return other == models.end() ? nullptr : &other->second;
}

PriceFile read_price_file(const std::filesystem::path& path) {
  const std::string text = read_text(path, kMaxFileBytes);
  return in_context(printable(path.string(), 400), [&] {
    const nlohmann::json document = parse_json(text);
    const JsonField root(document, "prices");
    PriceFile out;
    out.name = printable(path.stem().string(), 60);
    out.currency = root.at("currency").text();
    if (out.currency.empty() || out.currency.size() > kMostCurrency ||
        printable(out.currency) != out.currency) {
      bad_input("prices.currency: expected 1 to {} printable characters, found '{}'", kMostCurrency,
                printable(out.currency, 40));
    }
    if (const auto per_hour = root.find("per_hour")) {
      out.per_hour = per_hour->number(0, kMostPricePerHour);
      if (!root.find("models")) return out;
    }
    const JsonField models = root.at("models");
    if (!models.is_object() || models.json().empty()) {
      bad_input("prices.models: expected an object with a model at least, found none");
    }
    for (const auto& [name, value] : models.json().items()) {
      if (name.empty()) bad_input("prices.models: expected names, found an empty one");
      const JsonField model(value, "prices.models." + printable(name, 60));
      const TokenPrice price{price_in(model, "hit"), price_in(model, "miss"), price_in(model, "output")};
      if (!out.models.emplace(lower(name), price).second) {
        bad_input("{}: expected once, found twice (case does not matter)", model.path());
      }
    }
    return out;
  });
}

}  // namespace fathom
