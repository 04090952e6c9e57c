// How near do the kernels come to this machine? usage: kernels_bench [PART...], PART one of linear,
// attention, indexer, top_k, training; all without an argument. First measures read bandwidth and peak
// (engine/machine_measure), then prints each kernel's figure beside its limit. Weights lie in fresh memory
// for each call (several copies, together larger than the caches).
#include <fmt/core.h>

#include <algorithm>
#include <chrono>
#include <cstring>
#include <random>
#include <string>
#include <vector>

#include "base/error.h"
#include "engine/machine_measure.h"
#include "kernels/kernels.h"

namespace fathom {
namespace {

constexpr int64_t kCols = 4096, kOutputs = 4096;
constexpr double kSeconds = 0.25;  // of each figure, about

double now() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

// The shortest time of run(i), i counting up, over about kSeconds.
template <class F>
double shortest(F&& run) {
  double best = 1e9;
  const double end = now() + kSeconds;
  for (int64_t i = 0; i < 5 || now() < end; ++i) {
    const double start = now();
    run(i);
    best = std::min(best, now() - start);
  }
  return best;
}

struct Machine {
  explicit Machine(int threads, Target on) : pool(threads), target(on) {
    measure = measure_machine(pool, target);
  }
  ThreadPool pool;
  Target target;
  MachineMeasure measure;
};

struct Format {
  const char* name;
  DType dtype;
  ScaleLayout layout;
};
constexpr Format kFormats[] = {
    {"F32", DType::F32, ScaleLayout::none},          {"BF16", DType::BF16, ScaleLayout::none},
    {"FP8", DType::F8_E4M3, ScaleLayout::block_128}, {"FP4", DType::F4_E2M1, ScaleLayout::row_32},
    {"Q8_0", DType::Q8_0, ScaleLayout::none},        {"MXFP4", DType::MXFP4, ScaleLayout::none},
    {"Q4_K", DType::Q4_K, ScaleLayout::none},        {"Q2_K", DType::Q2_K, ScaleLayout::none},
    {"IQ2_XXS", DType::IQ2_XXS, ScaleLayout::none},
};

// Weights [copies][kOutputs, kCols] with harmless values, 192 MB together.
class Weights {
 public:
  explicit Weights(const Format& format)
      : format_(format), bytes_(row_bytes(format.dtype, kCols) * kOutputs) {
    copies_ = std::max<int64_t>(2, (int64_t{192} << 20) / bytes_);
    data_.resize(static_cast<size_t>(bytes_ * copies_));
    scales_.assign(static_cast<size_t>(kOutputs * kCols / 32), std::byte{120});
    std::mt19937 random(1);
    for (size_t i = 0; i + 4 <= data_.size(); i += 4) {
      uint32_t bits = static_cast<uint32_t>(random()) & 0x3B3B3B3Bu;  // small and finite in every format
      std::memcpy(data_.data() + i, &bits, 4);
    }
  }
  WeightView view(int64_t call) const {
    WeightView w;
    w.dtype = format_.dtype;
    w.scale_layout = format_.layout;
    w.rows = kOutputs;
    w.cols = kCols;
    w.row_bytes = row_bytes(format_.dtype, kCols);
    w.data = data_.data() + call % copies_ * bytes_;
    w.scales = scales_.data();
    w.scale_row_bytes = format_.layout == ScaleLayout::row_32 ? kCols / 32 : kCols / 128;
    return w;
  }
  // What one product reads, scales included.
  double bytes() const {
    return static_cast<double>(bytes_ + (format_.layout == ScaleLayout::row_32 ? kOutputs * kCols / 32 : 0));
  }

