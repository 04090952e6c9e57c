#pragma once
/// How a row of the KV cache or of the indexer's keys lies in memory.

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "formats/half.h"

namespace fathom {

enum class RowType : uint8_t { f64, f32, bf16 };

constexpr int64_t row_type_bytes(RowType type) {
  return type == RowType::f64 ? 8 : type == RowType::f32 ? 4 : 2;
}

/// Writes x [dim] as a row of `type`; rounds to nearest, ties to even.
template <class Real>
void store_row(RowType type, const Real* x, int64_t dim, std::byte* out) {
  for (int64_t i = 0; i < dim; ++i) {
    switch (type) {
      case RowType::f64: {
        const auto v = static_cast<double>(x[i]);
        std::memcpy(out + i * 8, &v, 8);
        break;
      }
      case RowType::f32: {
        const auto v = static_cast<float>(x[i]);
        std::memcpy(out + i * 4, &v, 4);
        break;
      }
      case RowType::bf16: {
        const Bf16 v = to_bf16(static_cast<float>(x[i]));
        std::memcpy(out + i * 2, &v, 2);
        break;
      }
    }
  }
}

/// Reads element i of a row.
template <class Real>
Real row_element(RowType type, const std::byte* row, int64_t i) {
  switch (type) {
    case RowType::f64: {
      double v;
      std::memcpy(&v, row + i * 8, 8);
      return static_cast<Real>(v);
    }
    case RowType::f32: {
      float v;
      std::memcpy(&v, row + i * 4, 4);
      return static_cast<Real>(v);
    }
    case RowType::bf16: {
      Bf16 v;
      std::memcpy(&v, row + i * 2, 2);
      return static_cast<Real>(to_float(v));
    }
  }
  return Real(0);
}

}  // namespace fathom
