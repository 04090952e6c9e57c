#pragma once
/// What an answer is held to, as a token mask. Source: api.md section 5.

#include "engine/serving/token_constraint.h"
#include "server/service/served_model.h"

namespace fathom::server {

/// The constraint of the call's response format; null if the answer is free. Throws ApiError (invalid_regex,
/// invalid_grammar, ...; 400 for a form that cannot be enforced).
std::shared_ptr<TokenConstraint> make_constraint(const ApiCall& call, const ServedModel& model,
                                                 const ApiPrompt& prompt);

}  // namespace fathom::server
