// `linear` alone: one row against weights that lie in memory (its limit is the read bandwidth), 64 and 256
// rows against weights that fit the caches better (its limit is the peak of multiply-adds).
#include <fmt/format.h>

#include "base/error.h"
#include "base/huge_pages.h"
#include "base/rng.h"
#include "engine/bench/bench.h"
#include "engine/bench/environment.h"
#include "engine/bench/rounds.h"
#include "model/context.h"

namespace fathom::bench {
namespace {

constexpr int64_t kCols = 4096;                       // hidden size of V4-Flash
constexpr int64_t kMemoryBytes = int64_t{256} << 20;  // of the weights of one row's run
constexpr int64_t kTileRows = 8192;                   // outputs of the many-row runs

// A matrix of random codes that decode to moderate numbers.
class Weights {
 public:
  Weights(DType dtype, int64_t rows) : rows_(rows) {
    view_.dtype = dtype;
    view_.rows = rows;
    view_.cols = kCols;
    view_.row_bytes = dtype == DType::BF16 ? 2 * kCols : dtype == DType::F8_E4M3 ? kCols : kCols / 2;
    values_.resize(static_cast<size_t>(rows * view_.row_bytes));
    for (size_t i = 0; i + 16 <= values_.size(); i += 16) {
      auto words = philox(1, i);
      if (dtype == DType::BF16) {  // sign, exponents 120 to 123, mantissa
        for (uint32_t& w : words) w = (w & 0x81FF81FFu) | 0x3C003C00u;
      } else if (dtype == DType::F8_E4M3) {  // no NaN: the mantissa's last bit is 0
        for (uint32_t& w : words) w &= 0xFEFEFEFEu;
      }
      std::memcpy(values_.data() + i, words.data(), 16);
    }
    if (dtype != DType::BF16) {
      view_.scale_layout = dtype == DType::F8_E4M3 ? ScaleLayout::block_128 : ScaleLayout::row_32;
      view_.scale_row_bytes = dtype == DType::F8_E4M3 ? kCols / 128 : kCols / 32;
      const int64_t scale_rows = dtype == DType::F8_E4M3 ? (rows + 127) / 128 : rows;
      scales_.resize(static_cast<size_t>(scale_rows * view_.scale_row_bytes));
      for (size_t i = 0; i < scales_.size(); ++i)
        scales_[i] = static_cast<std::byte>(118 + philox(2, i)[0] % 4);
    }
  }
  // Its first rows.
  WeightView view(int64_t rows) const {
    FATHOM_CHECK(rows <= rows_);
    WeightView v = view_;
    v.rows = rows;
    v.data = values_.data();
    v.scales = scales_.empty() ? nullptr : scales_.data();
    return v;
  }
  // Bytes of its first rows, scales included.
  int64_t bytes(int64_t rows) const {
    return rows * view_.row_bytes + static_cast<int64_t>(scales_.size()) * rows / rows_;
  }
  int64_t rows() const { return rows_; }

 private:
  int64_t rows_;
  WeightView view_;
  std::vector<std::byte, HugeAllocator<std::byte>> values_, scales_;
};

struct Mode {
  std::string label;
  Numerics numerics;
  Target target;
};

class LinearRuns {
 public:
  LinearRuns(const Options& options, Report& report) : options_(options), report_(report) {}

