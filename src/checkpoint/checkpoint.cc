#include "checkpoint/checkpoint.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "base/error.h"
#include "checkpoint/tensor_catalog.h"
#include "formats/ggml_blocks.h"
#include "formats/half.h"

namespace fathom {
namespace {

std::string place(const TensorView& tensor, std::string_view name) {
  return printable(tensor.file, 400) + ": tensor " + printable(name);
}

template <class T>
T load(const std::byte* data, int64_t index) {
  T value;
  std::memcpy(&value, data + index * static_cast<int64_t>(sizeof(T)), sizeof(T));
  return value;
}

int64_t count_of(const TensorView& tensor) {
  return tensor.bytes / block_bytes(tensor.dtype) * block_values(tensor.dtype);
}

// That the shape is [rows, cols], dimensions of 1 aside: a transposed table has as many values.
void check_shape(const TensorView& t, std::string_view name, int64_t rows, int64_t cols) {
  std::vector<int64_t> found = t.shape, expected = {rows, cols};
  std::erase(found, 1);
  std::erase(expected, 1);
  if (found == expected) return;
  bad_input("{}: shape: expected {}, found {}", place(t, name),
            rows == 1 ? fmt::format("[{}]", cols) : fmt::format("[{}, {}]", rows, cols), shape_text(t.shape));
}

/// Whether a stored shape is [..., cols] with the dimensions before cols multiplying to rows.
bool folds_to(const std::vector<int64_t>& shape, int64_t rows, int64_t cols) {
  if (shape.empty() || shape.back() != cols) return false;
  int64_t product = 1;
  for (size_t i = 0; i + 1 < shape.size(); ++i) {
    if (__builtin_mul_overflow(product, shape[i], &product)) return false;
  }
  return product == rows;
}

bool is_scale_dtype(DType dtype) { return dtype == DType::F8_E8M0 || dtype == DType::F32; }

void check_scales(const TensorView& scales, std::string_view name) {
  const int64_t count = count_of(scales);
  for (int64_t i = 0; i < count; ++i) {
    const bool good = scales.dtype == DType::F8_E8M0 ? scales.data[i] != std::byte{255}
                                                     : std::isfinite(load<float>(scales.data, i));
    if (!good)
      bad_input("{}: scale {}: expected a finite number, found NaN or infinity", place(scales, name), i);
  }
}

void check_blocks(const TensorView& t, std::string_view name) {
  const int64_t blocks = t.shape.back() / block_values(t.dtype);  // of a row
  const int64_t rows = t.bytes / (blocks * block_bytes(t.dtype));
  for (int64_t row = 0; row < rows; ++row) {
    const int64_t bad = bad_ggml_block(t.dtype, t.data + row * t.row_bytes, blocks);
    if (bad < 0) continue;
    bad_input("{}: row {}: block {}: expected a finite scale, found NaN or infinity", place(t, name), row,
              bad);
  }
}

/// "X.scale" for "X.weight", or "" if the name is no weight's.
std::string scale_name(std::string_view name) {
  constexpr std::string_view kWeight = ".weight";
  if (!name.ends_with(kWeight)) return {};
  return std::string(name.substr(0, name.size() - kWeight.size())) + ".scale";
}

}  // namespace

std::shared_ptr<const Checkpoint> Checkpoint::open(const std::filesystem::path& path) {
  return path.extension() == ".gguf" ? open_gguf(path) : open_hugging_face(path);
}

WeightView Checkpoint::matrix(std::string_view official_name, int64_t rows, int64_t cols) const {
  const TensorView t = tensor(official_name);
  WeightView w;
  w.dtype = t.dtype == DType::I8 ? DType::F4_E2M1 : t.dtype;
  w.rows = rows;
  w.cols = cols;
  w.row_bytes = t.row_bytes;
  w.data = t.data;
  const bool fp4 = w.dtype == DType::F4_E2M1, fp8 = w.dtype == DType::F8_E4M3;
  const bool plain =
      w.dtype == DType::F64 || w.dtype == DType::F32 || w.dtype == DType::F16 || w.dtype == DType::BF16;
  if (!fp4 && !fp8 && !plain && !is_ggml_block(w.dtype)) {
    bad_input("{}: dtype: expected one of a weight, found {}", place(t, official_name),
              fathom::name(t.dtype));
  }
  const int64_t stored_cols = t.dtype == DType::I8 ? cols / 2 : cols;
  if (rows <= 0 || cols <= 0 || (fp4 && cols % 32 != 0) || !folds_to(t.shape, rows, stored_cols)) {
    bad_input("{}: shape: expected [{}, {}]{}, found {}", place(t, official_name), rows, stored_cols,
              fp4 ? " (two FP4 values a byte, blocks of 32)" : "", shape_text(t.shape));
  }
  const std::string scale = scale_name(official_name);
  const auto& unused = unused_names();
  const bool scaled = has(scale) || std::binary_search(unused.begin(), unused.end(), scale);
  if (!fp4 && !fp8) {
    if (scaled) bad_input("{}: expected no {}, found one", place(t, official_name), scale);
    if (is_ggml_block(t.dtype) && t.bytes <= kCheckedBlockBytes) check_blocks(t, official_name);
    return w;
  }
  if (!scaled) bad_input("{}: expected its scales in {}, found nothing", place(t, official_name), scale);
  const TensorView s = tensor(scale);
  if (!is_scale_dtype(s.dtype)) {
    bad_input("{}: dtype: expected F8_E8M0 or F32, found {}", place(s, scale), fathom::name(s.dtype));
  }
  const int64_t scale_rows = fp8 ? (rows - 1) / 128 + 1 : rows;
  const int64_t scale_cols = fp8 ? (cols - 1) / 128 + 1 : cols / 32;
  if (!folds_to(s.shape, scale_rows, scale_cols)) {
    bad_input("{}: shape: expected [{}, {}], found {}", place(s, scale), scale_rows, scale_cols,
              shape_text(s.shape));
  }
  if (s.bytes <= kCheckedScaleBytes) check_scales(s, scale);
  w.scale_layout = fp8 ? ScaleLayout::block_128 : ScaleLayout::row_32;
  w.scale_dtype = s.dtype;
  w.scales = s.data;
  w.scale_row_bytes = s.row_bytes;
  return w;
}

std::vector<float> Checkpoint::floats(std::string_view official_name, int64_t rows, int64_t cols) const {
  check_shape(tensor(official_name), official_name, rows, cols);
  return floats(official_name, rows * cols);
}

std::vector<int32_t> Checkpoint::ints(std::string_view official_name, int64_t rows, int64_t cols,
                                      int64_t limit) const {
  check_shape(tensor(official_name), official_name, rows, cols);
  return ints(official_name, rows * cols, limit);
}

std::vector<float> Checkpoint::floats(std::string_view official_name, int64_t count) const {
  const TensorView t = tensor(official_name);
  if (t.dtype != DType::F32 && t.dtype != DType::F16 && t.dtype != DType::BF16) {
    bad_input("{}: dtype: expected F32, F16 or BF16, found {}", place(t, official_name),
              fathom::name(t.dtype));
  }
  if (count_of(t) != count) {
    bad_input("{}: shape: expected {} values, found {}", place(t, official_name), count, shape_text(t.shape));
  }
  std::vector<float> out(static_cast<size_t>(count));
  for (int64_t i = 0; i < count; ++i) {
    out[static_cast<size_t>(i)] = t.dtype == DType::F32   ? load<float>(t.data, i)
                                  : t.dtype == DType::F16 ? to_float(load<Half>(t.data, i))
                                                          : to_float(load<Bf16>(t.data, i));
  }
  return out;
}

std::vector<int32_t> Checkpoint::ints(std::string_view official_name, int64_t count, int64_t limit) const {
  const TensorView t = tensor(official_name);
  if (t.dtype != DType::I64 && t.dtype != DType::I32) {
    bad_input("{}: dtype: expected I64 or I32, found {}", place(t, official_name), fathom::name(t.dtype));
  }
  if (count_of(t) != count) {
    bad_input("{}: shape: expected {} values, found {}", place(t, official_name), count, shape_text(t.shape));
  }
  std::vector<int32_t> out(static_cast<size_t>(count));
  const int64_t end = std::min<int64_t>(limit, int64_t{std::numeric_limits<int32_t>::max()} + 1);
  for (int64_t i = 0; i < count; ++i) {
    const int64_t value = t.dtype == DType::I64 ? load<int64_t>(t.data, i) : load<int32_t>(t.data, i);
    if (value < 0 || value >= end) {
      bad_input("{}: value {}: expected 0 to {}, found {}", place(t, official_name), i, end - 1, value);
    }
    out[static_cast<size_t>(i)] = static_cast<int32_t>(value);
  }
  return out;
}

void Checkpoint::validate_scales() const {
  for (const auto* list : {&names(), &unused_names()}) {
    for (const std::string& name : *list) {
      const TensorView scales = tensor(name);
      if (is_ggml_block(scales.dtype)) check_blocks(scales, name);
      // attn_hc.scale and the like end in _scale under their official names.
      if (!name.ends_with(".scale")) continue;
      if (!is_scale_dtype(scales.dtype)) {
        bad_input("{}: dtype: expected F8_E8M0 or F32, found {}", place(scales, name),
                  fathom::name(scales.dtype));
      }
      check_scales(scales, name);
    }
  }
}

}  // namespace fathom
