#pragma once
/// The form of the answer: response_format of Chat, text.format of Responses, output_config.format of
/// Messages. Source: api.md section 5.

#include "server/api/call.h"

namespace fathom::server {

/// response_format: {type, json_schema: {...}}.
void read_chat_format(Fields& fields, ApiCall& call);
/// The flat form of Responses and Messages: {type, name, schema, strict}.
void read_flat_format(Fields& format, ApiCall& call);

}  // namespace fathom::server
