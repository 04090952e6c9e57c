// The memory that training_memory() names before a run, beside what the passes take.

#include <doctest/doctest.h>

#include "model/training/memory.h"
#include "tests/support/small_model.h"

namespace fathom {
namespace {

TEST_CASE("the named peak is above the true one, and not by much") {
  // Larger than the usual small model, so that rounding to cache lines does not show.
  const std::string json =
      test::small_config_with({{"\"hidden_size\": 10", "\"hidden_size\": 64"},
                               {"\"head_dim\": 8", "\"head_dim\": 32"},
                               {"\"moe_intermediate_size\": 7", "\"moe_intermediate_size\": 48"},
                               {"\"q_lora_rank\": 6", "\"q_lora_rank\": 32"},
                               {"\"o_lora_rank\": 5", "\"o_lora_rank\": 32"},
                               {"\"vocab_size\": 37", "\"vocab_size\": 500"},
                               {"\"hc_mult\": 3", "\"hc_mult\": 4"}});
  for (const int64_t keep_layers : {0, 3, 5}) {
    const bool bf16 = keep_layers != 3;
    for (const double mtp : {0.0, 0.3}) {
      for (const auto& lengths : {std::vector<int64_t>{1000}, std::vector<int64_t>(40, 30)}) {
        CAPTURE(keep_layers);
        CAPTURE(mtp);
        CAPTURE(lengths.size());
        test::SmallModel<float> small(json, bf16);
        Numerics numerics = Numerics::exact();
        numerics.bf16_matmul = bf16;
        auto runtime = test::make_runtime<float>(1, numerics);
        LossOptions options;
        options.mtp_weight = mtp;
        options.indexer_weight = 1;
        options.keep_layers = keep_layers;
        const TrainingBatch batch = test::small_batch(lengths, small.config.vocab_size);
        int64_t tokens = 0;
        for (const int64_t length : lengths) tokens += length;
        loss_and_gradients<float>(runtime.context(small.config), *small.model, batch, options,
                                  small.grads.params);
        const TrainingMemory m = training_memory(small.config, options, tokens, lengths[0]);
        const auto named = static_cast<double>(m.peak()), found = static_cast<double>(runtime.arena().peak());
        CAPTURE(named);
        CAPTURE(found);
        CHECK(found <= named);
        CHECK(named <= 1.5 * found);
      }
    }
  }
}

}  // namespace
}  // namespace fathom
