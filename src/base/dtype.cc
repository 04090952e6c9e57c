#include "base/dtype.h"

#include <array>
#include <limits>

namespace fathom {
namespace {

struct Row {
  DType dtype;
  std::string_view name;
  int64_t values, bytes;
};
constexpr std::array kRows = {
    Row{DType::F64, "F64", 1, 8},
    Row{DType::F32, "F32", 1, 4},
    Row{DType::F16, "F16", 1, 2},
    Row{DType::BF16, "BF16", 1, 2},
    Row{DType::F8_E4M3, "F8_E4M3", 1, 1},
    Row{DType::F8_E8M0, "F8_E8M0", 1, 1},
    Row{DType::F4_E2M1, "F4_E2M1", 2, 1},
    Row{DType::I64, "I64", 1, 8},
    Row{DType::I32, "I32", 1, 4},
    Row{DType::I16, "I16", 1, 2},
    Row{DType::I8, "I8", 1, 1},
    Row{DType::U8, "U8", 1, 1},
    Row{DType::BOOL, "BOOL", 1, 1},
    Row{DType::Q8_0, "Q8_0", 32, 34},
    Row{DType::Q2_K, "Q2_K", 256, 84},
    Row{DType::Q4_K, "Q4_K", 256, 144},
    Row{DType::IQ2_XXS, "IQ2_XXS", 256, 66},
    Row{DType::MXFP4, "MXFP4", 32, 17},
};
const Row& row_of(DType dtype) { return kRows[static_cast<size_t>(dtype)]; }

}  // namespace

std::string_view name(DType dtype) { return row_of(dtype).name; }

std::optional<DType> dtype_from_name(std::string_view name) {
  for (const Row& row : kRows) {
    if (row.name == name) return row.dtype;
  }
  return std::nullopt;
}

int64_t block_values(DType dtype) { return row_of(dtype).values; }
int64_t block_bytes(DType dtype) { return row_of(dtype).bytes; }

int64_t row_bytes(DType dtype, int64_t cols) {
  const Row& row = row_of(dtype);
  if (cols < 0 || cols % row.values != 0) return -1;
  if (cols / row.values > std::numeric_limits<int64_t>::max() / row.bytes) return -1;
  return cols / row.values * row.bytes;
}

}  // namespace fathom
