#include "model/synthetic.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/file.h"
#include "base/rng.h"
#include "checkpoint/safetensors_writer.h"
#include "formats/block_fp4.h"
#include "formats/block_fp8.h"
#include "formats/encode.h"

namespace fathom {
namespace {

constexpr int64_t kHoleValues = int64_t{1} << 16;
constexpr int64_t kGroupRows = 128;                 // an FP8 block's rows, so that groups encode alone
constexpr int64_t kChunkValues = int64_t{1} << 22;  // values between two appends, about
constexpr double kHcScale = 0.01, kCombDiagonal = 8, kApeDeviation = 0.02;

// A tensor's own stream of random words.
class Words {
 public:
  Words(uint64_t seed, std::string_view name) {
    uint64_t hash = 0xcbf29ce484222325u;  // FNV-1a
    for (const char c : name) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3u;
    const auto words = philox(seed, hash);
    key_ = uint64_t{words[1]} << 32 | words[0];
  }
  // Words first .. first + count as values uniform in [-limit, limit).
  void uniform(int64_t first, int64_t count, float limit, float* out) const {
    const float unit = limit * 0x1p-31f;
    int64_t done = 0;
    while (done < count) {
      const int64_t index = first + done;
      const auto words = philox(key_, static_cast<uint64_t>(index / 4));
      for (int64_t k = index % 4; k < 4 && done < count; ++k) {
        out[done++] = static_cast<float>(static_cast<int32_t>(words[static_cast<size_t>(k)])) * unit;
      }
    }
  }
  // A number below `limit` (< 2^31) for (row, draw).
  int64_t below(int64_t row, int64_t draw, int64_t limit) const {
    const auto words = philox(key_, static_cast<uint64_t>(row), static_cast<uint64_t>(draw));
    return static_cast<int64_t>(uint64_t{words[0]} * static_cast<uint64_t>(limit) >> 32);
  }

 private:
  uint64_t key_;
};

bool ends_with(const TensorInfo& tensor, std::string_view end) { return tensor.name.ends_with(end); }

// How a tensor starts: values given outright, or uniform with this deviation.
struct Start {
  std::vector<float> values;
  double deviation = 0;
};

// Base of mHC: pre = sigmoid = 1/n, post = 2 sigmoid = 1, comb = softmax near the identity. The head has pre
// alone.
std::vector<float> hc_base(int64_t size, int64_t n) {
  std::vector<float> base(static_cast<size_t>(size), 0.0f);
  // n = 1 would need an infinite base; sigmoid(10) is 1 within 5e-5.
  const auto pre = static_cast<float>(n > 1 ? -std::log(static_cast<double>(n - 1)) : 10.0);
  std::fill_n(base.begin(), n, pre);
  if (size > n) {
    for (int64_t i = 0; i < n; ++i)
      base[static_cast<size_t>(2 * n + i * n + i)] = static_cast<float>(kCombDiagonal);
  }
  return base;
}

Start start_of(const TensorInfo& tensor, const ModelConfig& config) {
  const auto filled = [&](double value) {
    return Start{std::vector<float>(static_cast<size_t>(tensor.values()), static_cast<float>(value)), 0};
  };
  if (tensor.shape.size() == 1) {
    if (ends_with(tensor, ".weight")) return filled(1);
    if (ends_with(tensor, "_scale")) return filled(kHcScale);
    if (ends_with(tensor, "_base")) return {hc_base(tensor.shape[0], config.hc_mult), 0};
    return filled(0);  // sinks, router bias
  }
  if (ends_with(tensor, ".ape")) return {{}, kApeDeviation};
  if (tensor.part == TensorPart::embedding) return {{}, 1};
  const double deviation = 1 / std::sqrt(static_cast<double>(tensor.shape[1]));
  const bool into_streams = ends_with(tensor, ".wo_b.weight") || ends_with(tensor, ".w2.weight");
  return {
      {},
      into_streams ? deviation / std::sqrt(2.0 * static_cast<double>(config.num_hidden_layers)) : deviation};
}

// Distinct experts for each token: Floyd's sampling, then in random order by nature of its insertions.
std::vector<int64_t> hash_table(const Words& words, const TensorInfo& tensor, int64_t experts) {
  const int64_t vocab = tensor.shape[0], chosen = tensor.shape[1];
  std::vector<int64_t> table(static_cast<size_t>(vocab * chosen));
  for (int64_t token = 0; token < vocab; ++token) {
    int64_t* row = table.data() + token * chosen;
    for (int64_t k = 0; k < chosen; ++k) {
      const int64_t last = experts - chosen + k;
      const int64_t pick = words.below(token, k, last + 1);
      row[k] = std::find(row, row + k, pick) == row + k ? pick : last;
    }
  }
  return table;
}

// Encodes groups of rows of one tensor into the bytes of its values and scales.
class Encoder {
 public:
  Encoder(const std::vector<StoredTensor>& stored, int64_t rows, int64_t cols)
      : dtype_(stored[0].dtype),
        cols_(cols),
        row_bytes_(stored[0].bytes / rows),
        scale_row_bytes_(stored.size() < 2          ? 0
                         : dtype_ == DType::F4_E2M1 ? cols / 32
                                                    : (cols + 127) / 128) {}

