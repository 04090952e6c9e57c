#include "train/master_weights.h"

#include <algorithm>
#include <cmath>
#include <map>

#include "base/error.h"
#include "formats/block_fp4.h"
#include "formats/block_fp8.h"
#include "formats/decode.h"
#include "formats/transcode.h"
#include "model/inventory.h"

namespace fathom {
namespace {

// How `precision` stores a matrix of this storage class.
DType stored_as(StorageClass storage, Precision precision) {
  if (precision == Precision::fp32) return DType::F32;
  const bool quantised = storage == StorageClass::q8 || storage == StorageClass::q4;
  if (precision == Precision::bf16 || !quantised) return DType::BF16;
  return precision == Precision::fp4 && storage == StorageClass::q4 ? DType::F4_E2M1 : DType::F8_E4M3;
}

std::map<std::string, StorageClass> storage_classes(const ModelConfig& config) {
  ModelConfig release = config;
  release.expert_dtype = "fp4";
  std::map<std::string, StorageClass> classes;
  for (const TensorInfo& tensor : inventory(release)) classes[tensor.name] = tensor.storage;
  return classes;
}

}  // namespace

MasterWeights load_masters(const ParamTable& table, const Checkpoint& checkpoint) {
  MasterWeights masters(table);
  for (const TrainedParam& p : table.params()) {
    if (p.kind == ParamClass::table) {
      const auto ids = checkpoint.ints(p.name, p.values(), table.config().n_routed_experts);
      std::copy(ids.begin(), ids.end(), masters.tables.begin() + p.offset);
      continue;
    }
    float* out = masters.values.data() + p.offset;
    if (p.kind == ParamClass::vector) {
      const auto values = checkpoint.floats(p.name, p.values());
      std::copy(values.begin(), values.end(), out);
    } else {
      const WeightView view = checkpoint.matrix(p.name, p.rows, p.cols);
      for (int64_t i = 0; i < p.rows; ++i) decode_row(view, i, out + i * p.cols);
    }
    for (int64_t i = 0; i < p.values(); ++i) {
      if (!std::isfinite(out[i])) {
        bad_input("{}[{}][{}]: expected a finite value, found {}", p.name, i / p.cols, i % p.cols, out[i]);
      }
    }
  }
  return masters;
}

std::string_view name(Precision precision) {
  constexpr std::string_view kNames[] = {"fp32", "bf16", "fp8", "fp4"};
  return kNames[static_cast<size_t>(precision)];
}

Precision precision_from_name(std::string_view text) {
  for (const Precision p : {Precision::fp32, Precision::bf16, Precision::fp8, Precision::fp4}) {
    if (name(p) == text) return p;
  }
  bad_input("precision: expected fp32, bf16, fp8 or fp4, found \"{}\"", printable(text));
}

Numerics training_numerics(Precision precision) {
  Numerics n = Numerics::exact();
  n.bf16_matmul = precision != Precision::fp32;
  if (n.bf16_matmul) n.mode = Numerics::Mode::fast;
  n.quantise_activations = precision == Precision::fp8 || precision == Precision::fp4;
  n.quantise_indexer = precision == Precision::fp4;
  return n;
}

ComputeWeights::ComputeWeights(const ParamTable& table, const MasterWeights& masters, Precision precision) {
  const auto classes = storage_classes(table.config());
  size_t next = 0, size = 0;
  const auto reserve = [&](int64_t bytes) {
    const size_t at = size;
    size += (static_cast<size_t>(bytes) + 63) / 64 * 64;
    return at;
  };
  std::vector<std::pair<WeightView*, size_t>> copied;  // the views of copies, filled when the bytes stand
  for_each_param(
      table.config(), table.mtp_blocks(),
      [&](const std::string&, ParamClass, int64_t rows, int64_t cols, WeightView& view) {
        const TrainedParam& p = table.params()[next++];
        if (p.kind == ParamClass::table) {
          view.dtype = DType::I32;
          view.rows = rows;
          view.cols = cols;
          view.row_bytes = cols * 4;
          view.data = reinterpret_cast<const std::byte*>(masters.tables.data() + p.offset);
          return;
        }
        view = weight_view(masters.values.data() + p.offset, rows, cols);
        if (p.kind == ParamClass::vector) return;
        const auto found = classes.find(p.name);
        FATHOM_CHECK(found != classes.end());
        const DType dtype = stored_as(found->second, precision);
        if (dtype == DType::F32) return;
        if (dtype == DType::F4_E2M1 && cols % kFp4Block != 0) {
          bad_input("{}: FP4 expects a multiple of {} columns, found {}", p.name, kFp4Block, cols);
        }
        const WeightStorage storage{dtype};
        Copy copy{view, dtype, reserve(rows * row_bytes(dtype, cols)), 0, p.name.c_str()};
        copy.scales = reserve(scale_bytes(storage, rows, cols));
        copied.emplace_back(&view, copies_.size());
        copies_.push_back(copy);
      },
      params_);
  bytes_.resize(size);
  for (const auto& [view, index] : copied) {
    const Copy& copy = copies_[index];
    view->dtype = copy.dtype;
    view->row_bytes = row_bytes(copy.dtype, view->cols);
    view->data = bytes_.data() + copy.values;
    if (!WeightStorage{copy.dtype}.has_scales()) continue;
    const bool square = copy.dtype == DType::F8_E4M3;
    const int64_t width = square ? kFp8WeightBlock : kFp4Block;
    view->scale_layout = square ? ScaleLayout::block_128 : ScaleLayout::row_32;
    view->scale_dtype = DType::F8_E8M0;
    view->scales = bytes_.data() + copy.scales;
    view->scale_row_bytes = (view->cols + width - 1) / width;
  }
}

void ComputeWeights::refresh(ThreadPool& pool) {
  struct Group {
    size_t copy;
    int64_t first;
  };
  std::vector<Group> groups;
  for (size_t i = 0; i < copies_.size(); ++i) {
    for (int64_t row = 0; row < copies_[i].from.rows; row += kTranscodeRows) groups.push_back({i, row});
  }
  pool.parallel_for(static_cast<int64_t>(groups.size()), 1, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const Group& group = groups[static_cast<size_t>(i)];
      const Copy& copy = copies_[group.copy];
      const WeightStorage storage{copy.dtype};
      const int64_t cols = copy.from.cols, count = std::min(kTranscodeRows, copy.from.rows - group.first);
      std::byte* values = bytes_.data() + copy.values + group.first * row_bytes(copy.dtype, cols);
      std::byte* scales = bytes_.data() + copy.scales + scale_bytes(storage, group.first, cols);
      in_context(copy.name, [&] { transcode_rows(copy.from, group.first, count, storage, values, scales); });
    }
  });
}

}  // namespace fathom
