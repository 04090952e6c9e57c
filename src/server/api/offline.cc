#include "server/api/offline.h"

#include <cstdlib>

#include "base/error.h"
#include "engine/stop.h"
#include "server/api/call.h"
#include "server/api/json_text.h"
#include "server/api/reply.h"
#include "text/utf8_stream.h"

namespace fathom::server {
namespace {

std::string word(const JsonValue* value) { return value && value->as_string() ? *value->as_string() : ""; }

// Where the added tokens are, in code points.
JsonValue special_ranges(const Prompt& prompt) {
  JsonValue::Array ranges;
  int64_t position = 0;
  for (const Segment& segment : prompt.segments()) {
    const int64_t start = position;
    for (const char c : segment.text) position += (static_cast<unsigned char>(c) & 0xC0) != 0x80;
    if (segment.special) ranges.emplace_back(JsonValue::Array{json_integer(start), json_integer(position)});
  }
  return ranges;
}

ApiCall read_call(const std::string& api, const JsonValue& body) {
  ApiCall call = api == "messages"      ? read_messages_request(body)
                 : api == "responses"   ? read_responses(body)
                 : api == "completions" ? read_completions(body)
                                        : read_chat(body);
  call.request.thinking = api_thinking(call.thinking_enabled, call.effort, Generation::v2026_08);
  return call;
}

// Answers with what `work` gives, or with its error.
template <class Work>
std::string answered(const ErrorShape& shape, Work work) {
  try {
    return compact_json(work());
  } catch (const ApiError& error) {
    return compact_json(JsonValue::Object{{"error", *error_body(error, shape, "").find("error")}});
  } catch (const Error& error) {
    const ApiError api(400, "", error.message());
    return compact_json(JsonValue::Object{{"error", *error_body(api, shape, "").find("error")}});
  }
}

std::string bytes_of_hex(const std::string& hex) {
  std::string bytes;
  for (size_t i = 0; i + 1 < hex.size(); i += 2)
    bytes += static_cast<char>(std::strtol(hex.substr(i, 2).c_str(), nullptr, 16));
  return bytes;
}

int64_t whole_number(const JsonValue& value) {
  return value.as_integer() ? std::strtoll(value.as_integer()->digits.c_str(), nullptr, 10) : 0;
}

/// The recorded pieces through the parser and a writer.
class StreamReplay {
 public:
  StreamReplay(const JsonValue& input, const std::string& api)
      : input_(input),
        call_(read_call(api, *input.find("request"))),
        prompt_(render_api_request(call_.request, Generation::v2026_08)),
        parser_(prompt_.completion),
        stop_(call_.stops) {
    ReplyIdentity identity;
    identity.id = "ID";
    identity.created = 1700000000;
    identity.model = call_.model;
    identity.fingerprint = "fp";
    identity.extensions = false;
    identity.call_suffix = [](int64_t) { return "X"; };
    identity.token_bytes = [](int32_t) { return ""; };
    const bool thinking = prompt_.completion.start == CompletionOptions::Start::reasoning;
    writer_ = api == "messages"    ? make_messages_writer(call_, identity)
              : api == "responses" ? make_responses_writer(call_, identity)
                                   : make_chat_writer(call_, identity, thinking);
  }

  JsonValue run() {
    read_usage();
    writer_->start(usage_, events_);
    const JsonValue* deltas = input_.find("deltas");
    const JsonValue* ids = input_.find("ids");
    const size_t count = deltas && deltas->as_array() ? deltas->as_array()->size() : 0;
    for (size_t i = 0; i < count && !stop_.matched(); ++i) {
      const JsonValue& delta = (*deltas->as_array())[i];
      const std::string bytes =
          delta.as_string() ? *delta.as_string() : bytes_of_hex(word(delta.find("hex")));
      const bool counted = ids && ids->as_array() && i < ids->as_array()->size();
      const int64_t tokens = counted ? std::ssize(*(*ids->as_array())[i].as_array()) : 1;
      usage_.completion += tokens;
      if (reasons_) usage_.reasoning += tokens;
      for (CompletionEvent& e : parser_.feed(utf8_.push(bytes))) pass(std::move(e));
    }
    return finish();
  }

