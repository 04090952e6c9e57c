#pragma once
/// The input items of a Responses request as messages.

#include "server/api/call.h"

namespace fathom::server {

/// Appends the items' messages to call.request.messages, and the items themselves to call.input_items if it
/// stores them. Throws ApiError naming the item.
void read_input_items(const std::vector<Fields::Item>& items, const ResponseContext& context, ApiCall& call);
/// `ns__name`, with no more than one pair of underscores put between.
std::string joined_name(const std::string& space, const std::string& name);

}  // namespace fathom::server
