#pragma once
/// The benchmarks of `fathom bench`: each measures its figures and their limits in the same run.

#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "engine/bench/report.h"
#include "model/model.h"
#include "model/runtime.h"
#include "text/tokenizer.h"

namespace fathom::bench {

/// What to measure with. The model and tokenizer are asked for only by benchmarks that use them.
struct Options {
  RuntimeOptions runtime;  ///< numerics: those of the model benchmarks
  double seconds = 1;      ///< of each figure, about
  /// long-context: tokens read for real; 0 = 32,768 of them, but no more than three minutes allow
  int64_t prefill_tokens = 0;
  int64_t max_context = int64_t{1} << 20;
  std::filesystem::path folder;  ///< long-context: where its checkpoint is made and kept; empty = made and
                                 ///< removed under the system's folder for temporary files
  std::string model_name;
  std::function<std::shared_ptr<const Model>()> model;
  std::filesystem::path model_path;  ///< whose weights the limits count, as they lie in its files
  std::function<std::shared_ptr<const Tokenizer>()> tokenizer;
  std::filesystem::path text;  ///< tokenizer: what to encode; empty = the bundled held-out text
  /// One line about what is going on; may be empty. May throw to end the work: what was made is removed.
  std::function<void(std::string_view)> progress;

  /// progress() without a line, for what is repeated. The options must outlive it.
  std::function<void()> poll() const {
    return [this] {
      if (progress) progress({});
    };
  }
};

struct Benchmark {
  std::string_view name, what;
  Report (*run)(const Options& options);
};
/// In the order of --help.
const std::vector<Benchmark>& benchmarks();

Report machine_bench(const Options& options);
Report linear_bench(const Options& options);
Report decode_bench(const Options& options);
Report prefill_bench(const Options& options);
Report batch_bench(const Options& options);
Report long_context_bench(const Options& options);
Report tokenizer_bench(const Options& options);
Report memory_bench(const Options& options);
Report load_bench(const Options& options);

}  // namespace fathom::bench
