// What `fathom plan` prints: the published figures, the same numbers in JSON, a well-formed picture.
#include "engine/plan_report.h"

#include <doctest/doctest.h>
#include <unistd.h>

#include <filesystem>
#include <nlohmann/json.hpp>
#include <regex>

#include "base/error.h"
#include "base/file.h"
#include "engine/cost_baseline.h"
#include "model/synthetic.h"

namespace fathom {
namespace {

std::vector<CostModel> models(std::initializer_list<const char*> names) {
  std::vector<CostModel> list;
  for (const char* name : names) list.push_back(plan_model(name));
  return list;
}

bool contains(const std::string& text, std::string_view part) { return text.find(part) != std::string::npos; }

// Whether every tag is closed in order: enough of XML for a document that we write.
bool well_formed(const std::string& svg) {
  std::vector<std::string> open;
  const std::regex tag("<(/?)([a-z]+)[^<>]*?(/?)>");
  for (std::sregex_iterator it(svg.begin(), svg.end(), tag), end; it != end; ++it) {
    if ((*it)[1].length() > 0) {
      if (open.empty() || open.back() != (*it)[2]) return false;
      open.pop_back();
    } else if ((*it)[3].length() == 0) {
      open.push_back((*it)[2]);
    }
  }
  return open.empty() &&
         std::count(svg.begin(), svg.end(), '<') ==
             std::distance(std::sregex_iterator(svg.begin(), svg.end(), tag), std::sregex_iterator());
}

}  // namespace

TEST_CASE("the table shows the published totals and ratios, in both conventions") {
  const std::string table =
      plan_table(models({"v4-pro", "v4-flash", "v3.2"}), {.contexts = {4096, 1'000'000}});
  CHECK(contains(table, "v4-flash: 284.33B parameters, 13.27B active per token (published 284B / 13B)"));
  CHECK(contains(table, "v4-pro: 1.57T parameters, 48.85B active per token (published 1.6T / 49B)"));
  CHECK(contains(table, "v3.2: 671.88B parameters, 37.48B active per token\n"));
  CHECK(contains(
      table, "of V3.2: FLOPs 26.8% FP8-equivalent, 26.5% plain (published 27%); KV 10.5% (published 10%)"));
  CHECK(contains(table,
                 "of V3.2: FLOPs 10.0% FP8-equivalent, 12.2% plain (published 10%); KV 7.3% (published 7%)"));
  CHECK(contains(table, "FP8-equivalent: bf16 work (core attention) counts double"));
  CHECK(contains(table, "48.07 GB"));
  CHECK_FALSE(contains(table, "time/token"));
}

TEST_CASE("times and own prices appear once the machine is known") {
  PlanOptions options{
      .contexts = {100'000}, .machine = {3.35e12, 2e15}, .measured = false, .price_per_hour = 2};
  const auto list = models({"v4-flash"});
  const std::string table = plan_table(list, options);
  CHECK(contains(table, "machine (given): 3.35 TB/s read, 2.00 PFLOP/s"));
  CHECK(contains(table, "memory"));
  const auto json = nlohmann::json::parse(plan_json(list, options));
  const auto& context = json["models"][0]["contexts"][0];
  const double seconds = context["seconds_per_token"];
  CHECK(seconds == token_time(list[0], 100'000, options.machine).seconds());
  CHECK(context["price_per_million_tokens"].get<double>() == doctest::Approx(seconds * 1e6 / 3600 * 2));
}

TEST_CASE("JSON holds the exact figures") {
  const auto json =
      nlohmann::json::parse(plan_json(models({"v4-pro", "v3.2"}), {.contexts = {0, 1'000'000}}));
  const auto& pro = json["models"][0];
  CHECK(pro["parameters"]["total"].get<int64_t>() == plan_model("v4-pro").total_parameters());
  CHECK(pro["bytes"]["total"].get<int64_t>() == 850748205004);
  CHECK(pro["contexts"][1]["kv_bytes"].get<int64_t>() == plan_model("v4-pro").kv_bytes(1'000'000));
  CHECK(pro["contexts"][1]["of_v3.2"]["equivalent_fp8"].get<double>() ==
        doctest::Approx(0.268).epsilon(0.002));
  CHECK(pro["contexts"][0]["of_v3.2"]["kv_bytes"].is_null());
  CHECK(pro["price_tables"][1]["hit"] == "0.003625");
  CHECK(json["models"][1]["contexts"][1]["of_v3.2"]["plain"] == 1.0);
  CHECK_FALSE(json["models"][1].contains("price_tables"));
}

TEST_CASE("the picture is well-formed and shows every model") {
  auto list = models({"v4-pro", "v4-flash"});
  list[0].name = "a<b&\"c\x01";
  const std::string svg = plan_svg(list);
  CHECK(well_formed(svg));
  CHECK(contains(svg, "a&lt;b&amp;&quot;c\\x01"));
  CHECK(contains(svg, ">DeepSeek-V3.2<"));
  CHECK(contains(svg, ">context, tokens<"));
  for (const char* share : {">26.8%<", ">10.0%<", ">10.5%<", ">7.3%<"}) CHECK(contains(svg, share));
  const std::regex curve("<polyline");
  CHECK(std::distance(std::sregex_iterator(svg.begin(), svg.end(), curve), std::sregex_iterator()) == 6);
  // Every point lies inside the frame.
  const std::regex points("points=\"([^\"]+)\""), point("([0-9.-]+),([0-9.-]+)");
  for (std::sregex_iterator it(svg.begin(), svg.end(), points), end; it != end; ++it) {
    const std::string list_of_points = (*it)[1];
    for (std::sregex_iterator each(list_of_points.begin(), list_of_points.end(), point); each != end;
         ++each) {
      const double y = std::stod((*each)[2]);
      CHECK((y >= 105.9 && y <= 450.1));
    }
  }
}

TEST_CASE("any folder with a config can be planned; what is neither is refused") {
  const std::string folder = std::string(FATHOM_SOURCE_DIR) + "/tests/golden/quantised/ragged";
  const CostModel model = plan_model(folder);
  CHECK(model.name == "ragged");
  CHECK(model.total_parameters() > 0);
  CHECK(model.attention.size() == 3);
  CHECK_THROWS_WITH_AS(plan_model("no/such/folder"),
                       "model: expected v4-flash, v4-flash-base, v4-flash-0731, v4-pro, v4-pro-0813, v3.2, a "
                       "checkpoint's path or its name under models/, found \"no/such/folder\"",
                       Error);
}

TEST_CASE("bytes of a checkpoint are those of its files") {
  const auto folder =
      std::filesystem::temp_directory_path() / ("fathom_plan_report_" + std::to_string(getpid()));
  const auto source = std::filesystem::path(FATHOM_SOURCE_DIR) / "tests/golden/quantised/mixed/config.json";
  const ModelConfig config = ModelConfig::parse(read_text(source, 1 << 20));
  ThreadPool pool(1);
  write_synthetic(folder, config, pool, {.format = WeightFormat::release});
  const CostModel opened = plan_model(folder.string());
  std::filesystem::remove_all(folder);
  const CostModel listed = cost_of(config, "mixed", WeightFormat::release);
  CHECK(opened.bytes_by_dtype == listed.bytes_by_dtype);
  CHECK(opened.bytes_by_dtype.at(DType::F4_E2M1) == 3 * 4 * 3 * 128 * 128 / 2);
  CHECK(opened.draft_bytes_by_dtype == listed.draft_bytes_by_dtype);
  CHECK(opened.active_bytes == listed.active_bytes);
}

TEST_CASE("counts and bytes for people") {
  CHECK(human_count(0) == "0");
  CHECK(human_count(999) == "999");
  CHECK(human_count(284.331e9) == "284.33B");
  CHECK(human_count(999999) == "1.00M");
  CHECK(human_bytes(48.07e9) == "48.07 GB");
  CHECK(human_bytes(1.5e16) == "15.00 PB");
}

}  // namespace fathom
