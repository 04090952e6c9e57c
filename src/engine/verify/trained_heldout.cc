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
// otherwise (README: one position below 1e-6).
constexpr float kGap = 1e-6f;

using Row = std::span<const float>;

// Logits [T, V] against heldout.* or heldout_mtp.*.
void compare_rows(TrainedCase& c, const ExpectedFile& e, const std::string& p, Row logits,
                  const std::vector<float>& gap) {
  const auto vocab = static_cast<size_t>(c.runner.model().config().vocab_size);
  const size_t rows = logits.size() / vocab;
  const auto row = [&](size_t t) { return logits.subspan(t * vocab, vocab); };
  const std::string label = p + ": ";
  const std::vector<int32_t> top_ids = e.ints(p + ".top16_ids"), targets = e.ints(p + ".target_ids");
  const std::vector<float> top = e.floats(p + ".top16_logits"), sums = e.floats(p + ".logsumexp"),
                           target_logits = e.floats(p + ".target_logit");
  const size_t k = rows > 0 ? top_ids.size() / rows : 0;
  if (top_ids.size() != rows * k || top.size() != rows * k || sums.size() != rows || targets.size() != rows ||
      target_logits.size() != rows || k == 0) {
    bad_input("{}: expected {} rows", e.where(p + ".top16_ids"), rows);
  }
  const auto at = [&](Row r, int32_t id) {
    if (id < 0 || static_cast<size_t>(id) >= vocab) bad_input("{}: expected an id, found {}", e.where(p), id);
    return static_cast<double>(r[static_cast<size_t>(id)]);
  };
  int64_t order = 0, of = 0;
  for (size_t t = 0; t < rows; ++t) {
    if (t < gap.size() && gap[t] < kGap) continue;
    std::vector<float> others(row(t).begin(), row(t).end());
    for (size_t j = 0; j < k; ++j) {
      const int32_t id = top_ids[t * k + j];
      c.checks.worst(label + "top-16 logits", std::abs(at(row(t), id) - static_cast<double>(top[t * k + j])),
                     kLogits);
      others[static_cast<size_t>(id)] = -std::numeric_limits<float>::infinity();
    }
    // No other token may stand above the 16th.
    order += static_cast<double>(*std::max_element(others.begin(), others.end())) >
             static_cast<double>(top[t * k + k - 1]) + kLogits;
    ++of;
    c.checks.worst(label + "logsumexp", std::abs(log_sum_exp(row(t)) - static_cast<double>(sums[t])),
                   kLogits);
    c.checks.worst(label + "target logits",
                   std::abs(at(row(t), targets[t]) - static_cast<double>(target_logits[t])), kLogits);
  }
  c.checks.differing(label + "top-16 sets", order, of);
  const std::vector<int32_t> full = e.ints(p + ".full_rows");
  const std::vector<float> full_logits = e.floats(p + ".full_logits");
  for (size_t i = 0; i < full.size(); ++i) {
    const auto t = static_cast<size_t>(full[i]);
    if (full[i] < 0 || t >= rows || full_logits.size() != full.size() * vocab) {
      bad_input("{}: expected rows of the text, found {}", e.where(p + ".full_rows"), full[i]);
    }
    if (t < gap.size() && gap[t] < kGap) continue;
    c.checks.worst(label + "full rows",
                   max_abs_diff(Row(full_logits).subspan(i * vocab, vocab), row(t), e.where(p)), kLogits);
  }
}

void check_rows(TrainedCase& c, const ExpectedFile& e) {
  if (!e.has("heldout.ids")) return;
  const std::vector<int32_t> ids = e.ints("heldout.ids");
  RecordOptions options;
  options.trace = true;
  options.mtp = e.has("heldout_mtp.ids") && c.runner.model().mtp_blocks() > 0;
  const SequenceRecord found = c.runner.record(ids, options);
  const std::vector<float> gap = e.floats("heldout.selection_gap");
  compare_rows(c, e, "heldout", found.logits, gap);
  if (options.mtp) {
    c.checks.differing("heldout_mtp: ids", e.ints("heldout_mtp.ids") != ids, 1);
    compare_rows(c, e, "heldout_mtp", found.mtp_logits, gap);
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
    if (s.drafts > 0) {
      c.checks.worst("MTP: acceptance on the text",
                     std::abs(s.draft_acceptance() - mtp->at("acceptance_greedy").number(0, 1)), kShare);
      c.checks.worst("MTP: drafts that are the text's",
                     std::abs(s.draft_accuracy() - mtp->at("matches_text").number(0, 1)), kShare);
    }
  }
}

}  // namespace fathom::verify
