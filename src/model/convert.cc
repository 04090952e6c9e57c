#include "model/convert.h"

#include <algorithm>
#include <map>
#include <memory>
#include <utility>

#include "base/error.h"
#include "checkpoint/gguf_writer.h"
#include "checkpoint/safetensors_writer.h"
#include "formats/encode.h"
#include "model/config_export.h"
#include "model/convert_files.h"
#include "model/convert_plan.h"

namespace fathom {
namespace {

constexpr int64_t kChunkValues = int64_t{1} << 22;  // values between two appends, about

// Streams the steps of a plan from the source into a sink.
class Stream {
 public:
  Stream(const Checkpoint& source, TensorSink& sink, ThreadPool& pool, const Progress& progress,
         ConvertReport& report)
      : source_(source), sink_(sink), pool_(pool), progress_(progress), report_(report) {}

  void run(const ConvertPlan& plan) {
    for (const TensorDeclaration& each : plan.declared) total_ += tensor_bytes(each);
    for (const ConvertStep& step : plan.steps) {
      in_context("tensor " + step.tensor.name, [&] { convert(step, plan.config); });
    }
    for (const auto& [dtypes, turned] : turned_) {
      report_.notes.push_back(
          fmt::format("{} matrices of {} {} {}: the first is {}", turned.count, name(dtypes.first),
                      turned.rounded > 0 ? "are rounded to" : "become", name(dtypes.second), turned.first));
    }
    if (changed_ > 0) {
      report_.notes.push_back(fmt::format(
          "{} values of FP4 changed in FP8: the scales of their blocks lie more than 2^14 apart", changed_));
    }
  }

 private:
  void convert(const ConvertStep& step, const ModelConfig& config) {
    const TensorInfo& tensor = step.tensor;
    const int64_t values = tensor.values();
    if (tensor.storage == StorageClass::i64) {
      const auto table = source_.ints(tensor.name, values, config.n_routed_experts);
      if (step.storage.dtype == DType::I32) return append(step.stored, table);
      return append(step.stored, std::vector<int64_t>(table.begin(), table.end()));
    }
    if (tensor.shape.size() == 1) {
      const std::vector<float> x = source_.floats(tensor.name, values);
      std::vector<std::byte> bytes(static_cast<size_t>(row_bytes(step.storage.dtype, values)));
      encode_row(step.storage.dtype, x.data(), values, bytes.data());
      return append(step.stored, bytes);
    }
    const int64_t rows = tensor.shape[0], cols = tensor.shape[1];
    const WeightView left = source_.matrix(tensor.name, rows, cols);
    const WeightView right = step.beside.empty() ? WeightView{} : source_.matrix(step.beside, rows, cols);
    for (const WeightView* each : {&left, &right}) {
      if (*each) count(*each, step);
    }
    const int64_t chunk = std::max<int64_t>(1, kChunkValues / (cols * kTranscodeRows)) * kTranscodeRows;
    for (int64_t first = 0; first < rows; first += chunk) {
      const int64_t count = std::min(chunk, rows - first);
      if (right) {
        append_side_by_side(step, left, right, first, count);
      } else {
        transcode(left, first, count, step.storage);
        append(step.stored, values_);
        if (!step.stored_scale.empty()) append(step.stored_scale, scales_);
      }
    }
  }

  void count(const WeightView& w, const ConvertStep& step) {
    const bool rounds = !transcodes_exactly(w, step.storage);
    report_.rounded += rounds;
    if (!rounds && w.dtype == step.storage.dtype) return;
    Turned& turned = turned_[{w.dtype, step.storage.dtype}];
    if (turned.count++ == 0) turned.first = step.tensor.name;
    turned.rounded += rounds;
  }

  // Rows of w into values_ and scales_, groups of rows in parallel.
  void transcode(const WeightView& w, int64_t first, int64_t count, const WeightStorage& to) {
    const int64_t bytes = row_bytes(to.dtype, w.cols);
    if (bytes < 0) {
      bad_input("expected columns in multiples of {} for {}, found {}", block_values(to.dtype),
                name(to.dtype), w.cols);
    }
    values_.resize(static_cast<size_t>(count * bytes));
    scales_.resize(static_cast<size_t>(scale_bytes(to, count, w.cols)));
    const int64_t groups = (count + kTranscodeRows - 1) / kTranscodeRows;
    std::vector<int64_t> changed(static_cast<size_t>(groups), 0);
    pool_.parallel_for(groups, 1, [&](int64_t begin, int64_t end) {
      for (int64_t group = begin; group < end; ++group) {
        const int64_t row = group * kTranscodeRows;
        changed[static_cast<size_t>(group)] =
            transcode_rows(w, first + row, std::min(kTranscodeRows, count - row), to,
                           values_.data() + row * bytes, scales_.data() + scale_bytes(to, row, w.cols));
      }
    });
    for (const int64_t each : changed) changed_ += each;
  }

