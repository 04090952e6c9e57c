#pragma once
/// What a stored state depends on, as one name: the weights, the arithmetic and the program that ran it.

#include <string>

#include "model/model.h"
#include "model/runtime.h"

namespace fathom {

/// Equal only for what computes the same bits: the weights (checkpoint/weights_hash), numerics and target,
/// and the program's file by its size and time, so that another build starts afresh. Fit for the name of a
/// file.
std::string model_identity(const Model& model, const Runtime<float>& runtime);

}  // namespace fathom
