// Layout of golden/quantised: one sequence, prefill_len tokens at once and the rest token by token, under
// exact numerics (exact.*), release numerics (fp32streams.*) and, loosely, the official bf16 values. Bounds:
// its README, "Bounds a test can honestly use".
#include <algorithm>
#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/file.h"
#include "base/json_reader.h"
#include "engine/verify/checks.h"
#include "engine/verify/expected_file.h"
#include "engine/verify/runner.h"

namespace fathom::verify {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr double kExactLogits = 2e-4;
constexpr double kFlip = 1e-3;  // relative; equal roundings agree to 2e-6 (measured)
// For MTP the README names no number ("use median and KL"): a flipped expert moves one row by up to 8.
constexpr double kMtpKlMean = 0.05;
constexpr double kMedian = 1e-3, kKlMean = 3e-3, kKlMax = 0.05, kTop1 = 0.03, kGap = 1e-3;
// The official values have bf16 rounding points that fathom does not have.
constexpr double kBf16Kl = 0.4, kBf16Top1 = 0.4;

class QuantisedCase {
 public:
  QuantisedCase(Checks& checks, const ExpectedFile& expected, std::shared_ptr<const Model> model)
      : checks_(checks), e_(expected), model_(std::move(model)) {}

  void run() {
    if (e_.has("exact.logits")) exact();
    if (e_.has("fp32streams.logits")) release();
  }

 private:
  const ModelConfig& config() const { return model_->config(); }

  SequenceRecord record(const Numerics& numerics, bool mtp) {
    RecordOptions options;
    options.first_chunk = e_.scalar("prefill_len");
    options.chunk = 1;
    options.trace = true;
    options.mtp = mtp && model_->mtp_blocks() > 0;
    return Runner(model_, numerics, checks_.options()).record(e_.ints("input_ids"), options);
  }

  void exact() {
    const std::string p = "exact.";
    SequenceRecord found = record(Numerics::exact(), e_.has(p + "mtp_logits"));
    checks_.worst(p + "logits", max_abs_diff(e_.floats(p + "logits"), found.logits, e_.where(p + "logits")),
                  kExactLogits);
    if (e_.has(p + "mtp_logits")) {
      checks_.worst(p + "mtp_logits",
                    max_abs_diff(e_.floats(p + "mtp_logits"), found.mtp_logits, e_.where(p + "mtp_logits")),
                    kExactLogits);
    }
    choices(p, found, -kInfinity);
  }

  void release() {
    const std::string p = "fp32streams.";
    SequenceRecord found = record(Numerics::release(), e_.has(p + "mtp_logits"));
    const LogitDistance d =
        logit_distance(e_.floats(p + "logits"), found.logits, config().vocab_size, e_.where(p + "logits"));
    LogitDistance mtp;
    if (e_.has(p + "mtp_logits")) {
      mtp = logit_distance(e_.floats(p + "mtp_logits"), found.mtp_logits, config().vocab_size,
                           e_.where(p + "mtp_logits"));
    }
    const std::vector<double> stream = last_stream(p, found.layers[config().num_hidden_layers - 1]);
    checks_.worst(p + "logits: KL mean", d.kl_mean, kKlMean);
    checks_.worst(p + "logits: KL max", d.kl_max, kKlMax);
    checks_.differing(p + "logits: top-1", d.top1_differing, d.tokens, kTop1);
    const double flip = d.median_max_abs > kMedian ? distance_from_exact_sums(d, mtp) : kInfinity;
    if (flip <= kFlip) {
      checks_.worst(p + "logits: distance against that of exact sums (spread.json)", flip, kFlip);
      checks_.not_checked(fmt::format(
          "{}medians over tokens ({:.2g}): rounded as exact sums do, not as the golden's own sums", p,
          d.median_max_abs));
    } else {
      const std::string median = ": median over tokens of max abs";
      checks_.worst(p + "logits" + median, d.median_max_abs, kMedian);
      if (!stream.empty()) checks_.worst(p + "last_stream" + median, verify::median(stream), kMedian);
      if (mtp.tokens > 0) {
        checks_.worst(p + "mtp_logits" + median, mtp.median_max_abs, kMedian);
        checks_.worst(p + "mtp_logits: KL mean", mtp.kl_mean, kMtpKlMean);
      }
    }
    choices(p, found, kGap);
    if (e_.has("logits")) {
      const LogitDistance official =
          logit_distance(e_.floats("logits"), found.logits, config().vocab_size, e_.where("logits"));
      checks_.worst("official bf16 logits: KL mean", official.kl_mean, kBf16Kl);
      checks_.differing("official bf16 logits: top-1", official.top1_differing, official.tokens, kBf16Top1);
    }
  }

