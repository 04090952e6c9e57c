#pragma once
/// What a conversion writes: which tensors of the source go where, as what; internal to convert.

#include <string>
#include <vector>

#include "checkpoint/tensor_sink.h"
#include "formats/transcode.h"
#include "model/convert.h"
#include "model/inventory.h"

namespace fathom {

/// One tensor of the inventory on its way. Several may share a stored tensor (experts of a layer); they then
/// follow each other in its order.
struct ConvertStep {
  TensorInfo tensor;
  WeightStorage storage;
  std::string stored, stored_scale;  ///< names in the target; no scale: empty
  std::string beside;  ///< official name of the matrix whose rows stand to the right (GGUF's eh_proj)
};

struct ConvertPlan {
  ModelConfig config;  ///< of what is written
  ConvertDtype dtype;
  std::vector<TensorDeclaration> declared;
  std::vector<ConvertStep> steps;
  std::vector<std::string> notes;
};

/// Throws as convert().
ConvertPlan plan_conversion(const Checkpoint& source, const ConvertOptions& options);

}  // namespace fathom
