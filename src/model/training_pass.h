#pragma once
/// What a training pass asks of the blocks beyond inference. Source: architecture.md section 13.

#include <cstdint>
#include <vector>

namespace fathom {

/// Context::training points to it in the forward pass and in the recomputation alike.
struct TrainingPass {
  /// Queries of CSA layers attend all visible entries: the dense stage, and the indexer's warm-up.
  bool dense_csa = false;
  /// The batch is one span, a chunk of a document too long for a batch: the state goes on to the next chunk.
  bool chunk = false;
  /// Factor of the gradient of the indexer's KL loss; 0: the loss is not computed.
  double indexer_weight = 0;
  /// Queries that the mean of the indexer's loss is over; 0: those of the batch.
  int64_t indexer_queries = 0;
  /// Factor of the gradient of the sequence balance loss, 1 / sequences included; 0: not differentiated.
  double balance_weight = 0;
  /// [rows, k] ascending: experts of a learned layer, chosen elsewhere; null: the router chooses.
  const int32_t* chosen_experts = nullptr;
  /// Of a chunk, for the balance loss of its whole document: tokens that each expert of the layer got, and
  /// the document's length; null: each span is a whole sequence.
  const std::vector<int64_t>* sequence_load = nullptr;
  int64_t sequence_tokens = 0;
};

/// The KL loss of one layer's indexer, summed over queries with at least one candidate.
struct IndexerLoss {
  double kl = 0;          ///< sum of KL(P || Q)
  double kl_uniform = 0;  ///< the same with Q uniform
  double captured = 0;    ///< share of the dense attention's mass that the selected entries have
  int64_t queries = 0;

  IndexerLoss& operator+=(const IndexerLoss& o) {
    kl += o.kl;
    kl_uniform += o.kl_uniform;
    captured += o.captured;
    queries += o.queries;
    return *this;
  }
};

}  // namespace fathom