  void append_side_by_side(const ConvertStep& step, const WeightView& left, const WeightView& right,
                           int64_t first, int64_t count) {
    transcode(left, first, count, step.storage);
    const std::vector<std::byte> left_rows = values_;
    transcode(right, first, count, step.storage);
    const auto width = static_cast<std::ptrdiff_t>(row_bytes(step.storage.dtype, left.cols));
    std::vector<std::byte> both;
    both.reserve(left_rows.size() * 2);
    for (std::ptrdiff_t i = 0; i < count; ++i) {
      both.insert(both.end(), left_rows.begin() + i * width, left_rows.begin() + (i + 1) * width);
      both.insert(both.end(), values_.begin() + i * width, values_.begin() + (i + 1) * width);
    }
    append(step.stored, both);
  }

  template <class T>
  void append(const std::string& name, const std::vector<T>& data) {
    const auto bytes = static_cast<int64_t>(data.size() * sizeof(T));
    sink_.append(name, data.data(), bytes);
    report_.bytes += bytes;
    if (progress_ && !progress_(report_.bytes, total_)) throw Interrupted{};
  }

  const Checkpoint& source_;
  TensorSink& sink_;
  ThreadPool& pool_;
  const Progress& progress_;
  ConvertReport& report_;
  struct Turned {
    int64_t count = 0, rounded = 0;
    std::string first;
  };
  std::map<std::pair<DType, DType>, Turned> turned_;  // matrices by what they were and became
  std::vector<std::byte> values_, scales_;
  int64_t total_ = 0, changed_ = 0;
};

void convert_to_gguf(const Checkpoint& source, const std::filesystem::path& out, ThreadPool& pool,
                     const ConvertOptions& options, const ConvertPlan& plan, ConvertReport& report) {
  const GgufKeyValues metadata = gguf_metadata(source, out, plan, report.notes);
  GgufWriter writer(out, metadata, plan.declared);
  Stream(source, writer, pool, options.progress, report).run(plan);
  writer.finish();
  report.files = {out};
}

void convert_to_folder(const Checkpoint& source, const std::filesystem::path& out, ThreadPool& pool,
                       const ConvertOptions& options, const ConvertPlan& plan, ConvertReport& report) {
  const std::string config =
      options.to == Naming::transformers ? transformers_config_json(plan.config) : plan.config.to_json();
  NewFiles files(out, options.force);
  SafetensorsOptions shards;
  shards.max_shard_bytes = options.max_shard_bytes;
  shards.replace = options.force;
  SafetensorsWriter writer(out, plan.declared, shards);
  Stream(source, writer, pool, options.progress, report).run(plan);
  files.write("config.json", config);
  write_companions(source, plan.config, files);
  // The weights appear last: a folder with weights is complete.
  writer.finish();
  for (const std::string& file : files.keep()) report.files.push_back(out / file);
  for (const std::string& file : writer.files()) report.files.push_back(out / file);
}

}  // namespace

ConvertReport convert(const Checkpoint& source, const std::filesystem::path& out, ThreadPool& pool,
                      const ConvertOptions& options) {
  FATHOM_CHECK(options.to != Naming::hybrid);
  const bool gguf = options.to == Naming::gguf;
  std::error_code error;
  if (gguf && (out.extension() != ".gguf" || std::filesystem::is_directory(out, error))) {
    bad_input("{}: expected a file name ending in .gguf, found another", printable(out.string(), 400));
  }
  if (gguf && !options.force && std::filesystem::exists(out, error)) {
    bad_input("{}: expected a new file, found one (--force replaces it)", printable(out.string(), 400));
  }
  const ConvertPlan plan = plan_conversion(source, options);
  ConvertReport report;
  report.notes = plan.notes;
  report.tensors = std::ssize(plan.declared);
  (gguf ? convert_to_gguf : convert_to_folder)(source, out, pool, options, plan, report);
  return report;
}

}  // namespace fathom
