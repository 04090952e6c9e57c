#pragma once
/// What a user should know of an opened checkpoint: one line each, said on standard error when it is opened.

#include <string>
#include <vector>

#include "model/model.h"

namespace fathom {

/// A DSpark drafter that is present and not used; shapes that the release's own kernels would refuse
/// (architecture.md section 7, "Multiples needed"); an MTP block that is not whole; tensors that belong to
/// nothing.
std::vector<std::string> model_notes(const Model& model);

}  // namespace fathom
