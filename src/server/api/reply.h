#pragma once
/// Answers in the wire format of each dialect, as stream events and as one object. The same writer makes
/// both, so that a streamed answer adds up to the one that is not streamed. Source: api.md section 2.

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "engine/serving/request.h"
#include "server/api/call.h"

namespace fathom::server {

/// What an answer says about itself beside its text.
struct ReplyIdentity {
  std::string id;       ///< 32 hex digits: `h` of api.md
  int64_t created = 0;  ///< Unix seconds
  std::string model, fingerprint, service_tier = "default";
  /// Bytes of a token, for log probabilities.
  std::function<std::string(int32_t)> token_bytes;
  /// The random end of a call's id.
  std::function<std::string(int64_t index)> call_suffix;
  bool extensions = true;           ///< cost and fathom
  std::vector<int32_t> prompt_ids;  ///< if the call wants token ids or an inside view
};

/// Token counts and cost, as they stand at the end.
struct ReplyUsage {
  int64_t prompt = 0, cached = 0, completion = 0, reasoning = 0;
  JsonValue cost, fathom;  ///< objects, or null
  std::string cost_total;  ///< decimal text; empty: none
};

struct ReplyEvent {
  std::string name;  ///< of the SSE event; empty: none
  JsonValue data;
  bool done_mark = false;  ///< `[DONE]` in place of data
  std::string json = {};   ///< in place of data, if not empty: its JSON as it goes over the wire
};
/// As it goes over the wire.
std::string event_text(const ReplyEvent& event);

class ReplyWriter {
 public:
  virtual ~ReplyWriter() = default;
  using Events = std::vector<ReplyEvent>;
  /// What becomes of events that carry text: most of an answer, one a token.
  enum class Pieces {
    objects,  ///< as every event
    json,     ///< as JSON already: for those who only send them
    none,     ///< left out: for those who want final() alone
  };
  void set_pieces(Pieces pieces) { pieces_ = pieces; }

  /// The events before anything is written. `usage` knows the prompt.
  virtual void start(const ReplyUsage& usage, Events& out) = 0;
  virtual void event(const AnswerEvent& event, Events& out) = 0;
  /// The events of the end; and final() may be called from then on.
  virtual void finish(const AnswerResult& result, const ReplyUsage& usage, Events& out) = 0;
  /// The whole answer.
  virtual JsonValue final() = 0;
  /// A failure after the stream has begun.
  virtual void failure(const ApiError& error, Events& out);

 protected:
  ReplyWriter(const ApiCall& call, ReplyIdentity identity) : call_(call), identity_(std::move(identity)) {}
  struct Call {
    std::string id;
    const ToolInfo* tool = nullptr;  ///< null: not declared
    std::string name, arguments;
    std::vector<std::string> pieces = {};
  };
  Call make_call(const std::string& name, int64_t index) const;
  JsonValue logprob_entries(const std::vector<TokenLogprobs>& tokens, bool with_more = true) const;

  const ApiCall& call_;
  ReplyIdentity identity_;
  Pieces pieces_ = Pieces::objects;
};

/// JSON that differs from one time to the next in one text only.
class JsonFrame {
 public:
  /// `like`: with "" as the text; `key` is that of the text, and the last of its name with "".
  JsonFrame(const JsonValue& like, std::string_view key);
  std::string with(std::string_view text) const;

 private:
  std::string before_, after_;
};

/// Whether the answer ended for lack of memory, time or money: `insufficient_system_resource`.
bool lacked_resources(const AnswerResult& result);
/// Ids as a list of JSON.
JsonValue json_ids(const std::vector<int32_t>& ids);
/// OpenAI's usage object.
JsonValue openai_usage(const ReplyUsage& usage, bool with_reasoning);

/// `call` must outlive the writer. index: of the choice (completions with several prompts).
std::unique_ptr<ReplyWriter> make_chat_writer(const ApiCall& call, ReplyIdentity identity, bool thinking);
std::unique_ptr<ReplyWriter> make_completions_writer(const ApiCall& call, ReplyIdentity identity,
                                                     int64_t index, std::string echoed,
                                                     std::vector<int32_t> echoed_ids);
/// Of the inside view; identity.prompt_ids end with the token. `config` must outlive the writer.
std::unique_ptr<ReplyWriter> make_inside_writer(const ApiCall& call, ReplyIdentity identity,
                                                const ModelConfig& config);
/// {id, text}
JsonValue inside_token(int32_t id, std::string_view bytes);
std::unique_ptr<ReplyWriter> make_messages_writer(const ApiCall& call, ReplyIdentity identity);
std::unique_ptr<ReplyWriter> make_responses_writer(const ApiCall& call, ReplyIdentity identity);

}  // namespace fathom::server
