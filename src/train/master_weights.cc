#include "train/master_weights.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <map>

#include "base/error.h"
#include "formats/block_fp4.h"
#include "formats/block_fp8.h"
#include "formats/decode.h"
#include "formats/encode.h"
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

WeightView table_view(const int32_t* ids, int64_t rows, int64_t cols) {
  WeightView view;
  view.dtype = DType::I32;
  view.rows = rows;
  view.cols = cols;
  view.row_bytes = cols * 4;
  view.data = reinterpret_cast<const std::byte*>(ids);
  return view;
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
      const auto ids = checkpoint.ints(p.name, p.rows, p.cols, table.config().n_routed_experts);
      std::copy(ids.begin(), ids.end(), masters.tables.begin() + p.offset);
      continue;
    }
    float* out = masters.values.data() + p.offset;
    if (p.kind == ParamClass::vector) {
      const auto values = checkpoint.floats(p.name, p.rows, p.cols);
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

MasterWeights load_adapter_masters(const ParamTable& table, const std::filesystem::path& folder) {
  const Adapter adapter = read_adapter(folder);
  MasterWeights masters(table);
  size_t i = 0;
  if (adapter.shape.rank != table.adapter().rank || adapter.matrices.size() * 2 != table.params().size()) {
    bad_input("{}: expected {} adapters of rank {}, found {} of rank {}", printable(folder.string(), 400),
              table.params().size() / 2, table.adapter().rank, adapter.matrices.size(), adapter.shape.rank);
  }
  for (const AdapterMatrix& into : table.adapter_matrices(masters.values.data())) {
    const auto m = std::ranges::find(adapter.matrices, into.name, &AdapterMatrix::name);
    if (m == adapter.matrices.end() || m->rows != into.rows || m->cols != into.cols) {
      bad_input("{}: {}: expected an adapter of [{}, {}], found none", printable(folder.string(), 400),
                into.name, into.rows, into.cols);
    }
    const TrainedParam &a = table.params()[i], &b = table.params()[i + 1];
    std::copy_n(m->a, a.values(), masters.values.begin() + a.offset);
    std::copy_n(m->b, b.values(), masters.values.begin() + b.offset);
    i += 2;
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
  n.bf16_matmul = n.bf16_latents = precision != Precision::fp32;
  if (n.bf16_matmul) n.mode = Numerics::Mode::fast;
  n.quantise_activations = precision == Precision::fp8 || precision == Precision::fp4;
  n.quantise_indexer = precision == Precision::fp4;
  return n;
}

void check_precision(const ModelConfig& config, Precision precision) {
  if (precision != Precision::fp4) return;
  const auto classes = storage_classes(config);
  for (const TensorInfo& tensor : inventory(config)) {
    const int64_t columns = tensor.shape.back();
    if (classes.at(tensor.name) == StorageClass::q4 && columns % kFp4Block != 0) {
      bad_input("{}: FP4 expects a multiple of {} columns, found {}", tensor.name, kFp4Block, columns);
    }
  }
  const bool indexed =
      std::ranges::any_of(config.layers, [](const auto& l) { return l.kind == LayerKind::csa; });
  if (indexed && !std::has_single_bit(static_cast<uint64_t>(config.index_head_dim))) {
    bad_input("index_head_dim: FP4 expects a power of two, found {}", config.index_head_dim);
  }
}

void ComputeWeights::copy(const WeightView& from, DType dtype, const std::string& name, WeightView& view) {
  if (dtype == DType::F4_E2M1 && from.cols % kFp4Block != 0) {
    bad_input("{}: FP4 expects a multiple of {} columns, found {}", name, kFp4Block, from.cols);
  }
  const auto reserve = [&](int64_t bytes) {
    const size_t at = size_;
    size_ += (static_cast<size_t>(bytes) + 63) / 64 * 64;
    return at;
  };
  Copy copy{from, dtype, reserve(from.rows * row_bytes(dtype, from.cols)), 0, name, {}};
  copy.scales = reserve(scale_bytes(WeightStorage{dtype}, from.rows, from.cols));
  copies_.push_back(std::move(copy));
  views_.push_back(&view);
}

void ComputeWeights::allocate() {
  bytes_.resize(size_);
  for (size_t i = 0; i < copies_.size(); ++i) {
    const Copy& copy = copies_[i];
    WeightView& view = *views_[i];
    view = {};
    view.dtype = copy.dtype;
    view.rows = copy.from.rows;
    view.cols = copy.from.cols;
    view.row_bytes = row_bytes(copy.dtype, view.cols);
    view.data = bytes_.data() + copy.values;
    if (!WeightStorage{copy.dtype}.has_scales()) continue;
    const bool square = copy.dtype == DType::F8_E4M3;
    const int64_t width = square ? kFp8WeightBlock : kFp4Block;
    view.scale_layout = square ? ScaleLayout::block_128 : ScaleLayout::row_32;
    view.scale_dtype = DType::F8_E8M0;
    view.scales = bytes_.data() + copy.scales;
    view.scale_row_bytes = (view.cols + width - 1) / width;
  }
  views_.clear();
}

ComputeWeights::ComputeWeights(const ParamTable& table, const MasterWeights& masters, Precision precision,
                               const Checkpoint* base) {
  if (table.adapter().rank > 0) {
    FATHOM_CHECK(base != nullptr);
    adapt(table, masters, precision, *base);
    return;
  }
  const auto classes = storage_classes(table.config());
  size_t next = 0;
  for_each_param(
      table.config(), table.mtp_blocks(),
      [&](const std::string&, ParamClass, int64_t rows, int64_t cols, WeightView& view) {
        const TrainedParam& p = table.params()[next++];
        if (p.kind == ParamClass::table) {
          view = table_view(masters.tables.data() + p.offset, rows, cols);
          return;
        }
        view = weight_view(masters.values.data() + p.offset, rows, cols);
        if (p.kind == ParamClass::vector) return;
        const auto found = classes.find(p.name);
        FATHOM_CHECK(found != classes.end());
        const DType dtype = stored_as(found->second, precision);
        if (dtype != DType::F32) copy(view, dtype, p.name, view);
      },
      params_);
  allocate();
}

// The base's matrices are copied once; those with an adapter again whenever it changes.
void ComputeWeights::adapt(const ParamTable& table, const MasterWeights& masters, Precision precision,
                           const Checkpoint& base) {
  FATHOM_CHECK(precision == Precision::fp32 || precision == Precision::bf16);
  adapts_ = true;
  shape_ = table.adapter();
  std::map<std::string, AdapterMatrix> adapters;
  for (AdapterMatrix& m : table.adapter_matrices(masters.values.data())) adapters[m.name] = m;
  const ModelConfig& config = table.config();
  for_each_param(
      config, table.mtp_blocks(),
      [&](const std::string& name, ParamClass kind, int64_t rows, int64_t cols, WeightView& view) {
        if (kind == ParamClass::table) {
          view = table_view(tables_.emplace_back(base.ints(name, rows, cols, config.n_routed_experts)).data(),
                            rows, cols);
        } else if (kind == ParamClass::vector) {
          view = weight_view(vectors_.emplace_back(base.floats(name, rows, cols)).data(), rows, cols);
        } else {
          copy(base.matrix(name, rows, cols), precision == Precision::fp32 ? DType::F32 : DType::BF16, name,
               view);
          if (const auto m = adapters.find(name); m != adapters.end()) copies_.back().adapter = m->second;
        }
      },
      params_);
  allocate();
}

void ComputeWeights::refresh(ThreadPool& pool) {
  struct Group {
    size_t copy;
    int64_t first;
  };
  std::vector<Group> groups;
  for (size_t i = 0; i < copies_.size(); ++i) {
    if (adapts_ && !fresh_ && !copies_[i].adapter) continue;
    for (int64_t row = 0; row < copies_[i].from.rows; row += kTranscodeRows) groups.push_back({i, row});
  }
  fresh_ = false;
  pool.parallel_for(static_cast<int64_t>(groups.size()), 1, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const Group& group = groups[static_cast<size_t>(i)];
      const Copy& copy = copies_[group.copy];
      const WeightStorage storage{copy.dtype};
      const int64_t cols = copy.from.cols, count = std::min(kTranscodeRows, copy.from.rows - group.first);
      std::byte* values = bytes_.data() + copy.values + group.first * row_bytes(copy.dtype, cols);
      std::byte* scales = bytes_.data() + copy.scales + scale_bytes(storage, group.first, cols);
      if (!copy.adapter) {
        in_context(copy.name,
                   [&] { transcode_rows(copy.from, group.first, count, storage, values, scales); });
        continue;
      }
      std::vector<float> row(static_cast<size_t>(cols));
      for (int64_t r = 0; r < count; ++r) {
        decode_row(copy.from, group.first + r, row.data());
        add_low_rank(*copy.adapter, shape_.rank, shape_.scale(), group.first + r, row.data());
        in_context(copy.name, [&] {
          encode_row(copy.dtype, row.data(), cols, values + r * row_bytes(copy.dtype, cols));
        });
      }
    }
  });
}

}  // namespace fathom