  // The golden's sums are fp32 ones. Where an FP8 rounding is a tie to within their error, exact sums round
  // it the other way, and one flip at an early token moves all later ones: spread.json says how far the
  // golden's own run with exact sums is from it. Largest relative difference of our distances from those.
  double distance_from_exact_sums(const LogitDistance& d, const LogitDistance& mtp) {
    const std::filesystem::path path = checks_.folder() / "spread.json";
    if (!is_file(path)) return kInfinity;
    const nlohmann::json json = in_context(printable(path.string(), 400),
                                           [&] { return parse_json(read_text(path, int64_t{1} << 24)); });
    checks_.used("spread.json");
    const auto spread =
        JsonField(json, printable(path.string(), 400)).find("FP32STREAMS: everything exactly accumulated");
    if (!spread) return kInfinity;
    double worst = 0;
    const auto compare = [&](const char* name, double ours) {
      const auto value = spread->find(name);
      if (!value) return;
      const double theirs = value->number(0, 1e9);
      worst = std::max(worst, theirs > 0 ? std::abs(ours / theirs - 1) : kInfinity);
    };
    compare("max_abs", d.max_abs);
    compare("kl_mean", d.kl_mean);
    compare("kl_max", d.kl_max);
    if (mtp.tokens > 0) compare("mtp_max_abs", mtp.max_abs);
    return worst;
  }

  // Experts and entries of the tokens whose gap, as the golden run measured it, is above `least`.
  void choices(const std::string& p, const SequenceRecord& found, double least) {
    const std::string what = least > 0 ? " (gap > 1e-3)" : "";
    const std::vector<float> router_gap = e_.floats(p + "router_gap"), index_gap = e_.floats(p + "index_gap");
    const int64_t rows = static_cast<int64_t>(e_.ints("input_ids").size());
    const auto kept = [&](const std::vector<float>& gap, int64_t t) {
      return static_cast<double>(gap.at(static_cast<size_t>(t))) > least;
    };
    for (int64_t i = 0; i < config().num_hidden_layers; ++i) {
      const LayerRecord& layer = found.layers.at(i);
      const std::string router = fmt::format("{}router.{}.ids", p, i);
      if (e_.has(router)) {
        const int64_t k = config().num_experts_per_tok;
        std::vector<int32_t> ids = e_.ints(router);
        if (static_cast<int64_t>(ids.size()) != rows * k) {
          bad_input("{}: expected {} values, found {}", e_.where(router), rows * k, ids.size());
        }
        int64_t differing = 0, of = 0;
        for (int64_t t = 0; t < rows; ++t) {
          if (!kept(router_gap, t)) continue;
          const auto row = ids.begin() + t * k;
          std::sort(row, row + k);
          differing += !std::equal(row, row + k, layer.router_ids.begin() + t * k);
          ++of;
        }
        checks_.differing(fmt::format("{}router ids{}", p, what), differing, of);
      }
      const std::string selected = fmt::format("{}indexer.{}.selected", p, i);
      if (!e_.has(selected)) continue;
      const std::vector<int32_t> mask = e_.ints(selected);
      const int64_t entries = rows > 0 ? static_cast<int64_t>(mask.size()) / rows : 0;
      int64_t differing = 0, of = 0;
      for (int64_t t = 0; t < rows; ++t) {
        if (!kept(index_gap, t)) continue;
        std::vector<int32_t> ours(static_cast<size_t>(entries), 0);
        for (int64_t j = 0; j < layer.indexer_width; ++j) {
          const int32_t entry = layer.indexer[static_cast<size_t>(t * layer.indexer_width + j)];
          if (entry >= 0 && entry < entries) ours[static_cast<size_t>(entry)] = 1;
        }
        differing += !std::equal(ours.begin(), ours.end(), mask.begin() + t * entries,
                                 [](int32_t a, int32_t b) { return (a != 0) == (b != 0); });
        ++of;
      }
      checks_.differing(fmt::format("{}indexer entries{}", p, what), differing, of);
    }
  }

  // Largest differences of the streams after the last layer, at every third prefill position.
  std::vector<double> last_stream(const std::string& p, const LayerRecord& layer) {
    std::vector<double> largest;
    const std::string name = p + "last_stream";
    if (!e_.has(name)) return largest;
    const std::vector<float> expected = e_.floats(name);
    const int64_t width = config().hc_mult * config().hidden_size;
    for (int64_t i = 0; (i + 1) * width <= static_cast<int64_t>(expected.size()); ++i) {
      const auto at = static_cast<size_t>(3 * i * width), size = static_cast<size_t>(width);
      if (at + size > layer.streams.size())
        bad_input("{}: expected fewer rows, found {}", e_.where(name), i + 1);
      largest.push_back(max_abs_diff(std::span(expected).subspan(static_cast<size_t>(i * width), size),
                                     std::span(layer.streams).subspan(at, size), e_.where(name)));
    }
    return largest;
  }

  Checks& checks_;
  const ExpectedFile& e_;
  std::shared_ptr<const Model> model_;
};

}  // namespace

bool is_quantised(const std::filesystem::path& folder) {
  const auto file = folder / "expected.safetensors";
  return is_file(file) && ExpectedFile(file).has("prefill_len");
}

void check_quantised(Checks& checks) {
  const ExpectedFile expected(checks.folder() / "expected.safetensors");
  checks.used("expected.safetensors");
  const std::shared_ptr<const Model> model = Model::open(checks.model_path());
  QuantisedCase(checks, expected, model).run();
  if (is_file(checks.folder() / "steps.safetensors")) check_steps(checks, *model);
  checks.used_model(checks.folder());
  checks.unread_tensors("expected.safetensors", expected.unread());
}

}  // namespace fathom::verify
