#pragma once
/// What an answer is held to, as a token mask. Source: api.md section 5.

#include "engine/serving/token_constraint.h"
#include "server/service/served_model.h"

namespace fathom::server {

/// The constraint of the call's response format; null if the answer is free. Throws ApiError (invalid_regex,
/// invalid_grammar, ...), and of a forced call.
/// @param unenforced pointers of schema keywords that the answer is not held to
std::shared_ptr<TokenConstraint> make_constraint(const ApiCall& call, const ServedModel& model,
                                                 const ApiPrompt& prompt,
                                                 std::vector<std::string>& unenforced);

}  // namespace fathom::server
