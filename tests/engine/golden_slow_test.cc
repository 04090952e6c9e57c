// The trained model's golden vectors on every target, and all 3,200 of its problems.
#include "tests/engine/golden_checks.h"

namespace fathom {
namespace {

TEST_CASE("the trained model on every target") {
  for (const Target target : available_targets()) {
    CAPTURE(name(target));
    VerifyOptions options;
    options.target = target;
    options.full = target == detect_target();
    test::check_golden(test::golden_folder("trained"), options);
  }
}

}  // namespace
}  // namespace fathom
