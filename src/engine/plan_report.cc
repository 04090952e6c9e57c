#include "engine/plan_report.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/file.h"
#include "checkpoint/checkpoint.h"
#include "engine/cost_baseline.h"
#include "engine/price.h"
#include "model/read_config.h"

namespace fathom {
namespace {

using nlohmann::ordered_json;

constexpr const char* kConvention =
    "FLOPs: a multiply-add counts 2. FP8-equivalent: bf16 work (core attention) counts double, FP8 once,\n"
    "FP4 (V4's indexer) half; the published 27% and 10% are of this kind. Plain FLOPs count all alike.\n"
    "KV bytes: deployed formats (FP8 rows with a bf16 RoPE part and scales, FP4 indexer keys).\n"
    "Time: the larger of bytes read / bandwidth and plain FLOPs / peak; one sequence, the active weights "
    "and\n"
    "the state it looks at read once per token.";

// What the report of the release states for a preset; empty otherwise.
struct Published {
  std::string_view parameters, flops, kv;
};
Published published(std::string_view name) {
  if (name == "v4-pro" || name == "v4-pro-0813") return {"1.6T / 49B", "27%", "10%"};
  if (name == "v4-flash" || name == "v4-flash-base" || name == "v4-flash-0731")
    return {"284B / 13B", "10%", "7%"};
  return {};
}
constexpr int64_t kPublishedContext = 1'000'000;

std::string with_commas(int64_t value) {
  const std::string digits = fmt::format("{}", value);
  std::string text;
  for (size_t i = 0; i < digits.size(); ++i) {
    if (i > 0 && (digits.size() - i) % 3 == 0) text += ',';
    text += digits[i];
  }
  return text;
}

std::string human(double value, std::span<const char* const> units, const char* gap) {
  size_t unit = 0;
  while (unit + 1 < units.size() && value >= 999.995) {
    value /= 1000;
    ++unit;
  }
  const bool whole = unit == 0 && value == static_cast<double>(static_cast<int64_t>(value));
  return whole ? fmt::format("{:.0f}{}{}", value, gap, units[unit])
               : fmt::format("{:.2f}{}{}", value, gap, units[unit]);
}

constexpr const char* kFlopUnits[] = {"", "K", "M", "G", "T", "P", "E", "Z", "Y"};

std::string human_seconds(double seconds) {
  if (seconds >= 1) return fmt::format("{:.2f} s", seconds);
  if (seconds >= 1e-3) return fmt::format("{:.2f} ms", seconds * 1e3);
  return fmt::format("{:.2f} us", seconds * 1e6);
}

std::string percent(double part, double whole) { return fmt::format("{:.1f}%", 100 * part / whole); }

bool knows_time(const PlanOptions& options) {
  return options.machine.bandwidth > 0 || options.machine.peak > 0;
}

// One row of the context table: a label and a cell for every context.
template <class F>
void row(std::string& out, const char* label, const PlanOptions& options, F&& cell) {
  out += fmt::format("  {:<34}", label);
  for (const int64_t context : options.contexts) out += fmt::format("{:>15}", cell(context));
  out += "\n";
}

std::string bytes_text(const std::map<DType, int64_t>& bytes) {
  std::string text;
  for (const auto& [dtype, count] : bytes) {
    text += fmt::format("{}{} {}", text.empty() ? "" : ", ", name(dtype),
                        human_bytes(static_cast<double>(count)));
  }
  return text;
}

void model_header(std::string& out, const CostModel& model) {
  const Published stated = published(model.name);
  out += fmt::format("{}: {} parameters, {} active per token", printable(model.name),
                     human_count(static_cast<double>(model.total_parameters())),
                     human_count(static_cast<double>(model.active_parameters())));
  if (!stated.parameters.empty()) out += fmt::format(" (published {})", stated.parameters);
  out += fmt::format("\n  weights {}: {}\n", human_bytes(static_cast<double>(model.bytes())),
                     bytes_text(model.bytes_by_dtype));
  if (model.draft_bytes() > 0) {
    out += fmt::format("  draft layers, not counted above: {}\n",
                       human_bytes(static_cast<double>(model.draft_bytes())));
  }
  out += fmt::format("\n  {:<34}{:>15}{:>15}{:>15}\n", "part", "parameters", "active", "FLOPs/token");
  for (const PartCount& part : model.parts) {
    out += fmt::format(
        "  {:<34}{:>15}{:>15}{:>15}\n", part.part, human_count(static_cast<double>(part.total)),
        human_count(static_cast<double>(part.active)), human_flops(2 * static_cast<double>(part.active)));
  }
  out += "\n";
}

void context_rows(std::string& out, const CostModel& model, const CostModel& baseline,
                  const PlanOptions& options) {
  const auto flops = [&](auto&& of) {
    return [&model, of](int64_t context) { return human_flops(of(model.flops(context))); };
  };
  row(out, "context, tokens", options, with_commas);
  row(out, "linear FLOPs/token", options, flops([](const TokenFlops& f) { return f.linear; }));
  row(out, "core attention FLOPs/token", options, flops([](const TokenFlops& f) { return f.attention; }));
  row(out, "indexer FLOPs/token", options, flops([](const TokenFlops& f) { return f.indexer; }));
  row(out, "all, plain", options, flops([](const TokenFlops& f) { return f.plain(); }));
  row(out, "all, FP8-equivalent", options, flops([](const TokenFlops& f) { return f.equivalent_fp8(); }));
  row(out, "KV bytes/sequence", options,
      [&](int64_t n) { return human_bytes(static_cast<double>(model.kv_bytes(n))); });
  if (model.name != baseline.name) {
    row(out, "of V3.2: plain FLOPs", options,
        [&](int64_t n) { return percent(model.flops(n).plain(), baseline.flops(n).plain()); });
    row(out, "of V3.2: FP8-equivalent FLOPs", options, [&](int64_t n) {
      return percent(model.flops(n).equivalent_fp8(), baseline.flops(n).equivalent_fp8());
    });
    row(out, "of V3.2: KV bytes", options, [&](int64_t n) {
      const auto whole = static_cast<double>(baseline.kv_bytes(n));
      return whole > 0 ? percent(static_cast<double>(model.kv_bytes(n)), whole) : std::string("-");
    });
  }
  if (!knows_time(options)) return;
  row(out, "time/token", options,
      [&](int64_t n) { return human_seconds(token_time(model, n, options.machine).seconds()); });
  row(out, "tokens/s", options,
      [&](int64_t n) { return fmt::format("{:.3g}", 1 / token_time(model, n, options.machine).seconds()); });
  row(out, "bound by", options, [&](int64_t n) {
    const TokenTime time = token_time(model, n, options.machine);
    return std::string(time.memory_seconds >= time.compute_seconds ? "memory" : "compute");
  });
  if (options.price_per_hour <= 0) return;
  row(out, "price/1M tokens", options, [&](int64_t n) {
    return fmt::format(
        "{:.4g}", cost_per_million(token_time(model, n, options.machine).seconds(), options.price_per_hour));
  });
}

// Prices belong to the API's models; a folder of one's own is compared with Flash's unless its name says pro.
bool has_price(const CostModel& model) { return model.name != "v3.2"; }

std::string price_line(std::string_view name, const TokenPrice& price, std::string_view remark) {
  return fmt::format("  {:<34}{:>15}{:>15}{:>15}{}\n", name, decimal(price.hit * 1'000'000),
                     decimal(price.miss * 1'000'000), decimal(price.output * 1'000'000), remark);
}

std::string own_price_lines(const CostModel& model, const PriceFile& prices) {
  const TokenPrice* price = prices.of(model.name);
  if (!price) return {};
  return fmt::format("\n  own prices, {} per 1M tokens: cache hit / miss / output\n", prices.currency) +
         price_line(prices.name, *price, "");
}

std::string price_lines(const CostModel& model) {
  std::string out = "\n  DeepSeek's prices, USD per 1M tokens: cache hit / miss / output\n";
  for (const PriceTable& table : price_tables()) {
    out +=
        price_line(table.name, table.of(model.name), table.name == kDefaultPriceTable ? "  (default)" : "");
  }
  return out;
}

ordered_json dtype_json(const std::map<DType, int64_t>& bytes) {
  ordered_json out = ordered_json::object();
  for (const auto& [dtype, count] : bytes) out[std::string(name(dtype))] = count;
  return out;
}

ordered_json context_json(const CostModel& model, const CostModel& baseline, int64_t context,
                          const PlanOptions& options) {
  const TokenFlops flops = model.flops(context), whole = baseline.flops(context);
  ordered_json out;
  out["context"] = context;
  out["flops"] = {{"linear", flops.linear},
                  {"attention", flops.attention},
                  {"indexer", flops.indexer},
                  {"plain", flops.plain()},
                  {"equivalent_fp8", flops.equivalent_fp8()}};
  out["kv_bytes"] = model.kv_bytes(context);
  out["kv_bytes_read"] = model.kv_bytes_read(context);
  const auto kv = static_cast<double>(baseline.kv_bytes(context));
  out["of_v3.2"] = {{"plain", flops.plain() / whole.plain()},
                    {"equivalent_fp8", flops.equivalent_fp8() / whole.equivalent_fp8()},
                    {"kv_bytes", kv > 0 ? ordered_json(static_cast<double>(model.kv_bytes(context)) / kv)
                                        : ordered_json(nullptr)}};
  if (!knows_time(options)) return out;
  const TokenTime time = token_time(model, context, options.machine);
  out["seconds_per_token"] = time.seconds();
  out["memory_seconds"] = time.memory_seconds;
  out["compute_seconds"] = time.compute_seconds;
  if (options.price_per_hour > 0) {
    out["price_per_million_tokens"] = cost_per_million(time.seconds(), options.price_per_hour);
  }
  return out;
}

ordered_json price_json(const CostModel& model, const PlanOptions& options) {
  ordered_json out = ordered_json::array();
  const auto add = [&](std::string_view name, std::string_view valid_from, std::string_view currency,
                       const TokenPrice& price, std::string_view note) {
    out.push_back({{"name", name},
                   {"valid_from", valid_from},
                   {"currency", currency},
                   {"hit", decimal(price.hit * 1'000'000)},
                   {"miss", decimal(price.miss * 1'000'000)},
                   {"output", decimal(price.output * 1'000'000)},
                   {"note", note}});
  };
  if (has_price(model)) {
    for (const PriceTable& table : price_tables())
      add(table.name, table.valid_from, "USD", table.of(model.name), table.note);
  }
  if (options.prices) {
    const PriceFile& own = *options.prices;
    if (const TokenPrice* price = own.of(model.name)) add(own.name, "", own.currency, *price, "given");
  }
  return out;
}

constexpr int64_t kMaxConfigBytes = int64_t{16} << 20;

bool has_weights(const std::filesystem::path& folder) {
  return std::filesystem::exists(folder / "model.safetensors.index.json") ||
         std::filesystem::exists(folder / "model.safetensors");
}

CostModel model_of_checkpoint(const std::filesystem::path& path) {
  const auto checkpoint = Checkpoint::open(path);
  const ModelConfig config = read_config(*checkpoint);
  const auto add = [&](std::vector<StoredTensor>& list, const std::string& name) {
    if (!checkpoint->has(name)) return;
    TensorView view = checkpoint->tensor(name);
    // safetensors has no 4-bit type: the release's FP4 lies in I8.
    const DType dtype = view.dtype == DType::I8 ? DType::F4_E2M1 : view.dtype;
    list.push_back({name, dtype, std::move(view.shape), view.bytes});
  };
  return cost_of(config,
                 path.filename().empty() ? path.parent_path().filename().string() : path.filename().string(),
                 [&](const TensorInfo& tensor) {
                   std::vector<StoredTensor> list;
                   add(list, tensor.name);
                   if (const size_t end = tensor.name.rfind(".weight"); end != std::string::npos) {
                     add(list, tensor.name.substr(0, end) + ".scale");
                   }
                   return list;
                 });
}

}  // namespace

CostModel plan_model(const std::string& name_or_path) {
  if (name_or_path == "v3.2") return v32_cost();
  const auto presets = preset_names();
  if (std::find(presets.begin(), presets.end(), name_or_path) != presets.end()) {
    return cost_of(ModelConfig::preset(name_or_path), name_or_path);
  }
  const std::filesystem::path path(name_or_path);
  if (!std::filesystem::exists(path)) {
    std::string known;
    for (const std::string_view each : presets) known += std::string(each) + ", ";
    fail(ErrorCode::not_found,
         "model: expected {}v3.2, a checkpoint's path or its name under models/, found \"{}\"", known,
         printable(name_or_path, 120));
  }
  if (std::filesystem::is_directory(path) && !has_weights(path)) {
    const auto file = path / "config.json";
    const std::string text = read_text(file, kMaxConfigBytes);  // names the file itself
    const ModelConfig config =
        in_context(printable(file.string(), 400), [&] { return ModelConfig::parse(text); });
    return cost_of(
        config, path.filename().empty() ? path.parent_path().filename().string() : path.filename().string());
  }
  return model_of_checkpoint(path);
}

std::string human_count(double value) {
  constexpr const char* kUnits[] = {"", "K", "M", "B", "T"};
  return human(value, kUnits, "");
}
std::string human_flops(double value) { return human(value, kFlopUnits, ""); }
std::string human_bytes(double value) {
  constexpr const char* kUnits[] = {"B", "KB", "MB", "GB", "TB", "PB"};
  return human(value, kUnits, " ");
}

std::string plan_table(std::span<const CostModel> models, const PlanOptions& options) {
  const CostModel baseline = v32_cost();
  std::string out;
  if (knows_time(options)) {
    out += fmt::format("machine ({}): {}/s read, {}FLOP/s\n\n", options.measured ? "measured" : "given",
                       human_bytes(options.machine.bandwidth), human(options.machine.peak, kFlopUnits, " "));
  }
  for (const CostModel& model : models) {
    model_header(out, model);
    context_rows(out, model, baseline, options);
    if (const Published stated = published(model.name); !stated.flops.empty()) {
      const TokenFlops flops = model.flops(kPublishedContext), whole = baseline.flops(kPublishedContext);
      out += fmt::format(
          "  at 1,000,000 tokens, of V3.2: FLOPs {} FP8-equivalent, {} plain (published {}); "
          "KV {} (published {})\n",
          percent(flops.equivalent_fp8(), whole.equivalent_fp8()), percent(flops.plain(), whole.plain()),
          stated.flops,
          percent(static_cast<double>(model.kv_bytes(kPublishedContext)),
                  static_cast<double>(baseline.kv_bytes(kPublishedContext))),
          stated.kv);
    }
    if (has_price(model)) out += price_lines(model);
    if (options.prices) out += own_price_lines(model, *options.prices);
    out += "\n";
  }
  return out + kConvention + "\n";
}

std::string plan_json(std::span<const CostModel> models, const PlanOptions& options) {
  const CostModel baseline = v32_cost();
  ordered_json out;
  out["convention"] = kConvention;
  if (knows_time(options)) {
    out["machine"] = {{"bandwidth", options.machine.bandwidth},
                      {"peak", options.machine.peak},
                      {"source", options.measured ? "measured" : "given"}};
    if (options.price_per_hour > 0) out["machine"]["price_per_hour"] = options.price_per_hour;
  }
  out["models"] = ordered_json::array();
  for (const CostModel& model : models) {
    ordered_json entry;
    entry["name"] = model.name;
    entry["parameters"] = {{"total", model.total_parameters()}, {"active", model.active_parameters()}};
    for (const PartCount& part : model.parts) {
      entry["parts"][part.part] = {
          {"total", part.total}, {"active", part.active}, {"flops", 2 * static_cast<double>(part.active)}};
    }
    entry["bytes"] = {{"total", model.bytes()},
                      {"active", model.active_bytes},
                      {"by_dtype", dtype_json(model.bytes_by_dtype)},
                      {"draft_by_dtype", dtype_json(model.draft_bytes_by_dtype)}};
    entry["contexts"] = ordered_json::array();
    for (const int64_t context : options.contexts) {
      entry["contexts"].push_back(context_json(model, baseline, context, options));
    }
    if (const Published stated = published(model.name); !stated.flops.empty()) {
      entry["published"] = {
          {"parameters", stated.parameters}, {"flops_of_v3.2", stated.flops}, {"kv_of_v3.2", stated.kv}};
    }
    if (auto prices = price_json(model, options); !prices.empty()) entry["price_tables"] = std::move(prices);
    out["models"].push_back(std::move(entry));
  }
  return out.dump(2, ' ', false, ordered_json::error_handler_t::replace) + "\n";
}

}  // namespace fathom