  // One format in one mode: 1, 64 and 256 rows in turn with the two limits.
  void run(const Weights& weights, const std::string& format, const Mode& mode, bool bounded) {
    if (options_.progress) options_.progress(fmt::format("linear {}, {}", format, mode.label));
    RuntimeOptions runtime_options = options_.runtime;
    runtime_options.numerics = mode.numerics;
    runtime_options.target = mode.target;
    Runtime<float> runtime(runtime_options);
    const Context<float> ctx = runtime.context(ModelConfig{});
    std::vector<float> x(static_cast<size_t>(256 * kCols)),
        y(static_cast<size_t>(std::max(256 * kTileRows, weights.rows())));
    for (size_t i = 0; i < x.size(); ++i)
      x[i] = static_cast<float>(static_cast<int32_t>(philox(3, i)[0])) * 0x1p-31f;
    const auto call = [&](int64_t rows, int64_t outputs) {
      return [&, rows, outputs] {
        ctx.linear(Mat<float>(x.data(), rows, kCols), weights.view(outputs),
                   Mat<float>(y.data(), rows, outputs));
      };
    };
    MachineMeasure machine = measure(runtime);
    const auto one = interleaved({call(1, weights.rows())}, options_.seconds, options_.poll());
    const auto many =
        interleaved({call(64, kTileRows), call(256, kTileRows)}, options_.seconds, options_.poll());
    machine = larger(machine, measure(runtime));
    report_.machine = larger(report_.machine, machine);

    const std::string name = fmt::format("{}, {}", format, mode.label);
    const auto bytes = static_cast<double>(weights.bytes(weights.rows()));
    report_.figures.push_back({name + ", 1 row", "GB/s", bytes / one[0].best() / 1e9,
                               bytes / one[0].median() / 1e9, machine.read_bandwidth / 1e9, "read bandwidth",
                               bounded ? 0.8 : 0});
    const bool bf16 = machine.peak_bf16 > 0 && mode.numerics.bf16_matmul;
    for (size_t i = 0; i < 2; ++i) {
      const double flop = 2.0 * (i == 0 ? 64 : 256) * static_cast<double>(kCols * kTileRows);
      report_.figures.push_back({fmt::format("{}, {} rows", name, i == 0 ? 64 : 256), "GFLOP/s",
                                 flop / many[i].best() / 1e9, flop / many[i].median() / 1e9,
                                 (bf16 ? machine.peak_bf16 : machine.peak_f32) / 1e9,
                                 bf16 ? "bf16 peak" : "fp32 peak", bounded ? 0.65 : 0});
    }
  }

 private:
  MachineMeasure measure(Runtime<float>& runtime) const {
    MeasureOptions measure;
    measure.bytes = kMemoryBytes;
    measure.seconds = options_.seconds / 4;
    measure.poll = options_.poll();
    return measure_machine(runtime.pool(), runtime.target(), measure);
  }
  const Options& options_;
  Report& report_;
};

}  // namespace

Report linear_bench(const Options& options) {
  const Watch watch;
  Report report{.bench = "linear", .model = {}, .environment = {}};
  RuntimeOptions fast = options.runtime;
  fast.numerics = Numerics::fast();
  {
    const Runtime<float> runtime(fast);
    report.environment = environment_of(runtime);
  }
  const Target best = options.runtime.target ? *options.runtime.target : detect_target();
  std::vector<Mode> modes = {{"fast", Numerics::fast(), best}, {"exact", Numerics::exact(), best}};
  if (best != Target::plain && best != Target::avx2)
    modes.push_back({"fast avx2", Numerics::fast(), Target::avx2});
  const std::pair<DType, const char*> formats[] = {
      {DType::BF16, "bf16"}, {DType::F8_E4M3, "fp8"}, {DType::F4_E2M1, "fp4"}};
  LinearRuns runs(options, report);
  for (const auto& [dtype, label] : formats) {
    const int64_t row_bytes = dtype == DType::BF16 ? 2 * kCols : dtype == DType::F8_E4M3 ? kCols : kCols / 2;
    const Weights weights(dtype, kMemoryBytes / row_bytes);
    for (const Mode& mode : modes) runs.run(weights, label, mode, mode.label == "fast");
  }
  report.notes.push_back(
      fmt::format("1 row reads {} MiB of weights; 64 and 256 rows meet {} outputs; {} columns",
                  kMemoryBytes >> 20, kTileRows, kCols));
  report.environment.idle_share = watch.idle_share();
  return report;
}

}  // namespace fathom::bench
