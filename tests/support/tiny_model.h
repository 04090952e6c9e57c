#pragma once
/// The geometry of a tiny model that every precision can train.

#include "checkpoint/checkpoint.h"
#include "model/config.h"
#include "tests/support/tensor_file.h"

namespace fathom::test {

/// All kinds of layers, hash routing in the first, a clamp, an MTP block; dimensions that FP4 can block.
inline ModelConfig tiny_config(int64_t vocabulary = 64) {
  ModelConfig c = ModelConfig::parse(Checkpoint::open(golden("fp32") / "h_mtp")->config_json());
  c.vocab_size = vocabulary;
  c.hidden_size = 64;
  c.head_dim = 64;
  c.qk_rope_head_dim = 16;
  c.q_lora_rank = c.o_lora_rank = 32;
  c.moe_intermediate_size = 32;
  c.index_head_dim = 32;
  c.index_topk = 4;
  c.validate();
  return c;
}

}  // namespace fathom::test