  int64_t row_bytes() const { return row_bytes_; }
  // Bytes of scales of `rows` rows that begin at a multiple of kGroupRows.
  int64_t scale_bytes(int64_t rows) const {
    return scale_row_bytes_ * (dtype_ == DType::F4_E2M1 ? rows : (rows + kGroupRows - 1) / kGroupRows);
  }
  void encode(const float* x, int64_t rows, std::byte* values, std::byte* scales) const {
    if (dtype_ == DType::F8_E4M3) {
      const Fp8Matrix m = encode_fp8({x, rows, cols_}, ScaleFormat::ue8m0);
      std::memcpy(values, m.codes.data(), m.codes.size());
      std::memcpy(scales, m.scales.data(), m.scales.size());
    } else if (dtype_ == DType::F4_E2M1) {
      const Fp4Matrix m = encode_fp4({x, rows, cols_});
      std::memcpy(values, m.packed.data(), m.packed.size());
      std::memcpy(scales, m.scales.data(), m.scales.size());
    } else {
      for (int64_t i = 0; i < rows; ++i) encode_row(dtype_, x + i * cols_, cols_, values + i * row_bytes_);
    }
  }

 private:
  DType dtype_;
  int64_t cols_, row_bytes_, scale_row_bytes_;
};

class Writing {
 public:
  Writing(SafetensorsWriter& writer, ThreadPool& pool, const SyntheticOptions& options)
      : writer_(writer), pool_(pool), options_(options) {}

  void tensor(const TensorInfo& tensor, const std::vector<StoredTensor>& stored, const ModelConfig& config) {
    const Words words(options_.seed, tensor.name);
    if (tensor.storage == StorageClass::i64) {
      append(tensor.name, hash_table(words, tensor, config.n_routed_experts));
      return;
    }
    const int64_t rows = tensor.shape.size() == 1 ? 1 : tensor.shape[0];
    const int64_t cols = tensor.values() / rows;
    const Encoder encoder(stored, rows, cols);
    const Start start = start_of(tensor, config);
    const auto limit = static_cast<float>(start.deviation * std::sqrt(3.0));  // of a uniform distribution
    const int64_t chunk = std::max<int64_t>(1, kChunkValues / (cols * kGroupRows)) * kGroupRows;
    for (int64_t first = 0; first < rows; first += chunk) {
      const int64_t count = std::min(chunk, rows - first);
      values_.resize(static_cast<size_t>(count * encoder.row_bytes()));
      scales_.resize(static_cast<size_t>(encoder.scale_bytes(count)));
      pool_.parallel_for((count + kGroupRows - 1) / kGroupRows, 1, [&](int64_t begin, int64_t end) {
        for (int64_t group = begin; group < end; ++group) {
          const int64_t row = group * kGroupRows, height = std::min(kGroupRows, count - row);
          std::vector<float> x(static_cast<size_t>(height * cols));
          if (start.values.empty()) {
            words.uniform((first + row) * cols, height * cols, limit, x.data());
          } else {
            std::copy_n(start.values.begin() + row * cols, height * cols, x.begin());
          }
          encoder.encode(x.data(), height, values_.data() + row * encoder.row_bytes(),
                         scales_.data() + encoder.scale_bytes(row));
        }
      });
      append(stored[0].name, values_);
      if (stored.size() > 1) append(stored[1].name, scales_);
    }
  }

 private:
  template <class T>
  void append(const std::string& name, const std::vector<T>& data) {
    const auto bytes = static_cast<int64_t>(data.size() * sizeof(T));
    writer_.append(name, data.data(), bytes);
    done_ += bytes;
    if (options_.progress) options_.progress(done_, writer_.total_bytes());
  }

  SafetensorsWriter& writer_;
  ThreadPool& pool_;
  const SyntheticOptions& options_;
  std::vector<std::byte> values_, scales_;
  int64_t done_ = 0;
};

bool is_hole(const TensorInfo& tensor, const SyntheticOptions& options) {
  const bool matrix = tensor.storage != StorageClass::f && tensor.storage != StorageClass::i64;
  return options.sparse && matrix && tensor.values() >= kHoleValues;
}

}  // namespace

ModelConfig config_for(ModelConfig config, WeightFormat format) {
  config.quantised = format == WeightFormat::fp8 || format == WeightFormat::release;
  if (format != WeightFormat::release) config.expert_dtype.clear();
  config.dtype = format == WeightFormat::f32   ? "float32"
                 : format == WeightFormat::f16 ? "float16"
                                               : "bfloat16";
  return config;
}

void write_synthetic(const std::filesystem::path& folder, const ModelConfig& config, ThreadPool& pool,
                     const SyntheticOptions& options) {
  const ModelConfig written = config_for(config, options.format);
  const auto config_file = folder / "config.json";
  std::error_code none;
  if (std::filesystem::exists(config_file, none)) {
    bad_input("{}: expected a folder without a model, found config.json", printable(folder.string(), 400));
  }
  const std::vector<TensorInfo> tensors = inventory(written);
  std::vector<TensorDeclaration> declared;
  for (const TensorInfo& tensor : tensors) {
    for (const StoredTensor& each : stored(tensor, options.format)) {
      // The writer halves FP4's columns itself.
      const bool scale = each.name != tensor.name;
      declared.push_back({each.name, each.dtype, scale ? each.shape : tensor.shape});
    }
  }
  SafetensorsOptions files;
  files.max_shard_bytes = options.max_shard_bytes;
  files.sparse = options.sparse;
  SafetensorsWriter writer(folder, declared, files);
  Writing writing(writer, pool, options);
  for (const TensorInfo& tensor : tensors) {
    if (!is_hole(tensor, options)) writing.tensor(tensor, stored(tensor, options.format), written);
  }
  // The weights appear last: a folder with weights is complete.
  write_atomically(config_file, written.to_json());
  try {
    writer.finish();
  } catch (...) {
    std::error_code ignored;
    std::filesystem::remove(config_file, ignored);
    throw;
  }
}

}  // namespace fathom
