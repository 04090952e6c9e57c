// How far the fast numerics are from the exact ones: KL divergence and agreement of the most likely token
// over the 1,500 held-out tokens of golden/trained. The figures are in docs/performance.md.
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>

#include "checkpoint/checkpoint.h"
#include "engine/recorder.h"
#include "engine/verify/expected_file.h"

namespace fathom {
namespace {

const std::filesystem::path kRoot = FATHOM_SOURCE_DIR;

std::vector<float> logits_of(const Model& model, const Numerics& numerics, Target target,
                             std::span<const int32_t> ids) {
  RuntimeOptions options;
  options.numerics = numerics;
  options.target = target;
  Runtime<float> runtime(options);
  return record_sequence(runtime, model, ids).logits;
}

// Log-probabilities of a row of logits.
std::vector<double> log_probabilities(std::span<const float> logits) {
  const double largest = static_cast<double>(*std::max_element(logits.begin(), logits.end()));
  double sum = 0;
  for (const float v : logits) sum += std::exp(static_cast<double>(v) - largest);
  std::vector<double> out;
  for (const float v : logits) out.push_back(static_cast<double>(v) - largest - std::log(sum));
  return out;
}

TEST_CASE("fast numerics stay close to exact ones on held-out text") {
  const auto model = Model::open(kRoot / "models/v4-10m");
  const verify::ExpectedFile expected(kRoot / "tests/golden/trained/expected.safetensors");
  const std::vector<int32_t> ids = expected.ints("heldout.ids");
  REQUIRE(ids.size() == 1500);
  const auto vocab = static_cast<size_t>(model->config().vocab_size);
  const std::vector<float> exact = logits_of(*model, Numerics::exact(), available_targets().back(), ids);
  for (const Target target : available_targets()) {
    const std::vector<float> fast = logits_of(*model, Numerics::fast(), target, ids);
    double divergence = 0;
    int64_t agreed = 0;
    for (size_t t = 0; t < ids.size(); ++t) {
      const std::span<const float> p_row(exact.data() + t * vocab, vocab),
          q_row(fast.data() + t * vocab, vocab);
      const std::vector<double> p = log_probabilities(p_row), q = log_probabilities(q_row);
      for (size_t i = 0; i < vocab; ++i) divergence += std::exp(p[i]) * (p[i] - q[i]);
      agreed += std::max_element(p.begin(), p.end()) - p.begin() ==
                std::max_element(q.begin(), q.end()) - q.begin();
    }
    const auto rows = static_cast<double>(ids.size());
    const double mean = divergence / rows, agreement = static_cast<double>(agreed) / rows;
    MESSAGE("fast against exact, ", name(target), ": mean KL ", mean, ", same most likely token ", agreement);
    CHECK(mean <= 5e-4);
    CHECK(mean > 1e-7);  // the modes do differ: the comparison is not of one run with itself
    CHECK(agreement >= 0.99);
  }
}

}  // namespace
}  // namespace fathom
