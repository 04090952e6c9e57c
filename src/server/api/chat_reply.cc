// Chat Completions: the answer. Source: api.md section 2.1.
#include <optional>

#include "server/api/json_text.h"
#include "server/api/reply.h"

namespace fathom::server {
namespace {

using Kind = CompletionEvent::Kind;
using Object = JsonValue::Object;

class ChatWriter final : public ReplyWriter {
 public:
  ChatWriter(const ApiCall& call, ReplyIdentity identity, bool thinking)
      : ReplyWriter(call, std::move(identity)), thinking_(thinking) {}

  void start(const ReplyUsage&, Events& out) override {
    Object delta{{"role", "assistant"}, {"content", thinking_ ? JsonValue() : JsonValue("")}};
    if (thinking_) delta.push_back({"reasoning_content", ""});
    chunk(std::move(delta), nullptr, nullptr, out);
    if (call_.return_token_ids) add_prompt_ids(const_cast<Object&>(*out.back().data.as_object()));
  }

  void event(const AnswerEvent& e, Events& out) override {
    token_ids_.insert(token_ids_.end(), e.token_ids.begin(), e.token_ids.end());
    switch (e.event.kind) {
      case Kind::reasoning:
      case Kind::content:
        return text(e, out);
      case Kind::call_start: {
        calls_.push_back(make_call(e.event.text, std::ssize(calls_)));
        const Call& call = calls_.back();
        return tool_chunk(Object{{"index", json_integer(std::ssize(calls_) - 1)},
                                 {"id", call.id},
                                 {"type", "function"},
                                 {"function", Object{{"name", call.name}, {"arguments", ""}}}},
                          out);
      }
      case Kind::arguments: {
        calls_.back().arguments += e.event.text;
        return tool_chunk(Object{{"index", json_integer(std::ssize(calls_) - 1)},
                                 {"function", Object{{"arguments", e.event.text}}}},
                          out);
      }
      default:
        return;
    }
  }

  void finish(const AnswerResult& result, const ReplyUsage& usage, Events& out) override {
    usage_ = usage;
    reason_ = lacked_resources(result)                 ? "insufficient_system_resource"
              : result.end == AnswerEnd::length        ? "length"
              : !calls_.empty() && !result.stop_string ? "tool_calls"
                                                       : "stop";
    Object delta{{"content", ""}};
    if (thinking_) delta.push_back({"reasoning_content", JsonValue()});
    token_ids_ = result.token_ids;  // those without an event too
    chunk(std::move(delta), nullptr, reason_, out);
    if (call_.include_usage) {
      Object last = common();
      last.push_back({"choices", JsonValue::Array{}});
      add_usage(last);
      out.push_back({"", std::move(last)});
    } else {
      add_usage(const_cast<Object&>(*out.back().data.as_object()));
    }
    out.push_back({"", {}, true});
  }

  JsonValue final() override {
    Object message{{"role", "assistant"}, {"content", content_}};
    if (thinking_) message.push_back({"reasoning_content", reasoning_});
    if (!calls_.empty()) {
      JsonValue::Array calls;
      for (size_t i = 0; i < calls_.size(); ++i) {
        calls.emplace_back(
            Object{{"index", json_integer(static_cast<int64_t>(i))},
                   {"id", calls_[i].id},
                   {"type", "function"},
                   {"function", Object{{"name", calls_[i].name}, {"arguments", calls_[i].arguments}}}});
      }
      message.push_back({"tool_calls", std::move(calls)});
    }
    JsonValue logprobs;
    if (call_.logprobs) {
      Object lists{{"content", logprob_entries(content_logprobs_)}};
      if (thinking_) lists.push_back({"reasoning_content", logprob_entries(reasoning_logprobs_)});
      logprobs = std::move(lists);
    }
    Object choice{{"index", json_integer(0)},
                  {"message", std::move(message)},
                  {"logprobs", std::move(logprobs)},
                  {"finish_reason", reason_}};
    if (call_.return_token_ids) choice.push_back({"token_ids", json_ids(token_ids_)});
    Object out{{"id", "chatcmpl-" + identity_.id},
               {"object", "chat.completion"},
               {"created", json_integer(identity_.created)},
               {"model", identity_.model},
               {"choices", JsonValue::Array{std::move(choice)}}};
    if (call_.return_token_ids) add_prompt_ids(out);
    out.push_back({"system_fingerprint", identity_.fingerprint});
    if (identity_.extensions) out.push_back({"service_tier", identity_.service_tier});
    add_usage(out);
    return out;
  }

