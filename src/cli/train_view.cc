#include "cli/train_view.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstdio>

#include "cli/say.h"

namespace fathom::cli {
namespace {

constexpr double kKeep = 0.9;                // of a running mean
constexpr double kSecondsBetweenLines = 10;  // off a terminal

std::string duration(double seconds) {
  const auto s = static_cast<int64_t>(seconds);
  if (s >= 3600) return fmt::format("{} h {:02} min", s / 3600, s / 60 % 60);
  if (s >= 60) return fmt::format("{} min {:02} s", s / 60, s % 60);
  return fmt::format("{} s", s);
}

std::string progress_bar(double share, int width) {
  const auto full = static_cast<int>(std::lround(share * width));
  std::string out;
  for (int i = 0; i < width; ++i) out += i < full ? "━" : "─";
  return out;
}

}  // namespace

std::string bars(const std::vector<double>& values, double top) {
  constexpr const char* kHeights[] = {"▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};
  std::string out;
  for (const double v : values) {
    const double share = top > 0 ? std::clamp(v / top, 0.0, 1.0) : 0;
    out += kHeights[static_cast<size_t>(std::lround(share * 7))];
  }
  return out;
}

std::string TrainView::picture(const StepRecord& r) const {
  const double left = seconds_per_step_ * static_cast<double>(r.steps - r.step);
  std::string out =
      fmt::format("{} {}/{} {} {:.0f}% {} left\n", r.stage.empty() ? "stage" : r.stage, r.step, r.steps,
                  progress_bar(static_cast<double>(r.step) / static_cast<double>(r.steps), 24),
                  100.0 * static_cast<double>(r.step) / static_cast<double>(r.steps), duration(left));
  if (practice_.answers > 0) out += fmt::format("{}\n", practice_text());
  out += fmt::format("loss {:.4f}", loss_);
  if (r.figures.lm > 0) out += fmt::format("  lm {:.4f}", r.figures.lm);  // not in the indexer's warm-up
  if (r.mtp_weight > 0) out += fmt::format("  mtp {:.4f}", r.figures.mtp);
  out += fmt::format("  gradient {:.3g}  rate {:.3g}\n", r.norm, r.rate);
  out += fmt::format("{:.0f} tokens/s", tokens_per_second_);
  if (peak_ > 0) out += fmt::format(", {:.1f}% of peak", 100 * tokens_per_second_ * flops_per_token_ / peak_);
  out += fmt::format(", {:.2f} M tokens, rows {:.0f}% full", static_cast<double>(r.tokens) * 1e-6,
                     100 * r.packed);
  if (r.skipped_experts > 0) out += fmt::format(", {} experts without tokens", r.skipped_experts);
  out += "\n";
  double uneven = 0, entropy = 1;
  int64_t dead = 0;
  for (const LoadStatistics& s : r.load) {
    uneven = std::max(uneven, s.max_over_mean);
    entropy = std::min(entropy, s.entropy);
    dead += s.dead;
  }
  if (!r.load.empty()) {
    std::vector<double> heights;
    for (const LoadStatistics& s : r.load) heights.push_back(s.max_over_mean);
    out += fmt::format("expert load {}  worst layer {:.2f} x mean, entropy {:.3f}, {} dead\n",
                       bars(heights, 4), uneven, entropy, dead);
  }
  double captured = 0, layers = 0;
  for (const IndexerFigures& i : r.figures.indexer) {
    if (i.queries > 0) captured += i.captured / static_cast<double>(i.queries), ++layers;
  }
  if (layers > 0)
    out += fmt::format("indexer captures {:.1f}% of the attention to entries\n", 100 * captured / layers);
  return out;
}

std::string TrainView::practice_text() const {
  const auto answers = static_cast<double>(practice_.answers);
  return fmt::format("reward {:.3f}, {:.1f}% right, answers of {:.0f} tokens, entropy {:.3f}",
                     practice_.reward, 100 * static_cast<double>(practice_.right) / answers,
                     static_cast<double>(practice_.tokens) / answers, practice_.entropy);
}

void TrainView::erase() {
  if (terminal_ && lines_ > 0) say("\033[{}F\033[J", lines_);
  lines_ = 0;
}

void TrainView::step(const StepRecord& r) {
  const double rate = r.seconds > 0 ? static_cast<double>(r.figures.tokens) / r.seconds : 0;
  const bool first = steps_seen_++ == 0;
  const auto mean = [&](double& value, double next) {
    value = first ? next : kKeep * value + (1 - kKeep) * next;
  };
  if (r.practice) practice_ = *r.practice;
  if (r.kind == StageKind::data) practice_ = {};
  if (std::isfinite(r.figures.loss)) mean(loss_, r.figures.loss);
  mean(seconds_per_step_, r.seconds);
  mean(tokens_per_second_, rate);
  const double since = std::chrono::duration<double>(Clock::now() - shown_).count();
  const bool last = r.step == r.steps;
  if (!last && !first && since < (terminal_ ? 0.1 : kSecondsBetweenLines)) return;
  shown_ = Clock::now();
  if (terminal_) {
    erase();
    const std::string text = picture(r);
    say("{}", text);
    lines_ = static_cast<int>(std::count(text.begin(), text.end(), '\n'));
    std::fflush(stderr);
    return;
  }
  if (r.kind != StageKind::data) {
    say("{} {}/{}: {}gradient {:.3g}, rate {:.3g}, {} left\n", r.stage.empty() ? "stage" : r.stage, r.step,
        r.steps, practice_.answers > 0 ? practice_text() + ", " : "", r.norm, r.rate,
        duration(seconds_per_step_ * static_cast<double>(r.steps - r.step)));
    return;
  }
  const std::string lm = r.figures.lm > 0 ? fmt::format("lm {:.4f}, ", r.figures.lm) : "";
  say("{} {}/{}: loss {:.4f}, {}gradient {:.3g}, rate {:.3g}, {:.0f} tokens/s, {} left\n",
      r.stage.empty() ? "stage" : r.stage, r.step, r.steps, loss_, lm, r.norm, r.rate, tokens_per_second_,
      duration(seconds_per_step_ * static_cast<double>(r.steps - r.step)));
}

void TrainView::message(const std::string& text) {
  erase();
  say("{}\n", text);
  shown_ = {};
}

void TrainView::finish() {
  lines_ = 0;
  say("trained for {}\n", duration(std::chrono::duration<double>(Clock::now() - start_).count()));
}

}  // namespace fathom::cli