 private:
  void read_usage() {
    const JsonValue* usage = input_.find("usage");
    if (usage && usage->as_array() && usage->as_array()->size() == 2) {
      usage_.prompt = whole_number((*usage->as_array())[0]);
      usage_.cached = whole_number((*usage->as_array())[1]);
    }
    reasons_ = prompt_.completion.start == CompletionOptions::Start::reasoning;
  }

  void pass(CompletionEvent e) {
    using Kind = CompletionEvent::Kind;
    if (e.kind != Kind::reasoning) reasons_ = false;
    if (stop_.matched()) return;
    if (e.kind == Kind::content) {
      e.text = stop_.push(e.text);
    } else if (e.kind == Kind::call_start) {
      write_held();
    }
    writer_->event({std::move(e), {}}, events_);
  }
  void write_held() {
    if (const std::string held = stop_.finish(); !held.empty())
      writer_->event({{CompletionEvent::Kind::content, held}, {}}, events_);
  }

  JsonValue finish() {
    const JsonValue* reason = input_.find("finish");
    for (CompletionEvent& e : parser_.feed(utf8_.finish())) pass(std::move(e));
    if (!reason || reason->is_null()) {
      writer_->failure(ApiError(500, "internal_error", "the stream ended without a reason"), events_);
    } else {
      const bool cut = word(reason) != "stop";
      for (CompletionEvent& e : parser_.finish(cut)) pass(std::move(e));
      write_held();
      AnswerResult result;
      result.stop_string = stop_.matched();
      result.end = cut && !stop_.matched() ? AnswerEnd::length : AnswerEnd::stop;
      writer_->finish(result, usage_, events_);
    }
    JsonValue::Array events;
    for (ReplyEvent& event : events_) {
      if (!event.done_mark) events.push_back(std::move(event.data));
    }
    const bool whole = reason && !reason->is_null();
    return JsonValue::Object{{"events", std::move(events)},
                             {"final", whole ? writer_->final() : JsonValue()}};
  }

  const JsonValue& input_;
  ApiCall call_;
  ApiPrompt prompt_;
  CompletionParser parser_;
  StopMatcher stop_;
  Utf8Stream utf8_;
  std::unique_ptr<ReplyWriter> writer_;
  ReplyWriter::Events events_;
  ReplyUsage usage_;
  bool reasons_ = false;
};

ErrorShape shape_of(const std::string& api) {
  return api == "messages" ? ErrorShape::anthropic : ErrorShape::deepseek;
}

}  // namespace

std::string render_request_line(std::string_view line) {
  ErrorShape shape = ErrorShape::deepseek;
  return answered(shape, [&]() -> JsonValue {
    const JsonValue input = parse_json_value(line, JsonDialect::serde);
    const std::string api = word(input.find("api"));
    shape = shape_of(api);
    const JsonValue* raw = input.find("raw");
    const JsonValue* request = input.find("request");
    if (!raw && !request) bad_input("line: expected request or raw, found neither");
    const ApiCall call = read_call(api, raw ? read_body(word(raw)) : *request);
    const ApiPrompt prompt = render_api_request(call.request, Generation::v2026_08);
    return JsonValue::Object{{"prompt", prompt.prompt.joined()}, {"special", special_ranges(prompt.prompt)}};
  });
}

std::string parse_stream_line(std::string_view line) {
  ErrorShape shape = ErrorShape::deepseek;
  return answered(shape, [&]() -> JsonValue {
    const JsonValue input = parse_json_value(line, JsonDialect::python);
    const std::string api = word(input.find("api"));
    shape = shape_of(api);
    if (!input.find("request")) bad_input("line: expected request, found nothing");
    return StreamReplay(input, api).run();
  });
}

}  // namespace fathom::server
