#include "server/service/constraints.h"

namespace fathom::server {

std::shared_ptr<TokenConstraint> make_constraint(const ApiCall& call, const ServedModel&, const ApiPrompt&) {
  const bool schema = call.request.format == ApiRequest::Format::json_schema;
  if (schema || call.json_object || !call.regex.empty() || !call.grammar.empty()) {
    const char* field = call.dialect == Dialect::responses  ? "text.format.type"
                        : call.dialect == Dialect::messages ? "output_config.format.type"
                                                            : "response_format.type";
    refuse(field, "expected text, found a form that this server cannot hold an answer to");
  }
  return nullptr;
}

}  // namespace fathom::server
