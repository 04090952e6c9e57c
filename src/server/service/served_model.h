#pragma once
/// A model with its engine, as the service offers it, and a request made ready for it.

#include <memory>
#include <string>
#include <vector>

#include "engine/chat_setup.h"
#include "engine/serving/engine_thread.h"
#include "server/api/call.h"

namespace fathom::server {

struct ServedModel {
  std::string name;
  std::string fingerprint;
  std::shared_ptr<const Model> model;
  std::shared_ptr<const Tokenizer> tokenizer;
  ChatSetup setup;
  std::unique_ptr<EngineThread> engine;

  int64_t context() const { return model->config().max_position_embeddings; }
};

/// An ApiCall as the engine takes it.
struct PreparedCall {
  std::vector<EngineRequest> requests;  ///< one, but for completions with several prompts
  bool starts_reasoning = false;        ///< the answer begins with reasoning
  ApiPrompt prompt;                     ///< but for completions
  std::vector<std::string> echoed;      ///< completions with echo: the prompts' texts
  std::optional<int64_t> lowered_max_tokens;
  int64_t asked_tokens = 0;             ///< the most tokens of an answer, as asked for or by default
  std::vector<std::string> ignored;     ///< fields without effect in this mode
  std::vector<std::string> unenforced;  ///< pointers of schema keywords that the answer is not held to
  std::string mode = "none";            ///< none, low, high or max: how it thinks
  uint64_t seed = 0;
};

/// Throws ApiError: a prompt that is too long, ids outside the vocabulary, a constraint that cannot be held.
/// @param counting only the prompt is wanted: a full context is no error
PreparedCall prepare(const ApiCall& call, const ServedModel& model, bool counting = false);

/// fp_ and 12 hex digits: equal for what computes equal bits.
std::string fingerprint_of(const Model& model, const Runtime<float>& runtime, Generation generation,
                           std::string_view version);

}  // namespace fathom::server
