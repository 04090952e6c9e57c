// The held-out text of golden/trained: logits of its first rows, the score of the whole, MTP acceptance.
#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/file.h"
#include "engine/verify/expected_file.h"
#include "engine/verify/trained.h"

namespace fathom::verify {
namespace {

constexpr double kLogits = 2e-4;
constexpr double kScore = 5e-5;  // bits per byte to 4 digits
constexpr double kShare = 1e-3;  // of argmaxes: near-ties may fall either way
// Below this gap between the last chosen and the first rejected expert or entry, fp32 sums may choose
// otherwise (README: one position below 1e-6). If they do, later rows read what that row left behind:
// measured 2.9e-3 at most, on the targets whose sums fall to the other side.
constexpr float kGap = 1e-6f;
constexpr double kAfterFlip = 5e-3;

using Row = std::span<const float>;

// Logits [T, V] against heldout.* or heldout_mtp.*.
class HeldoutRows {
 public:
  HeldoutRows(TrainedCase& c, const ExpectedFile& e, std::string p, Row logits)
      : c_(c),
        e_(e),
        p_(std::move(p)),
        logits_(logits),
        vocab_(static_cast<size_t>(c.runner.model().config().vocab_size)),
        rows_(logits.size() / vocab_),
        gap_(e.floats("heldout.selection_gap")),
        top_ids_(e.ints(p_ + ".top16_ids")),
        targets_(e.ints(p_ + ".target_ids")),
        full_(e.ints(p_ + ".full_rows")),
        top_(e.floats(p_ + ".top16_logits")),
        sums_(e.floats(p_ + ".logsumexp")),
        target_logits_(e.floats(p_ + ".target_logit")),
        full_logits_(e.floats(p_ + ".full_logits")),
        k_(rows_ > 0 ? top_ids_.size() / rows_ : 0) {
    if (top_ids_.size() != rows_ * k_ || top_.size() != rows_ * k_ || sums_.size() != rows_ ||
        targets_.size() != rows_ || target_logits_.size() != rows_ || k_ == 0 || gap_.size() < rows_ ||
        full_logits_.size() != full_.size() * vocab_) {
      bad_input("{}: expected {} rows", e.where(p_ + ".top16_ids"), rows_);
    }
  }

  /// The first near-tie whose row is another one; the number of rows if there is none.
  size_t first_flip() const {
    for (size_t t = 0; t < rows_; ++t) {
      if (gap_[t] < kGap && top_error(t) > kLogits) return t;
    }
    return rows_;
  }

  void check(size_t flip) {
    int64_t order = 0, of = 0;
    for (size_t t = 0; t < rows_; ++t) {
      if (gap_[t] < kGap) continue;
      const double bound = t < flip ? kLogits : kAfterFlip;
      compare("top-16 logits", top_error(t), t, flip);
      compare("logsumexp", std::abs(log_sum_exp(row(t)) - static_cast<double>(sums_[t])), t, flip);
      compare("target logits", std::abs(at(t, targets_[t]) - static_cast<double>(target_logits_[t])), t,
              flip);
      order += outsider(t) > static_cast<double>(top_[t * k_ + k_ - 1]) + bound;
      ++of;
    }
    c_.checks.differing(p_ + ": top-16 sets", order, of);
    for (size_t i = 0; i < full_.size(); ++i) {
      const auto t = static_cast<size_t>(full_[i]);
      if (full_[i] < 0 || t >= rows_) {
        bad_input("{}: expected rows of the text, found {}", e_.where(p_ + ".full_rows"), full_[i]);
      }
      if (gap_[t] < kGap) continue;
      compare("full rows", max_abs_diff(Row(full_logits_).subspan(i * vocab_, vocab_), row(t), e_.where(p_)),
              t, flip);
    }
  }

 private:
  Row row(size_t t) const { return logits_.subspan(t * vocab_, vocab_); }
  double at(size_t t, int32_t id) const {
    if (id < 0 || static_cast<size_t>(id) >= vocab_) {
      bad_input("{}: expected an id, found {}", e_.where(p_), id);
    }
    return static_cast<double>(row(t)[static_cast<size_t>(id)]);
  }
  double top_error(size_t t) const {
    double worst = 0;
    for (size_t j = t * k_; j < (t + 1) * k_; ++j) {
      const double error = std::abs(at(t, top_ids_[j]) - static_cast<double>(top_[j]));
      if (!(error <= worst)) worst = error;
    }
    return worst;
  }
  // The largest logit outside of the 16.
  double outsider(size_t t) const {
    std::vector<float> others(row(t).begin(), row(t).end());
    for (size_t j = t * k_; j < (t + 1) * k_; ++j) {
      others[static_cast<size_t>(top_ids_[j])] = -std::numeric_limits<float>::infinity();
    }
    return static_cast<double>(*std::max_element(others.begin(), others.end()));
  }
  void compare(const std::string& what, double error, size_t t, size_t flip) {
    if (t < flip) {
      c_.checks.worst(p_ + ": " + what, error, kLogits);
    } else {
      c_.checks.worst(p_ + ": " + what + " behind a near-tie that fell otherwise", error, kAfterFlip);
    }
  }

