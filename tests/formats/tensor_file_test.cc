// The tests' own safetensors reader, on a file made by the safetensors library.

#include "tests/support/tensor_file.h"

#include <doctest/doctest.h>

namespace fathom {

TEST_CASE("tensor_file reads names, shapes and values") {
  const auto file = test::TensorFile::open(test::golden("formats/hadamard.safetensors"));
  CHECK(file.names().size() == 12);
  CHECK(file.shape("32.x") == std::vector<int64_t>{12, 32});
  CHECK(file.dtype("32.x") == "BF16");
  const auto x = file.f32("32.x");
  REQUIRE(x.size() == 12 * 32);
  for (size_t i = 0; i < 64; ++i)
    CHECK(x[i] == (i < 32 ? 0.0f : 1.0f));  // rows 0 and 1 by the README's recipe
  CHECK(file.f64("32.y_f64").size() == 12 * 32);
  CHECK(file.bytes("32.x").size() == 2 * 12 * 32);
  CHECK_THROWS(file.f32("absent"));
  CHECK_THROWS(file.i64("32.x"));
  CHECK_THROWS(test::TensorFile::open(test::golden("formats/absent.safetensors")));
}

}  // namespace fathom
