// Messages (Anthropic's dialect): the answer. Source: api.md section 2.4.
#include <optional>

#include "base/error.h"
#include "server/api/json_text.h"
#include "server/api/reply.h"

namespace fathom::server {
namespace {

using Kind = CompletionEvent::Kind;
using Object = JsonValue::Object;

class MessagesWriter final : public ReplyWriter {
 public:
  MessagesWriter(const ApiCall& call, ReplyIdentity identity) : ReplyWriter(call, std::move(identity)) {}

  void start(const ReplyUsage& usage, Events& out) override {
    usage_ = usage;
    Object message = head();
    message.push_back({"content", JsonValue::Array{}});
    message.push_back({"stop_reason", JsonValue()});
    message.push_back({"stop_sequence", JsonValue()});
    message.push_back({"usage", usage_object(false)});
    put("message_start", {{"message", std::move(message)}}, out);
  }

  void event(const AnswerEvent& e, Events& out) override {
    switch (e.event.kind) {
      case Kind::reasoning:
      case Kind::content: {
        if (e.event.text.empty()) return;
        const bool thinks = e.event.kind == Kind::reasoning;
        open(thinks ? Block::thinking : Block::text, out);
        blocks_.back().text += e.event.text;
        if ((thinks && call_.thinking_hidden) || pieces_ == Pieces::none) return;
        if (pieces_ == Pieces::json) {
          if (!frame_) {
            Events one;
            delta(text_delta(thinks, ""), one);
            frame_.emplace(one.front().data, thinks ? "thinking" : "text");
          }
          out.push_back({"content_block_delta", {}, false, frame_->with(e.event.text)});
          return;
        }
        return delta(text_delta(thinks, e.event.text), out);
      }
      case Kind::call_start: {
        close(out);
        blocks_.push_back({Block::tool, {}, make_call(e.event.text, calls_++)});
        return announce(out);
      }
      case Kind::arguments:
        blocks_.back().call.arguments += e.event.text;
        return delta(Object{{"type", "input_json_delta"}, {"partial_json", e.event.text}}, out);
      default:
        return;
    }
  }

  void finish(const AnswerResult& result, const ReplyUsage& usage, Events& out) override {
    close(out);
    usage_ = usage;
    if (result.end == AnswerEnd::length) {
      reason_ = "max_tokens";
    } else if (result.stop_string) {
      reason_ = "stop_sequence";
      stop_sequence_ = *result.stop_string;
    } else {
      reason_ = calls_ > 0 ? "tool_use" : "end_turn";
    }
    Object data{{"delta", Object{{"stop_reason", reason_}, {"stop_sequence", stop_sequence_}}},
                {"usage", usage_object(true)}};
    add_extensions(data);
    put("message_delta", std::move(data), out);
    put("message_stop", {}, out);
  }

  JsonValue final() override {
    JsonValue::Array content;
    for (const BlockState& block : blocks_) content.emplace_back(whole(block));
    Object out = head();
    out.push_back({"content", std::move(content)});
    out.push_back({"stop_reason", reason_});
    out.push_back({"stop_sequence", stop_sequence_});
    out.push_back({"usage", usage_object(true)});
    add_extensions(out);
    return out;
  }

  void failure(const ApiError& error, Events& out) override {
    out.push_back({"error", error_body(error, ErrorShape::anthropic, "req_" + identity_.id)});
  }

 private:
  enum class Block { thinking, text, tool };
  struct BlockState {
    Block kind;
    std::string text;
    Call call;
  };

  static void put(const char* type, Object members, Events& out) {
    members.insert(members.begin(), {"type", type});
    out.push_back({type, std::move(members)});
  }
  Object head() const {
    return {{"id", "msg_" + identity_.id},
            {"type", "message"},
            {"role", "assistant"},
            {"model", identity_.model}};
  }
  JsonValue index() const { return json_integer(std::ssize(blocks_) - 1); }
  std::string signature() const { return "sig_" + identity_.id + "_0"; }