  TrainedCase& c_;
  const ExpectedFile& e_;
  std::string p_;
  Row logits_;
  size_t vocab_, rows_;
  std::vector<float> gap_;
  std::vector<int32_t> top_ids_, targets_, full_;
  std::vector<float> top_, sums_, target_logits_, full_logits_;
  size_t k_;  // 16
};

void check_rows(TrainedCase& c, const ExpectedFile& e) {
  if (!e.has("heldout.ids")) return;
  const std::vector<int32_t> ids = e.ints("heldout.ids");
  RecordOptions options;
  options.trace = true;
  options.mtp = e.has("heldout_mtp.ids") && c.runner.model().mtp_blocks() > 0;
  const SequenceRecord found = c.runner.record(ids, options);
  HeldoutRows rows(c, e, "heldout", found.logits);
  const size_t flip = rows.first_flip();
  rows.check(flip);
  if (options.mtp) {
    c.checks.differing("heldout_mtp: ids", e.ints("heldout_mtp.ids") != ids, 1);
    HeldoutRows(c, e, "heldout_mtp", found.mtp_logits).check(flip);
  }
  for (const auto& [index, layer] : found.layers) {
    const std::string name = fmt::format("heldout.layer{}.selected_last", index);
    if (!e.has(name)) continue;
    const auto last = std::span(layer.indexer).last(static_cast<size_t>(layer.indexer_width));
    std::vector<int32_t> ours(last.begin(), last.end()), theirs = e.ints(name);
    std::erase(ours, -1);
    std::sort(theirs.begin(), theirs.end());
    c.checks.differing("heldout: entries chosen at the last position", ours != theirs, 1);
  }
}

}  // namespace

void check_heldout(TrainedCase& c, const ExpectedFile& e) {
  check_rows(c, e);
  const auto heldout = c.expected.find("heldout");
  if (!heldout) return;
  const std::string text = read_text(c.checks.folder() / "heldout.txt", int64_t{1} << 28);
  c.checks.used("heldout.txt");
  const std::vector<int32_t> ids = c.tokenizer.encode(text, false);
  for (const auto& [key, value] : heldout->json().items()) {
    constexpr std::string_view kRows = "rows_of_";
    if (!key.starts_with(kRows)) continue;
    const int64_t T = std::strtoll(key.c_str() + kRows.size(), nullptr, 10);
    const JsonField rows = heldout->at(key.c_str());
    if (T < 2 || T > c.runner.model().config().max_position_embeddings)
      rows.refuse("rows of 2 tokens or more");
    const auto mtp = T == 1024 ? heldout->find("mtp") : std::nullopt;  // README: rows of 1,024
    ScoreOptions options;
    options.row = T;
    options.mtp = mtp.has_value();
    options.progress = [&](int64_t done, int64_t of) {
      c.checks.progress("held-out text", done, of);
      return true;
    };
    const TextScore s = c.runner.score(ids, options);
    const std::string label = "score, " + key + ": ";
    const auto compare = [&](const char* name, double found, const JsonField& field, double bound) {
      c.checks.worst(label + name, std::abs(found - field.number(-1e9, 1e9)), bound);
    };
    c.checks.differing(label + "tokens", s.tokens != rows.at("tokens").integer(0, int64_t{1} << 40), 1);
    compare("bits per byte", s.bits_per_byte(std::ssize(text)), rows.at("bits_per_byte"), kScore);
    compare("nll per token", s.nll_per_token(), rows.at("nll_per_token"), kScore);
    compare("share of top-1 right", s.top1(), rows.at("top1_accuracy"), kShare);
    if (mtp && s.drafts > 0) {
      c.checks.worst("MTP: acceptance on the text",
                     std::abs(s.draft_acceptance() - mtp->at("acceptance_greedy").number(0, 1)), kShare);
      c.checks.worst("MTP: drafts that are the text's",
                     std::abs(s.draft_accuracy() - mtp->at("matches_text").number(0, 1)), kShare);
    }
  }
}

}  // namespace fathom::verify