 private:
  Format format_;
  int64_t bytes_, copies_;
  std::vector<std::byte> data_, scales_;
};

void bench_linear(std::vector<Machine*> machines) {
  fmt::print(
      "\nlinear, {} x {}: GB/s of weights (of the read bandwidth) for few rows, GFLOP/s (of the peak) for "
      "many\n{:<22} {:>7}",
      kOutputs, kCols, "format, numerics", "threads");
  constexpr int64_t kRows[] = {1, 4, 64, 256};
  for (const int64_t rows : kRows) fmt::print(" {:>13}", fmt::format("{} rows", rows));
  fmt::print("\n");
  std::vector<float> x(256 * kCols, 0.01f), y(256 * kOutputs);
  std::vector<Bf16> x_bf16(x.size(), to_bf16(0.01f));
  for (const Format& format : kFormats) {
    const Weights weights(format);
    for (const bool bf16 : {true, false}) {
      for (Machine* machine : machines) {
        const Kernels<float>& k = kernels_for(machine->target);
        const bool has_bf16 = machine->measure.peak_bf16 > 0;
        fmt::print("{:<22} {:>7}", fmt::format("{}, {}", format.name, bf16 ? "fast" : "exact"),
                   machine->pool.threads());
        for (const int64_t rows : kRows) {
          const double seconds = shortest([&](int64_t call) {
            const WeightView w = weights.view(call);
            machine->pool.parallel_for(kOutputs, 32, [&](int64_t begin, int64_t end) {
              if (bf16) {
                k.linear_bf16(x_bf16.data(), rows, kCols, w, begin, end, y.data(), kOutputs);
              } else {
                k.linear(x.data(), rows, kCols, w, begin, end, y.data(), kOutputs);
              }
            });
          });
          const bool few = rows < 64;
          const double work = few ? weights.bytes() : 2.0 * static_cast<double>(rows * kCols * kOutputs);
          const double limit = few                ? machine->measure.read_bandwidth
                               : bf16 && has_bf16 ? machine->measure.peak_bf16
                                                  : machine->measure.peak_f32;
          fmt::print(" {:>6.1f} ({:>3.0f}%)", work / seconds / 1e9, 100 * work / seconds / limit);
          std::fflush(stdout);
        }
        fmt::print("\n");
      }
    }
  }
}

void bench_attention(std::vector<Machine*> machines) {
  constexpr int64_t kHeads = 64, kDim = 512, kCount = 128 + 512, kQueries = 16;
  fmt::print("\nattention, {} heads of {}, {} rows a query, {} queries: GFLOP/s (of the fp32 peak)\n", kHeads,
             kDim, kCount, kQueries);
  for (const RowType type : {RowType::bf16, RowType::f32}) {
    const int64_t bytes = kDim * row_type_bytes(type);
    std::vector<std::byte> memory(static_cast<size_t>(kCount * bytes));
    std::vector<const std::byte*> rows;
    const std::vector<float> value(kDim, 0.01f), sink(kHeads, 0.0f), q(kQueries * kHeads * kDim, 0.02f);
    for (int64_t j = 0; j < kCount; ++j) {
      store_row(type, value.data(), kDim, memory.data() + j * bytes);
      rows.push_back(memory.data() + j * bytes);
    }
    std::vector<float> out(q.size());
    for (Machine* machine : machines) {
      const double seconds = shortest([&](int64_t) {
        machine->pool.parallel_for(kQueries, 1, [&](int64_t begin, int64_t end) {
          for (int64_t t = begin; t < end; ++t) {
            kernels_for(machine->target)
                .attention(q.data() + t * kHeads * kDim, kHeads, kDim, rows.data(), kCount, type, sink.data(),
                           0.04f, out.data() + t * kHeads * kDim);
          }
        });
      });
      const double flops = 4.0 * kQueries * kHeads * kDim * kCount;
      fmt::print("{:<5} rows, {} threads: {:>6.1f} ({:.0f}%)\n", type == RowType::bf16 ? "bf16" : "f32",
                 machine->pool.threads(), flops / seconds / 1e9,
                 100 * flops / seconds / machine->measure.peak_f32);
    }
  }
}

void bench_indexer(std::vector<Machine*> machines) {
  constexpr int64_t kHeads = 64, kDim = 128, kCount = 262144;
  fmt::print("\nindexer scores, {} heads of {}, {} keys (1M tokens): GFLOP/s (of the fp32 peak)\n", kHeads,
             kDim, kCount);
  const std::vector<float> q(kHeads * kDim, 0.02f), weights(kHeads, 0.1f);
  const std::vector<Bf16> keys(static_cast<size_t>(kCount * kDim), to_bf16(0.5f));
  std::vector<float> scores(kCount);
  for (Machine* machine : machines) {
    const double seconds = shortest([&](int64_t) {
      machine->pool.parallel_for(kCount, 256, [&](int64_t begin, int64_t end) {
        kernels_for(machine->target)
            .indexer_scores(q.data(), weights.data(), kHeads, kDim,
                            reinterpret_cast<const std::byte*>(keys.data() + begin * kDim), 2 * kDim,
                            end - begin, RowType::bf16, scores.data() + begin);
      });
    });
    const double flops = 2.0 * kHeads * kDim * kCount;
    fmt::print("{} threads: {:>6.1f} ({:.0f}%), {:.1f} ms\n", machine->pool.threads(), flops / seconds / 1e9,
               100 * flops / seconds / machine->measure.peak_f32, seconds * 1e3);
  }
}

void bench_top_k(std::vector<Machine*> machines) {
  constexpr int64_t kCount = 262144, kTaken = 1024;
  std::mt19937 random(1);
  std::vector<float> scores(kCount);
  for (float& score : scores) score = std::max(0.0f, static_cast<float>(random()) * 0x1p-31f - 1);
  std::vector<int32_t> ids(kTaken);
  const double seconds = shortest(
      [&](int64_t) { kernels_for(machines[0]->target).top_k(scores.data(), kCount, kTaken, ids.data()); });
  fmt::print("\ntop {} of {} scores, half of them 0: {:.2f} ms, {:.1f} GB/s\n", kTaken, kCount, seconds * 1e3,
             4.0 * kCount / seconds / 1e9);
}

// The three products of a linear layer in training, at the shapes of a small model.
void bench_products(const Machine& one) {
  const Kernels<float>& k = kernels_for(one.target);
  fmt::print("\nproducts of training in bf16: GFLOP/s (of the bf16 peak), 1 thread\n");
  struct Shape {
    int64_t rows, outputs, cols;
  };
  for (const auto& [rows, outputs, cols] :
       {Shape{4096, 256, 256}, Shape{512, 128, 256}, Shape{512, 256, 128}, Shape{4096, 2048, 256}}) {
    const std::vector<Bf16> x(static_cast<size_t>(rows * cols), to_bf16(0.5f));
    const std::vector<Bf16> dy(static_cast<size_t>(rows * outputs), to_bf16(0.25f));
    const std::vector<Bf16> w(static_cast<size_t>(outputs * cols), to_bf16(0.1f));
    std::vector<float> y(dy.size()), dx(x.size()), dw(w.size());
    WeightView view = weight_view(static_cast<const float*>(nullptr), outputs, cols);
    view.dtype = DType::BF16;
    view.row_bytes = cols * 2;
    view.data = reinterpret_cast<const std::byte*>(w.data());
    const auto figure = [&](const auto& product) {
      const double seconds = shortest([&](int64_t) { product(); });
      const double flops = 2.0 * static_cast<double>(rows * outputs * cols);
      return fmt::format("{:>6.1f} ({:.0f}%)", flops / seconds / 1e9,
                         100 * flops / seconds / one.measure.peak_bf16);
    };
    fmt::print(
        "{} x {} x {}: y {}  dx {}  dw {}\n", rows, outputs, cols,
        figure([&] { k.linear_bf16(x.data(), rows, cols, view, 0, outputs, y.data(), outputs); }),
        figure([&] { k.linear_dx_bf16(dy.data(), rows, outputs, view, 0, cols, dx.data(), cols, false); }),
        figure([&] {
          k.linear_dw_bf16(dy.data(), outputs, x.data(), cols, rows, outputs, cols, dw.data(), cols);
        }));
  }
}

// The attention of a small model in training, one query after the other.
void bench_training(std::vector<Machine*> machines) {
  constexpr int64_t kHeads = 4, kDim = 128, kQueries = 64, kWindow = 128;
  const Machine& one = *machines[0];
  const Kernels<float>& k = kernels_for(one.target);
  bench_products(one);
  fmt::print("\nattention of a query in training, {} heads of {}: GFLOP/s (of the fp32 peak), 1 thread\n",
             kHeads, kDim);
  for (const int64_t entries : {0, 32, 256}) {
    const int64_t count = kWindow + entries, all = count + kQueries;
    std::vector<float> memory(static_cast<size_t>(all * kDim), 0.01f), gradients(memory.size());
    std::vector<const std::byte*> rows;
    std::vector<float*> drows;
    for (int64_t j = 0; j < all; ++j) {
      rows.push_back(reinterpret_cast<const std::byte*>(memory.data() + j * kDim));
      drows.push_back(gradients.data() + j * kDim);
    }
    const std::vector<float> q(kHeads * kDim, 0.02f), sink(kHeads, 0.0f);
    std::vector<float> out(q.size()), dsink(kHeads), mass(static_cast<size_t>(count));
    const auto figure = [&](const char* what, double products, const auto& query) {
      const double seconds = shortest([&](int64_t) {
        for (int64_t t = 0; t < kQueries; ++t) query(t);
      });
      const double flops = 2 * products * static_cast<double>(kQueries * kHeads * kDim * count);
      fmt::print("{:<10} {} + {} rows: {:>6.1f} ({:.0f}%)\n", what, kWindow, entries, flops / seconds / 1e9,
                 100 * flops / seconds / one.measure.peak_f32);
    };
    figure("forward", 2, [&](int64_t t) {
      k.attention(q.data(), kHeads, kDim, rows.data() + t, count, RowType::f32, sink.data(), 0.09f,
                  out.data());
    });
    figure("backward", 5, [&](int64_t t) {
      k.attention_backward(q.data(), kHeads, kDim, rows.data() + t, count, RowType::f32, sink.data(), 0.09f,
                           q.data(), out.data(), drows.data() + t, dsink.data());
    });
    figure("mass", 1, [&](int64_t t) {
      k.attention_mass(q.data(), kHeads, kDim, rows.data() + t, count, RowType::f32, sink.data(), 0.09f,
                       mass.data());
    });
  }
}

int run(const std::vector<std::string>& parts) {
  const Target target = detect_target();
  fmt::print("target {}\n", name(target));
  Machine one(1, target);
  const auto print = [](const Machine& m) {
    fmt::print("{} threads: read {:.1f} GB/s, peak fp32 {:.0f} GFLOP/s, bf16 {:.0f} GFLOP/s\n",
               m.pool.threads(), m.measure.read_bandwidth / 1e9, m.measure.peak_f32 / 1e9,
               m.measure.peak_bf16 / 1e9);
  };
  print(one);
  Machine two(2, target);
  print(two);
  const struct {
    const char* name;
    void (*run)(std::vector<Machine*>);
  } benches[] = {{"linear", bench_linear},
                 {"attention", bench_attention},
                 {"indexer", bench_indexer},
                 {"top_k", bench_top_k},
                 {"training", bench_training}};
  for (const auto& part : parts) {
    if (std::none_of(std::begin(benches), std::end(benches), [&](const auto& b) { return part == b.name; })) {
      bad_input("part: expected linear, attention, indexer, top_k or training, found '{}'", printable(part));
    }
  }
  for (const auto& bench : benches) {
    if (parts.empty() || std::find(parts.begin(), parts.end(), bench.name) != parts.end())
      bench.run({&one, &two});
  }
  return 0;
}

}  // namespace
}  // namespace fathom

int main(int argc, char** argv) try {
  return fathom::run(std::vector<std::string>(argv + 1, argv + argc));
} catch (const fathom::Error& error) {
  fmt::print(stderr, "kernels_bench: {}\n", error.message());
  return 1;
}
