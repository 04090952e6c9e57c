// Responses: the answer. Source: api.md section 2.3.
#include <ctime>

#include "base/error.h"
#include "server/api/json_text.h"
#include "server/api/reply.h"

namespace fathom::server {
namespace {

using Kind = CompletionEvent::Kind;
using Object = JsonValue::Object;

class ResponsesWriter final : public ReplyWriter {
 public:
  ResponsesWriter(const ApiCall& call, ReplyIdentity identity) : ReplyWriter(call, std::move(identity)) {}

  void start(const ReplyUsage&, Events& out) override {
    put("response.created", {{"response", object("in_progress")}}, out);
    put("response.in_progress", {{"response", object("in_progress")}}, out);
  }

  void event(const AnswerEvent& e, Events& out) override {
    switch (e.event.kind) {
      case Kind::reasoning:
      case Kind::content:
        return text(e, out);
      case Kind::call_start: {
        if (open_ && items_.back().kind == Item::message) items_.back().commentary = true;
        close(out, "completed");
        ItemState item{Item::call};
        item.call = make_call(e.event.text, calls_++);
        if (item.call.tool && item.call.tool->custom) item.kind = Item::custom;
        items_.push_back(std::move(item));
        return announce(out);
      }
      case Kind::arguments:
        return arguments(e.event.text, out);
      default:
        return;
    }
  }

  void finish(const AnswerResult& result, const ReplyUsage& usage, Events& out) override {
    usage_ = usage;
    completed_ = std::time(nullptr);
    const bool incomplete = result.end == AnswerEnd::length;
    close(out, incomplete ? "incomplete" : "completed");
    status_ = lacked_resources(result) ? "failed" : incomplete ? "incomplete" : "completed";
    put("response." + status_, {{"response", object(status_)}}, out);
  }

  JsonValue final() override { return object(status_); }

  void failure(const ApiError& error, Events& out) override {
    error_ = Object{{"code", error.status == 429 ? "rate_limit_exceeded" : "server_error"},
                    {"message", error.message}};
    status_ = "failed";
    put("response.failed", {{"response", object("failed")}}, out);
  }

 private:
  enum class Item { reasoning, message, call, custom };
  struct ItemState {
    explicit ItemState(Item k) : kind(k) {}
    Item kind;
    std::string text = {};
    std::vector<TokenLogprobs> logprobs = {};
    Call call = {};
    std::string status = "in_progress";
    bool commentary = false;
  };

  void put(std::string type, Object members, Events& out) {
    members.insert(members.begin(), {"type", type});
    members.push_back({"sequence_number", json_integer(sequence_++)});
    out.push_back({std::move(type), std::move(members)});
  }
  JsonValue index() const { return json_integer(std::ssize(items_) - 1); }
  std::string item_id(size_t i) const {
    constexpr const char* kPrefix[] = {"rs", "msg", "fc", "ctc"};
    return fmt::format("{}_{}_{}", kPrefix[static_cast<int>(items_[i].kind)], identity_.id, i);
  }
  std::string last_id() const { return item_id(items_.size() - 1); }

  JsonValue part(const ItemState& item, bool empty) const {
    if (item.kind == Item::reasoning)
      return Object{{"type", "reasoning_text"}, {"text", empty ? "" : item.text}};
    return Object{{"type", "output_text"},
                  {"annotations", JsonValue::Array{}},
                  {"logprobs", empty ? JsonValue(JsonValue::Array{}) : logprob_entries(item.logprobs)},
                  {"text", empty ? "" : item.text}};
  }

  std::pair<std::string, std::string> name_of(const Call& call) const {
    if (!call.tool) return {call.name, ""};
    return {call.tool->local_name, call.tool->space};
  }

  JsonValue item(size_t i, bool announced) const {
    const ItemState& item = items_[i];
    const std::string id = item_id(i);
    const JsonValue content = announced ? JsonValue::Array{} : JsonValue::Array{part(item, false)};
    switch (item.kind) {
      case Item::reasoning:
        return Object{
            {"type", "reasoning"},   {"id", id},
            {"status", item.status}, {"summary", JsonValue::Array{}},
            {"content", content},    {"encrypted_content", fmt::format("enc_{}_{}", identity_.id, i)}};
      case Item::message:
        return Object{{"type", "message"},
                      {"id", id},
                      {"status", item.status},
                      {"role", "assistant"},
                      {"phase", item.commentary ? "commentary" : "final_answer"},
                      {"content", content}};
      default:
        break;
    }
    const auto [name, space] = name_of(item.call);
    const bool custom = item.kind == Item::custom;
    Object out{{"type", custom ? "custom_tool_call" : "function_call"},
               {"id", id},
               {"status", item.status},
               {"call_id", item.call.id},
               {"name", name}};
    if (!space.empty()) out.push_back({"namespace", space});
    if (custom) {
      out.push_back({"input", announced ? "" : custom_input(item.call.arguments)});
      std::erase_if(out, [](const JsonMember& member) { return member.key == "status"; });
      out.insert(out.begin() + 2, {"status", item.status});
    } else {
      out.push_back({"arguments", announced ? "" : item.call.arguments});
    }
    return out;
  }

  // What a custom tool is given: its parameter `input`, or all of the arguments if there is another.
  static std::string custom_input(const std::string& arguments) {
    for (const char* end : {"", "\"}", "}"}) {  // as it is, or closed where it was cut
      try {
        const JsonValue parsed = parse_json_value(arguments + end, JsonDialect::python, 256);
        const JsonValue* input = parsed.find("input");
        if (input && input->as_string() && parsed.as_object()->size() == 1) return *input->as_string();
      } catch (const Error&) {  // NOLINT(bugprone-empty-catch): the text as it is
      }
    }
    return arguments;
  }

