#include "engine/training_report.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "engine/plan_report.h"

namespace fathom {
namespace {

using nlohmann::ordered_json;

constexpr const char* kConvention =
    "FLOPs: a multiply-add counts 2; backward of a linear part is twice its forward. Full speed: products at "
    "the\n"
    "peak, attention and Newton-Schulz at the peak of fp32 (--peak-fp32), memory traffic at the bandwidth, "
    "one\n"
    "after the other. No run falls below it; --reached is the share of it that one reaches.";

double sum_of(const std::vector<TrainingPart>& parts, bool matrix) {
  double sum = 0;
  for (const TrainingPart& part : parts) {
    if (part.matrix == matrix) sum += part.flops();
  }
  return sum;
}

// All phases together, part by part.
std::vector<TrainingPart> all_parts(const TrainingPlan& plan) {
  std::vector<TrainingPart> all;
  for (const TrainingPhase& phase : plan.phases) {
    for (const TrainingPart& part : training_flops(plan.model, phase)) {
      auto same = std::ranges::find(all, part.part, &TrainingPart::part);
      if (same == all.end()) {
        all.push_back(part);
        continue;
      }
      same->forward += part.forward;
      same->again += part.again;
      same->backward += part.backward;
    }
  }
  return all;
}

double tokens_of(const TrainingPlan& plan) {
  double sum = 0;
  for (const TrainingPhase& phase : plan.phases) sum += phase.tokens;
  return sum;
}

double memory_of(const TrainingPlan& plan, const TrainingMemoryPart& part) {
  return part.shared ? part.bytes / plan.machines.count : part.bytes;
}
double memory_of(const TrainingPlan& plan) {
  double sum = 0;
  for (const TrainingMemoryPart& part : plan.memory) sum += memory_of(plan, part);
  return sum;
}

std::string human_time(double seconds) {
  if (seconds < 120) return fmt::format("{:.3g} s", seconds);
  if (seconds < 7200) return fmt::format("{:.1f} min", seconds / 60);
  if (seconds < 48 * 3600) return fmt::format("{:.2f} h", seconds / 3600);
  return fmt::format("{:.1f} days", seconds / 86400);
}

std::string human_hours(double hours) {
  return hours < 1000 ? fmt::format("{:.3g}", hours) : human_count(hours);
}

}  // namespace

double TrainingPlan::seconds() const {
  double sum = 0;
  for (const TrainingPhase& phase : phases) sum += training_time(model, phase, machines).seconds();
  return sum;
}

std::string training_plan_table(const TrainingPlan& plan) {
  std::string out = fmt::format(
      "training {}: {} parameters, {} active per token; {} tokens\n\n", printable(plan.name),
      human_count(static_cast<double>(plan.model.total_parameters())),
      human_count(static_cast<double>(plan.model.active_parameters())), human_count(tokens_of(plan)));
  const bool timed = plan.machines.peak > 0;
  out += fmt::format("  {:<20}{:>10}{:>10}{:>8}{:>12}{:>14}\n", "stage", "tokens", "steps", "row", "FLOPs",
                     timed ? "full speed" : "");
  for (const TrainingPhase& phase : plan.phases) {
    const auto parts = training_flops(plan.model, phase);
    out += fmt::format("  {:<20}{:>10}{:>10}{:>8}{:>12}{:>14}\n", printable(phase.name, 20),
                       human_count(phase.tokens), human_count(phase.steps), phase.row,
                       human_flops(sum_of(parts, true) + sum_of(parts, false)),
                       timed ? human_time(training_time(plan.model, phase, plan.machines).seconds()) : "");
  }
  const auto parts = all_parts(plan);
  const double all = sum_of(parts, true) + sum_of(parts, false);
  out += fmt::format("\n  {:<20}{:>10}{:>10}{:>10}{:>10}{:>8}\n", "FLOPs by part", "forward", "again",
                     "backward", "all", "share");
  for (const TrainingPart& part : parts) {
    out += fmt::format("  {:<20}{:>10}{:>10}{:>10}{:>10}{:>7.1f}%\n", part.part, human_flops(part.forward),
                       human_flops(part.again), human_flops(part.backward), human_flops(part.flops()),
                       100 * part.flops() / all);
  }
  out += fmt::format("  {:<20}{:>10}{:>10}{:>10}{:>10}\n", "all", "", "", "", human_flops(all));
  if (!plan.memory.empty()) {
    out += fmt::format("\n  {:<44}{:>12}\n", plan.machines.count > 1 ? "memory of a machine" : "memory",
                       "bytes");
    for (const TrainingMemoryPart& part : plan.memory) {
      out += fmt::format("  {:<44}{:>12}\n", part.name, human_bytes(memory_of(plan, part)));
    }
    out += fmt::format("  {:<44}{:>12}\n", "all", human_bytes(memory_of(plan)));
  }
  if (timed) {
    const TrainingMachines& m = plan.machines;
    TrainingTime t;
    for (const TrainingPhase& phase : plan.phases) {
      const TrainingTime each = training_time(plan.model, phase, m);
      t.products += each.products;
      t.plain += each.plain;
      t.memory += each.memory;
      t.network += each.network;
    }
    out += fmt::format("\n  {} x {} ({}): {} FLOP/s, {} in fp32", human_count(m.count),
                       m.count > 1 ? "machines" : "machine", plan.measured ? "measured" : "given",
                       human_flops(m.peak), human_flops(m.peak_plain > 0 ? m.peak_plain : m.peak));
    out += m.bandwidth > 0 ? fmt::format(", {}/s from memory", human_bytes(m.bandwidth)) : "";
    out += m.network > 0 ? fmt::format(", {}/s between machines\n", human_bytes(m.network)) : "\n";
    const auto line = [&](const char* what, double seconds) {
      const double hours = seconds / 3600 * m.count;
      out += fmt::format("  {:<44}{:>12}{:>16} machine hours", what, human_time(seconds), human_hours(hours));
      if (m.price_per_hour > 0) out += fmt::format(", price {}", human_count(hours * m.price_per_hour));
      out += "\n";
    };
    line("products", t.products);
    line("attention, scores, Newton-Schulz", t.plain);
    if (m.bandwidth > 0) line("memory traffic", t.memory);
    if (m.network > 0) line("gradients between machines", t.network);
    line("full speed", t.seconds());
    line(fmt::format("at {:.0f}% of it: expected", 100 * plan.reached).c_str(), t.seconds() / plan.reached);
    out += fmt::format("  {:<44}{:>12} tokens/s\n", "",
                       human_count(tokens_of(plan) / (t.seconds() / plan.reached)));
    if (plan.published_hours > 0) {
      const double hours = t.seconds() / 3600 * m.count;
      out += fmt::format("  {}: {} machine hours, so {:.1f}% of full speed\n", plan.published,
                         human_hours(plan.published_hours), 100 * hours / plan.published_hours);
    }
  }
  for (const std::string& note : plan.notes) out += "  " + note + "\n";
  return out + "\n" + kConvention + "\n";
}

std::string training_plan_json(const TrainingPlan& plan) {
  ordered_json out;
  out["name"] = plan.name;
  out["convention"] = kConvention;
  out["parameters"] = {{"total", plan.model.total_parameters()}, {"active", plan.model.active_parameters()}};
  out["tokens"] = tokens_of(plan);
  const bool timed = plan.machines.peak > 0;
  const auto parts_json = [](const std::vector<TrainingPart>& parts) {
    ordered_json list = ordered_json::object();
    for (const TrainingPart& part : parts) {
      list[part.part] = {{"forward", part.forward}, {"again", part.again}, {"backward", part.backward}};
    }
    return list;
  };
  out["stages"] = ordered_json::array();
  for (const TrainingPhase& phase : plan.phases) {
    ordered_json stage = {
        {"name", phase.name}, {"tokens", phase.tokens}, {"steps", phase.steps}, {"row", phase.row}};
    stage["flops"] = parts_json(training_flops(plan.model, phase));
    if (timed) {
      const TrainingTime t = training_time(plan.model, phase, plan.machines);
      stage["seconds"] = {{"products", t.products},    {"plain", t.plain},
                          {"memory", t.memory},        {"network", t.network},
                          {"full_speed", t.seconds()}, {"expected", t.seconds() / plan.reached}};
    }
    out["stages"].push_back(std::move(stage));
  }
  const auto parts = all_parts(plan);
  out["flops"] = {{"parts", parts_json(parts)}, {"all", sum_of(parts, true) + sum_of(parts, false)}};
  if (!plan.memory.empty()) {
    for (const TrainingMemoryPart& part : plan.memory) out["memory"][part.name] = memory_of(plan, part);
    out["memory"]["all"] = memory_of(plan);
  }
  if (timed) {
    const TrainingMachines& m = plan.machines;
    const double full = plan.seconds(), expected = full / plan.reached;
    out["machines"] = {{"count", m.count},          {"peak", m.peak},
                       {"peak_fp32", m.peak_plain}, {"bandwidth", m.bandwidth},
                       {"network", m.network},      {"source", plan.measured ? "measured" : "given"}};
    out["reached"] = plan.reached;
    out["seconds"] = {{"full_speed", full}, {"expected", expected}};
    out["machine_hours"] = {{"full_speed", full / 3600 * m.count}, {"expected", expected / 3600 * m.count}};
    if (m.price_per_hour > 0) out["price"] = expected / 3600 * m.count * m.price_per_hour;
    if (plan.published_hours > 0) {
      out["published"] = {{"what", plan.published},
                          {"machine_hours", plan.published_hours},
                          {"share_of_full_speed", full / 3600 * m.count / plan.published_hours}};
    }
  }
  out["notes"] = plan.notes;
  return out.dump(2, ' ', false, ordered_json::error_handler_t::replace) + "\n";
}

}  // namespace fathom
