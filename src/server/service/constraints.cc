#include "server/service/constraints.h"

#include <map>
#include <mutex>

#include "base/error.h"
#include "engine/serving/grammar_constraint.h"
#include "server/api/common_fields.h"
#include "server/service/schema_grammar.h"

namespace fathom::server {
namespace {

// A vocabulary's tree takes a moment to make: one for each tokenizer.
std::shared_ptr<const TokenTree> tree_of(const std::shared_ptr<const Tokenizer>& tokenizer) {
  static std::mutex mutex;
  static std::map<const Tokenizer*,
                  std::pair<std::weak_ptr<const Tokenizer>, std::shared_ptr<const TokenTree>>>
      trees;
  const std::lock_guard lock(mutex);
  auto& [owner, tree] = trees[tokenizer.get()];
  if (!tree || owner.expired()) {
    owner = tokenizer;
    tree = std::make_shared<const TokenTree>(*tokenizer);
  }
  return tree;
}

const char* format_path(const ApiCall& call) {
  return call.dialect == Dialect::responses  ? "text.format"
         : call.dialect == Dialect::messages ? "output_config.format"
                                             : "response_format";
}

std::shared_ptr<const Grammar> compiled(const std::string& gbnf, const char* code, const std::string& path) {
  try {
    return Grammar::parse(gbnf);
  } catch (const Error& error) {
    if (error.code() == ErrorCode::unsupported)
      throw ApiError(422, "constraint_too_complex", error.message(), path);
    throw ApiError(400, code, path + ": " + error.message(), path);
  }
}

std::vector<CallableTool> callable_tools(const ApiCall& call) {
  std::vector<CallableTool> tools;
  for (size_t i = 0; i < call.tools.size(); ++i) {
    const ToolInfo& tool = call.tools[i];
    if (!tool.callable || (call.request.tool_name && *call.request.tool_name != tool.name)) continue;
    tools.push_back({tool.name, call.request.tools[i].find("parameters")});
  }
  return tools;
}

}  // namespace

std::shared_ptr<TokenConstraint> make_constraint(const ApiCall& call, const ServedModel& model,
                                                 const ApiPrompt& prompt,
                                                 std::vector<std::string>& unenforced) {
  const std::string path = format_path(call);
  std::shared_ptr<const Grammar> grammar;
  const bool forced = call.request.tool_choice == ApiRequest::ToolChoice::required;
  if (forced) {
    grammar = compiled(tool_calls_grammar(callable_tools(call), call.single_call), "invalid_schema", "tools");
  } else if (!call.grammar.empty()) {
    grammar = compiled(call.grammar, "invalid_grammar", path + ".grammar");
  } else if (!call.regex.empty()) {
    grammar = compiled(regex_grammar(call.regex, path + ".regex"), "invalid_regex", path + ".regex");
  } else if (call.json_object) {
    grammar = compiled(json_object_grammar(), "invalid_schema", path);
  } else if (call.request.format == ApiRequest::Format::json_schema) {
    const JsonValue schema =
        call.strict_schema ? strict_schema(call.request.schema, path) : call.request.schema;
    grammar = compiled(schema_grammar(schema, path, call.strict_schema, unenforced), "invalid_schema", path);
  } else {
    return nullptr;
  }
  auto constraint = std::make_shared<GrammarConstraint>(model.tokenizer, tree_of(model.tokenizer), grammar,
                                                        model.setup.stop_tokens);
  const bool continues =
      prompt.completion.start == CompletionOptions::Start::content && prompt.completion.continues;
  if (continues && !call.request.messages.empty() &&
      !constraint->advance(call.request.messages.back().content.value_or(""))) {
    const size_t last = call.request.messages.size() - 1;
    refuse(fmt::format("messages[{}].content", last),
           "expected a beginning that the format allows, found another");
  }
  const bool may_call =
      !forced && !call.tools.empty() && call.request.tool_choice != ApiRequest::ToolChoice::none;
  if (!may_call || continues) return constraint;
  // A block of calls, or text under the format: whichever the model begins with.
  auto calls = std::make_shared<GrammarConstraint>(
      model.tokenizer, tree_of(model.tokenizer),
      compiled(tool_calls_grammar(callable_tools(call), call.single_call, /*opened=*/false), "invalid_schema",
               "tools"),
      model.setup.stop_tokens);
  return std::make_shared<EitherConstraint>(std::vector<std::shared_ptr<TokenConstraint>>{constraint, calls});
}

}  // namespace fathom::server
