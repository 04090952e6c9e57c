// Completions: the answer. Source: api.md section 2.2.
#include <algorithm>
#include <optional>

#include "server/api/json_text.h"
#include "server/api/reply.h"
#include "text/utf8_stream.h"

namespace fathom::server {
namespace {

using Object = JsonValue::Object;

class CompletionsWriter final : public ReplyWriter {
 public:
  CompletionsWriter(const ApiCall& call, ReplyIdentity identity, int64_t index, std::string echoed,
                    std::vector<int32_t> echoed_ids)
      : ReplyWriter(call, std::move(identity)),
        index_(index),
        echoed_(std::move(echoed)),
        echoed_ids_(std::move(echoed_ids)) {}

  void start(const ReplyUsage&, Events& out) override {
    if (!echoed_.empty() && !call_.logprobs) chunk(echoed_, nullptr, nullptr, out);
    if (call_.return_token_ids && out.empty()) chunk("", nullptr, nullptr, out);  // for the prompt's ids
  }

  void event(const AnswerEvent& e, Events& out) override {
    if (e.event.kind != CompletionEvent::Kind::content) return;
    token_ids_.insert(token_ids_.end(), e.token_ids.begin(), e.token_ids.end());
    text_ += e.event.text;
    tokens_.insert(tokens_.end(), e.logprobs.begin(), e.logprobs.end());
    if ((e.event.text.empty() && e.logprobs.empty()) || pieces_ == Pieces::none) return;
    if (pieces_ == Pieces::json && !call_.logprobs && !call_.return_token_ids) {
      if (!frame_) {
        Events one;
        chunk("", nullptr, nullptr, one);
        frame_.emplace(one.front().data, "text");
      }
      out.push_back({"", {}, false, frame_->with(e.event.text)});
      return;
    }
    JsonValue logprobs;
    if (call_.logprobs) logprobs = lists(e.logprobs, {});
    chunk(e.event.text, std::move(logprobs), nullptr, out);
  }

  void finish(const AnswerResult& result, const ReplyUsage& usage, Events& out) override {
    usage_ = usage;
    prompt_logprobs_ = result.prompt_logprobs;
    reason_ = lacked_resources(result)          ? "insufficient_system_resource"
              : result.end == AnswerEnd::length ? "length"
                                                : "stop";
    if (!echoed_.empty() && call_.logprobs) chunk(echoed_, lists({}, echoed_ids_), nullptr, out);
    token_ids_ = result.token_ids;  // those without an event too
    chunk("", nullptr, reason_, out);
    if (call_.include_usage) {
      Object last = common();
      last.push_back({"choices", JsonValue::Array{}});
      add_usage(last);
      out.push_back({"", std::move(last)});
    } else {
      add_usage(const_cast<Object&>(*out.back().data.as_object()));
    }
  }

  JsonValue final() override {
    Object out = common();
    JsonValue logprobs;
    if (call_.logprobs) logprobs = lists(tokens_, call_.echo ? echoed_ids_ : std::vector<int32_t>());
    sent_ids_ = 0;
    with_prompt_ids_ = true;
    out.push_back({"choices", JsonValue::Array{choice(echoed_ + text_, std::move(logprobs), reason_)}});
    add_usage(out);
    return out;
  }

 private:
  Object common() const {
    return {{"id", "cmpl-" + identity_.id},
            {"object", "text_completion"},
            {"created", json_integer(identity_.created)},
            {"model", identity_.model},
            {"system_fingerprint", identity_.fingerprint}};
  }
  // With the token ids that no choice has had.
  Object choice(const std::string& text, JsonValue logprobs, JsonValue reason) {
    Object out{{"index", json_integer(index_)},
               {"text", text},
               {"logprobs", std::move(logprobs)},
               {"finish_reason", std::move(reason)}};
    if (!call_.return_token_ids) return out;
    if (std::exchange(with_prompt_ids_, false))
      out.push_back({"prompt_token_ids", json_ids(identity_.prompt_ids)});
    const auto sent = static_cast<std::ptrdiff_t>(std::exchange(sent_ids_, token_ids_.size()));
    out.push_back({"token_ids", json_ids({token_ids_.begin() + sent, token_ids_.end()})});
    return out;
  }
  void chunk(const std::string& text, JsonValue logprobs, JsonValue reason, Events& out) {
    Object data = common();
    data.push_back({"choices", JsonValue::Array{choice(text, std::move(logprobs), std::move(reason))}});
    if (call_.include_usage) data.push_back({"usage", JsonValue()});
    out.push_back({"", std::move(data)});
  }
  std::string token_text(int32_t id) const {
    std::string text;
    append_valid_utf8(identity_.token_bytes(id), text);
    return text;
  }

  // {tokens, token_logprobs, top_logprobs, text_offset}: of the echoed prompt (whose first token has none),
  // then of the answer.
  JsonValue lists(const std::vector<TokenLogprobs>& answer, const std::vector<int32_t>& prompt) const {
    JsonValue::Array tokens, values, tops, offsets;
    int64_t offset = 0;
    const auto add = [&](int32_t id, const TokenLogprobs* logprobs) {
      const std::string text = token_text(id);
      tokens.emplace_back(text);
      values.push_back(logprobs ? JsonValue(logprobs->chosen.logprob) : JsonValue());
      offsets.push_back(json_integer(offset));
      for (const char c : text) offset += (static_cast<unsigned char>(c) & 0xC0) != 0x80;
      if (!logprobs) return tops.emplace_back(nullptr), void();
      Object top;
      for (const TokenLogprob& other : logprobs->top) top.push_back({token_text(other.id), other.logprob});
      const bool has = std::ranges::any_of(logprobs->top, [&](const auto& other) { return other.id == id; });
      if (!has) top.push_back({text, logprobs->chosen.logprob});
      tops.emplace_back(std::move(top));
    };
    for (size_t i = 0; i < prompt.size(); ++i)
      add(prompt[i], i > 0 && i - 1 < prompt_logprobs_.size() ? &prompt_logprobs_[i - 1] : nullptr);
    for (const TokenLogprobs& token : answer) add(token.chosen.id, &token);
    return Object{{"tokens", std::move(tokens)},
                  {"token_logprobs", std::move(values)},
                  {"top_logprobs", std::move(tops)},
                  {"text_offset", std::move(offsets)}};
  }
  void add_usage(Object& out) const {
    std::erase_if(out, [](const JsonMember& member) { return member.key == "usage"; });
    out.push_back({"usage", openai_usage(usage_, true)});
    if (!usage_.cost.is_null()) out.push_back({"cost", usage_.cost});
    if (!usage_.fathom.is_null()) out.push_back({"fathom", usage_.fathom});
  }

  int64_t index_;
  std::string echoed_;
  std::vector<int32_t> echoed_ids_;
  std::string text_, reason_ = "stop";
  std::vector<TokenLogprobs> tokens_, prompt_logprobs_;
  std::vector<int32_t> token_ids_;
  size_t sent_ids_ = 0;  // of these, in choices
  bool with_prompt_ids_ = true;
  std::optional<JsonFrame> frame_;
  ReplyUsage usage_;
};

}  // namespace

std::unique_ptr<ReplyWriter> make_completions_writer(const ApiCall& call, ReplyIdentity identity,
                                                     int64_t index, std::string echoed,
                                                     std::vector<int32_t> echoed_ids) {
  return std::make_unique<CompletionsWriter>(call, std::move(identity), index, std::move(echoed),
                                             std::move(echoed_ids));
}

}  // namespace fathom::server
