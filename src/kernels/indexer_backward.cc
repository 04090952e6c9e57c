#include "kernels/indexer_backward.h"

#include <limits>

#define FATHOM_KERNEL "kernels/indexer_backward.simd.h"
#include "kernels/foreach_target.h"

namespace fathom {

IndexerKl<float>* indexer_kl_for(Target target) { return FATHOM_PICK(indexer_kl, target); }
IndexerScoresBackward<float>* indexer_scores_backward_for(Target target) {
  return FATHOM_PICK(indexer_scores_backward, target);
}

}  // namespace fathom
