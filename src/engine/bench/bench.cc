#include "engine/bench/bench.h"

namespace fathom::bench {

const std::vector<Benchmark>& benchmarks() {
  static const std::vector<Benchmark> list = {
      {"machine", "read bandwidth and peaks of multiply-adds", machine_bench},
      {"linear", "one row from memory, many rows, every weight format", linear_bench},
      {"decode", "one sequence", decode_bench},
      {"prefill", "prompts of 512 and 2,048 tokens", prefill_bench},
      {"batch", "1, 4 and 16 sequences at once", batch_bench},
      {"long-context", "a decode step at 16K to 1M tokens, part by part; memory of the state",
       long_context_bench},
      {"load", "opening a model, and its first token", load_bench},
      {"tokenizer", "loading, encoding, decoding", tokenizer_bench},
      {"memory", "states and passes", memory_bench},
  };
  return list;
}

}  // namespace fathom::bench