 private:
  Object common() const {
    return {{"id", "chatcmpl-" + identity_.id},
            {"object", "chat.completion.chunk"},
            {"created", json_integer(identity_.created)},
            {"model", identity_.model},
            {"system_fingerprint", identity_.fingerprint}};
  }
  void add_prompt_ids(Object& out) const {
    out.push_back({"prompt_token_ids", json_ids(identity_.prompt_ids)});
  }
  void chunk(Object delta, JsonValue logprobs, JsonValue reason, Events& out) {
    Object data = common();
    Object choice{{"index", json_integer(0)},
                  {"delta", std::move(delta)},
                  {"logprobs", std::move(logprobs)},
                  {"finish_reason", std::move(reason)}};
    if (call_.return_token_ids) {
      const auto sent = static_cast<std::ptrdiff_t>(sent_ids_);
      choice.push_back({"token_ids", json_ids({token_ids_.begin() + sent, token_ids_.end()})});
      sent_ids_ = token_ids_.size();
    }
    data.push_back({"choices", JsonValue::Array{std::move(choice)}});
    if (call_.include_usage) data.push_back({"usage", JsonValue()});
    out.push_back({"", std::move(data)});
  }
  void tool_chunk(Object call, Events& out) {
    chunk(Object{{"tool_calls", JsonValue::Array{std::move(call)}}}, nullptr, nullptr, out);
  }

  void text(const AnswerEvent& e, Events& out) {
    const bool reasons = e.event.kind == Kind::reasoning;
    (reasons ? reasoning_ : content_) += e.event.text;
    auto& all = reasons ? reasoning_logprobs_ : content_logprobs_;
    all.insert(all.end(), e.logprobs.begin(), e.logprobs.end());
    if (pieces_ == Pieces::none) return;
    JsonValue logprobs;
    if (call_.logprobs)
      logprobs = Object{{reasons ? "reasoning_content" : "content", logprob_entries(e.logprobs)}};
    if (e.event.text.empty() && e.logprobs.empty()) return;
    if (pieces_ == Pieces::json && !call_.logprobs && !call_.return_token_ids) {
      auto& frame = reasons ? reasoning_frame_ : content_frame_;
      if (!frame) {
        Events one;
        chunk(text_delta(reasons, ""), nullptr, nullptr, one);
        frame.emplace(one.front().data, reasons ? "reasoning_content" : "content");
      }
      out.push_back({"", {}, false, frame->with(e.event.text)});
      return;
    }
    chunk(text_delta(reasons, e.event.text), std::move(logprobs), nullptr, out);
  }
  Object text_delta(bool reasons, const std::string& text) const {
    if (reasons) return {{"content", JsonValue()}, {"reasoning_content", text}};
    Object delta{{"content", text}};
    if (thinking_) delta.push_back({"reasoning_content", JsonValue()});
    return delta;
  }

  void add_usage(Object& out) const {
    std::erase_if(out, [](const JsonMember& member) { return member.key == "usage"; });
    out.push_back({"usage", openai_usage(usage_, true)});
    if (!usage_.cost.is_null()) out.push_back({"cost", usage_.cost});
    if (!usage_.fathom.is_null()) out.push_back({"fathom", usage_.fathom});
  }

  bool thinking_;
  std::string reasoning_, content_, reason_ = "stop";
  std::vector<TokenLogprobs> reasoning_logprobs_, content_logprobs_;
  std::vector<Call> calls_;
  std::vector<int32_t> token_ids_;
  size_t sent_ids_ = 0;  // of these, in chunks
  std::optional<JsonFrame> reasoning_frame_, content_frame_;
  ReplyUsage usage_;
};

}  // namespace

std::unique_ptr<ReplyWriter> make_chat_writer(const ApiCall& call, ReplyIdentity identity, bool thinking) {
  return std::make_unique<ChatWriter>(call, std::move(identity), thinking);
}

}  // namespace fathom::server
