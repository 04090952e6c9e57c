#pragma once
/// DeepSeek-V3.2, the model that V4's published ratios are measured against (architecture.md section 10).

#include "engine/cost.h"

namespace fathom {

/// V3.2 without its MTP layer: 671.9B parameters, 37.48B active; linear weights FP8 with F32 scales per 128 x
/// 128 block, the rest bf16, as released.
CostModel v32_cost();

/// DeepSeek-V3 as it was trained: V3.2 without the indexer, every token attending all before it in the
/// expanded form of MLA (keys of 192, values of 128 for each head), and one MTP block. 671B parameters, 37B
/// active.
CostModel v3_training_cost();

}  // namespace fathom
