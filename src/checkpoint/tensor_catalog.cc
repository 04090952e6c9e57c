#include "checkpoint/tensor_catalog.h"

#include <algorithm>

#include "base/error.h"

namespace fathom {
namespace {

// Far above any model (V4-Pro has 145,116), and what a hostile fused tensor may be cut into.
constexpr size_t kMaxTensors = 4'000'000;
constexpr int64_t kMaxExperts = 65'536;

int64_t leading_rows(const std::vector<int64_t>& shape) {
  int64_t rows = 1;
  for (size_t i = 0; i + 1 < shape.size(); ++i) rows *= shape[i];
  return rows;
}

[[noreturn]] void bad_shape(std::string_view stored, const TensorView& view, std::string_view expected) {
  bad_input("{}: tensor {}: shape: expected {}, found {}", printable(view.file, 400), printable(stored),
            expected, shape_text(view.shape));
}

}  // namespace

std::string shape_text(const std::vector<int64_t>& shape) {
  std::string out = "[";
  for (size_t i = 0; i < shape.size(); ++i) out += (i == 0 ? "" : ", ") + std::to_string(shape[i]);
  return out + "]";
}

void TensorCatalog::add_whole(std::string name, std::string_view stored, TensorView view) {
  if (entries.size() == kMaxTensors) {
    bad_input("{}: tensor {}: expected at most {} tensors, found more", printable(view.file, 400),
              printable(stored), kMaxTensors);
  }
  entries.push_back({std::move(name), std::move(view), stored});
}

void TensorCatalog::add_slice(std::string name, std::string_view stored, const TensorView& whole,
                              int64_t first_row, int64_t rows) {
  TensorView slice = whole;
  slice.shape = {rows, whole.shape.back()};
  slice.data = whole.data + first_row * whole.row_bytes;
  slice.bytes = rows * whole.row_bytes;
  add_whole(std::move(name), stored, std::move(slice));
}

void TensorCatalog::add(const StoredName& meaning, std::string_view stored, TensorView view) {
  const bool empty = view.bytes == 0;
  if (meaning.form != NameForm::unknown && meaning.form != NameForm::copy)
    naming = std::max(naming, meaning.naming);
  if (!empty && !view.shape.empty()) view.row_bytes = view.bytes / leading_rows(view.shape);
  switch (meaning.form) {
    case NameForm::copy:
      return;
    case NameForm::unknown:
      unknown.emplace_back(stored);
      return;
    case NameForm::whole:
      add_whole(meaning.official, stored, std::move(view));
      return;
    case NameForm::experts_gate_up:
    case NameForm::experts_stack: {
      const bool pair = meaning.form == NameForm::experts_gate_up;
      if (view.shape.size() != 3 || empty || view.shape[0] > kMaxExperts ||
          (pair && view.shape[1] % 2 != 0)) {
        bad_shape(stored, view, pair ? "[experts, 2 * inter, hidden]" : "[experts, rows, columns]");
      }
      const int64_t experts = view.shape[0], rows = view.shape[1] / (pair ? 2 : 1);
      if (pair && meaning.official.ends_with(".scale"))
        cut_scales_.push_back(expert_name(meaning.official, 0));
      for (int64_t e = 0; e < experts; ++e) {
        std::string name = expert_name(meaning.official, e);
        if (pair) {
          std::string third = name;
          third.replace(third.rfind(".w1."), 4, ".w3.");
          add_slice(std::move(third), stored, view, view.shape[1] * e + rows, rows);
        }
        add_slice(std::move(name), stored, view, view.shape[1] * e, rows);
      }
      return;
    }
    case NameForm::columns_e_h: {
      const int64_t half = view.shape.size() == 2 ? view.shape[1] / 2 : 0;
      const int64_t half_bytes = row_bytes(view.dtype, half);
      if (empty || view.shape.size() != 2 || view.shape[1] % 2 != 0 || half_bytes < 0) {
        bad_shape(stored, view, "[hidden, 2 * hidden] whose halves are whole blocks");
      }
      view.shape[1] = half;
      view.bytes = view.shape[0] * half_bytes;
      TensorView right = view;
      right.data += half_bytes;
      std::string h_proj = meaning.official;
      h_proj.replace(h_proj.rfind(".e_proj."), 8, ".h_proj.");
      add_whole(meaning.official, stored, std::move(view));
      add_whole(std::move(h_proj), stored, std::move(right));
      return;
    }
  }
}

void TensorCatalog::finish() {
  std::sort(entries.begin(), entries.end(), [](const Entry& a, const Entry& b) { return a.name < b.name; });
  const auto twice = std::adjacent_find(entries.begin(), entries.end(),
                                        [](const Entry& a, const Entry& b) { return a.name == b.name; });
  if (twice != entries.end()) {
    const Entry& second = *(twice + 1);
    bad_input("{}: tensor {}: expected once, found twice (as {} in {})", printable(second.view.file, 400),
              twice->name, printable(second.stored), printable(twice->view.file, 400));
  }
  std::sort(unknown.begin(), unknown.end());
  // A grid of 128-row blocks over gate and up together can be cut only if gate ends on a block.
  for (const std::string& scale : cut_scales_) {
    const std::string weight = scale.substr(0, scale.rfind('.')) + ".weight";
    const auto found = std::lower_bound(entries.begin(), entries.end(), weight,
                                        [](const Entry& e, const std::string& n) { return e.name < n; });
    if (found == entries.end() || found->name != weight || found->view.dtype != DType::F8_E4M3) continue;
    if (found->view.shape[0] % 128 != 0) {
      fail(ErrorCode::unsupported,
           "{}: tensor {}: shape: expected rows in blocks of 128 to share a scale grid, found {}",
           printable(found->view.file, 400), printable(found->stored), shape_text(found->view.shape));
    }
  }
}

}  // namespace fathom