  void announce(Events& out) {
    open_ = true;
    put("response.output_item.added", {{"item", item(items_.size() - 1, true)}, {"output_index", index()}},
        out);
    const ItemState& last = items_.back();
    if (last.kind == Item::reasoning || last.kind == Item::message) {
      put("response.content_part.added",
          {{"content_index", json_integer(0)},
           {"item_id", last_id()},
           {"output_index", index()},
           {"part", part(last, true)}},
          out);
    }
  }

  void text(const AnswerEvent& e, Events& out) {
    if (e.event.text.empty() && e.logprobs.empty()) return;
    const bool reasons = e.event.kind == Kind::reasoning;
    const Item kind = reasons ? Item::reasoning : Item::message;
    if (!open_ || items_.back().kind != kind) {
      close(out, "completed");
      items_.emplace_back(kind);
      announce(out);
    }
    ItemState& last = items_.back();
    last.text += e.event.text;
    if (!reasons) last.logprobs.insert(last.logprobs.end(), e.logprobs.begin(), e.logprobs.end());
    if (pieces_ == Pieces::none) return;
    Object members{{"content_index", json_integer(0)},
                   {"delta", e.event.text},
                   {"item_id", last_id()},
                   {"output_index", index()}};
    if (!reasons) members.push_back({"logprobs", logprob_entries(e.logprobs)});
    put(reasons ? "response.reasoning_text.delta" : "response.output_text.delta", std::move(members), out);
  }

  void arguments(const std::string& piece, Events& out) {
    ItemState& last = items_.back();
    last.call.arguments += piece;
    if (last.kind == Item::custom) return;  // its input is decoded whole
    put("response.function_call_arguments.delta",
        {{"delta", piece}, {"item_id", last_id()}, {"output_index", index()}}, out);
  }

  void close(Events& out, const std::string& status) {
    if (!std::exchange(open_, false)) return;
    ItemState& last = items_.back();
    last.status = status;
    if (last.kind == Item::call) {
      put("response.function_call_arguments.done",
          {{"arguments", last.call.arguments},
           {"item_id", last_id()},
           {"name", name_of(last.call).first},
           {"output_index", index()}},
          out);
    } else if (last.kind == Item::custom) {
      const std::string input = custom_input(last.call.arguments);
      put("response.custom_tool_call_input.delta",
          {{"delta", input}, {"item_id", last_id()}, {"output_index", index()}}, out);
      put("response.custom_tool_call_input.done",
          {{"input", input}, {"item_id", last_id()}, {"output_index", index()}}, out);
    } else {
      const bool reasons = last.kind == Item::reasoning;
      Object done{{"content_index", json_integer(0)}, {"item_id", last_id()}, {"output_index", index()}};
      if (!reasons) done.push_back({"logprobs", logprob_entries(last.logprobs)});
      done.push_back({"text", last.text});
      put(reasons ? "response.reasoning_text.done" : "response.output_text.done", std::move(done), out);
      put("response.content_part.done",
          {{"content_index", json_integer(0)},
           {"item_id", last_id()},
           {"output_index", index()},
           {"part", part(last, false)}},
          out);
    }
    put("response.output_item.done", {{"item", item(items_.size() - 1, false)}, {"output_index", index()}},
        out);
  }

  JsonValue usage_object() const {
    Object usage{{"input_tokens", json_integer(usage_.prompt)},
                 {"input_tokens_details", Object{{"cached_tokens", json_integer(usage_.cached)},
                                                 {"cache_write_tokens", json_integer(0)}}},
                 {"output_tokens", json_integer(usage_.completion)},
                 {"output_tokens_details", Object{{"reasoning_tokens", json_integer(usage_.reasoning)}}},
                 {"total_tokens", json_integer(usage_.prompt + usage_.completion)}};
    if (!usage_.cost_total.empty()) usage.push_back({"cost", json_decimal(usage_.cost_total)});
    return usage;
  }

  JsonValue object(const std::string& status) const {
    const bool ended = status != "in_progress";
    JsonValue::Array output;
    if (ended) {
      for (size_t i = 0; i < items_.size(); ++i) output.push_back(item(i, false));
    }
    JsonValue details;
    if (status == "incomplete") details = Object{{"reason", "max_output_tokens"}};
    Object out{{"id", "resp_" + identity_.id},
               {"object", "response"},
               {"created_at", json_integer(identity_.created)},
               {"status", status},
               {"background", false},
               {"completed_at", ended && status != "failed" ? json_integer(completed_) : JsonValue()},
               {"content_filters", JsonValue()},
               {"moderation", JsonValue()},
               {"prompt_cache_retention", JsonValue()},
               {"error", error_},
               {"incomplete_details", std::move(details)},
               {"model", identity_.model},
               {"output", std::move(output)},
               {"service_tier", identity_.service_tier},
               {"store", call_.store}};
    out.insert(out.end(), call_.settings.begin(), call_.settings.end());
    out.push_back({"usage", ended ? usage_object() : JsonValue()});
    if (ended && !usage_.cost.is_null()) out.push_back({"cost", usage_.cost});
    if (ended && !usage_.fathom.is_null()) out.push_back({"fathom", usage_.fathom});
    return out;
  }

  std::vector<ItemState> items_;
  bool open_ = false;
  int64_t calls_ = 0, sequence_ = 0, completed_ = 0;
  std::string status_ = "in_progress";
  JsonValue error_;
  ReplyUsage usage_;
};

}  // namespace

std::unique_ptr<ReplyWriter> make_responses_writer(const ApiCall& call, ReplyIdentity identity) {
  return std::make_unique<ResponsesWriter>(call, std::move(identity));
}

}  // namespace fathom::server