  JsonValue usage_object(bool at_end) const {
    Object usage{{"input_tokens", json_integer(usage_.prompt - usage_.cached)},
                 {"cache_creation_input_tokens", json_integer(0)},
                 {"cache_read_input_tokens", json_integer(usage_.cached)},
                 {"output_tokens", json_integer(usage_.completion)},
                 {"service_tier", "standard"}};
    if (at_end && identity_.extensions) {
      usage.push_back({"output_tokens_details", Object{{"thinking_tokens", json_integer(usage_.reasoning)}}});
      if (!usage_.cost_total.empty()) usage.push_back({"cost", json_decimal(usage_.cost_total)});
    }
    return usage;
  }
  void add_extensions(Object& out) const {
    if (!usage_.cost.is_null()) out.push_back({"cost", usage_.cost});
    if (!usage_.fathom.is_null()) out.push_back({"fathom", usage_.fathom});
  }

  JsonValue whole(const BlockState& block) const {
    switch (block.kind) {
      case Block::thinking:
        return Object{{"type", "thinking"},
                      {"thinking", call_.thinking_hidden ? "" : block.text},
                      {"signature", signature()}};
      case Block::text:
        return Object{{"type", "text"}, {"text", block.text}};
      case Block::tool:
        break;
    }
    return Object{{"type", "tool_use"},
                  {"id", block.call.id},
                  {"name", block.call.name},
                  {"input", parsed_input(block.call.arguments)}};
  }
  // Arguments that were cut off are kept as a text.
  static JsonValue parsed_input(const std::string& arguments) {
    for (const char* end : {"", "}", "\"}"}) {  // as it is, or closed where it was cut
      try {
        JsonValue input = parse_json_value(arguments + end, JsonDialect::python, 256);
        if (input.as_object()) return input;
      } catch (const Error&) {  // NOLINT(bugprone-empty-catch): kept below
      }
    }
    if (arguments.empty()) return Object{};
    return Object{{"arguments", arguments}};
  }

  void announce(Events& out) {
    const BlockState& block = blocks_.back();
    Object content;
    if (block.kind == Block::thinking) {
      content = {{"type", "thinking"}, {"thinking", ""}, {"signature", ""}};
    } else if (block.kind == Block::text) {
      content = {{"type", "text"}, {"text", ""}};
    } else {
      content = {{"type", "tool_use"}, {"id", block.call.id}, {"name", block.call.name}, {"input", Object{}}};
    }
    put("content_block_start", {{"index", index()}, {"content_block", std::move(content)}}, out);
    if (blocks_.size() == 1) put("ping", {}, out);
    open_ = true;
    frame_.reset();
  }
  void open(Block kind, Events& out) {
    if (open_ && blocks_.back().kind == kind) return;
    close(out);
    blocks_.push_back({kind, {}, {}});
    announce(out);
  }
  static Object text_delta(bool thinks, const std::string& text) {
    if (thinks) return {{"type", "thinking_delta"}, {"thinking", text}};
    return {{"type", "text_delta"}, {"text", text}};
  }
  void delta(Object change, Events& out) const {
    put("content_block_delta", {{"index", index()}, {"delta", std::move(change)}}, out);
  }
  void close(Events& out) {
    if (!std::exchange(open_, false)) return;
    if (blocks_.back().kind == Block::thinking)
      delta(Object{{"type", "signature_delta"}, {"signature", signature()}}, out);
    put("content_block_stop", {{"index", index()}}, out);
  }

  std::vector<BlockState> blocks_;
  bool open_ = false;
  std::optional<JsonFrame> frame_;  // of the open block's text
  int64_t calls_ = 0;
  JsonValue reason_, stop_sequence_;
  ReplyUsage usage_;
};

}  // namespace

std::unique_ptr<ReplyWriter> make_messages_writer(const ApiCall& call, ReplyIdentity identity) {
  return std::make_unique<MessagesWriter>(call, std::move(identity));
}

}  // namespace fathom::server
