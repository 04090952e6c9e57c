#include "kernels/indexer_scores.h"

#define FATHOM_KERNEL "kernels/indexer_scores.simd.h"
#include "kernels/foreach_target.h"

namespace fathom {

IndexerScores<float>* indexer_scores_for(Target target) { return FATHOM_PICK(indexer_scores, target); }

}  // namespace fathom
