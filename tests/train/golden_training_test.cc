// Training steps and Muon's pairs of golden/fp32, by the code of fathom verify and the bounds of its README.
#include <doctest/doctest.h>

#include "tests/support/tensor_file.h"
#include "train/training_verify.h"

namespace fathom {
namespace {

void check(const TrainingChecks& checks, size_t items, size_t files) {
  CHECK(checks.items.size() == items);
  CHECK(checks.used.size() == files);
  for (const TrainingCheck& item : checks.items) {
    CAPTURE(item.quantity);
    CAPTURE(item.detail);
    CHECK(item.error <= item.bound);
  }
}

}  // namespace

TEST_CASE("five golden training steps, Muon's matrices split and whole") {
  ThreadPool pool(2);
  for (const char* name : {"d_mix", "h_mtp"}) {
    CAPTURE(name);
    check(verify_training_steps(test::golden("fp32") / name, pool, kernels_for(detect_target())), 12, 3);
  }
  CHECK(
      verify_training_steps(test::golden("fp32") / "a_swa", pool, kernels_for(detect_target())).used.empty());
}

TEST_CASE("Muon's golden pairs") {
  for (const Target target : available_targets()) {
    CAPTURE(name(target));
    check(verify_muon(test::golden("fp32"), kernels_for(target)), 2, 1);
  }
}

}  // namespace fathom
