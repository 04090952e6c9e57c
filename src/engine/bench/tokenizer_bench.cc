// The tokenizer alone: how soon a tokenizer.json is ready, and how fast one thread encodes and decodes.
#include <fmt/format.h>

#include "base/file.h"
#include "engine/bench/bench.h"
#include "engine/bench/environment.h"
#include "engine/bench/rounds.h"

namespace fathom::bench {

Report tokenizer_bench(const Options& options) {
  const Watch watch;
  RuntimeOptions one = options.runtime;
  one.pool.threads = 1;
  const Runtime<float> runtime(one);
  Report report{.bench = "tokenizer", .model = options.model_name, .environment = environment_of(runtime)};
  std::shared_ptr<const Tokenizer> tokenizer = options.tokenizer();
  std::string text = read_text(options.text, int64_t{1} << 30);
  const auto size = static_cast<double>(text.size()) / 1e6;
  const std::vector<int32_t> ids = tokenizer->encode(text, false);
  const auto rounds =
      interleaved({[&] { tokenizer = options.tokenizer(); }, [&] { tokenizer->encode(text, false); },
                   [&] { tokenizer->decode(ids, false); }},
                  options.seconds, options.poll());
  report.figures.push_back({"ready", "ms", rounds[0].best() * 1e3, rounds[0].median() * 1e3});
  report.figures.push_back({"encode", "MB/s", size / rounds[1].best(), size / rounds[1].median()});
  report.figures.push_back({"decode", "MB/s", size / rounds[2].best(), size / rounds[2].median()});
  report.notes.push_back(fmt::format("one thread; {}: {} bytes, {} tokens", options.text.filename().string(),
                                     text.size(), ids.size()));
  report.environment.idle_share = watch.idle_share();
  return report;
}

}  // namespace fathom::bench
