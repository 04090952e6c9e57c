#include "formats/encode.h"

#include <cmath>
#include <cstring>

#include "base/error.h"
#include "formats/ggml_blocks.h"
#include "formats/half.h"

namespace fathom {
namespace {

// convert(value) for each value, stored one after the other.
template <class Convert>
void store_each(const float* x, int64_t cols, std::byte* out, Convert convert) {
  for (int64_t i = 0; i < cols; ++i) {
    const auto value = convert(x[i]);
    std::memcpy(out + i * static_cast<int64_t>(sizeof value), &value, sizeof value);
  }
}

template <class Small>
Small checked(Small small, float value, DType dtype) {
  if (std::isfinite(value) && !std::isfinite(to_float(small))) {
    bad_input("expected a value within the range of {}, found {}", name(dtype), value);
  }
  return small;
}

}  // namespace

void encode_row(DType dtype, const float* x, int64_t cols, std::byte* out) {
  FATHOM_CHECK(cols % block_values(dtype) == 0);
  switch (dtype) {
    case DType::F64:
      return store_each(x, cols, out, [](float v) { return static_cast<double>(v); });
    case DType::F32:
      return store_each(x, cols, out, [](float v) { return v; });
    case DType::F16:
      return store_each(x, cols, out, [&](float v) { return checked(to_half(v), v, dtype); });
    case DType::BF16:
      return store_each(x, cols, out, [&](float v) { return checked(to_bf16(v), v, dtype); });
    case DType::Q8_0:
      return encode_q8_0_row(x, cols, out);
    case DType::MXFP4:
      return encode_mxfp4_row(x, cols, out);
    default:
      fail(ErrorCode::unsupported, "encode: expected F64, F32, F16, BF16, Q8_0 or MXFP4, found {}",
           name(dtype));
  }
}

}  // namespace fathom
