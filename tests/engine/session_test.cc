// Sessions and answers on the bundled model: cutting, forking, saving and interrupting never change a bit.
#include <doctest/doctest.h>

#include "base/error.h"
#include "engine/chat_setup.h"
#include "engine/generate.h"
#include "tests/support/temp_folder.h"

using namespace fathom;

namespace {

const std::filesystem::path kFolder = std::filesystem::path(FATHOM_SOURCE_DIR) / "models/v4-10m";

struct Fixture {
  std::shared_ptr<const Model> model = Model::open(kFolder);
  std::shared_ptr<const Tokenizer> tokenizer = Tokenizer::open(kFolder);
  Runtime<float> runtime{{}};
  ChatSetup setup = read_chat_setup(kFolder, model->weights().checkpoint().config_json(), model->config());

  ChatPrompt prompt(const std::string& text, const char* think = "off") const {
    return chat_prompt(*tokenizer, {{Role::user, text}}, parse_think(think, setup.generation),
                       setup.generation);
  }
  GenerateOptions options(const ChatPrompt& p, int64_t max_tokens = 200) const {
    GenerateOptions o;
    o.sampling = setup.sampling;
    o.max_tokens = max_tokens;
    o.stop_tokens = setup.stop_tokens;
    o.completion.start = p.start;
    return o;
  }
};

std::vector<float> copy(std::span<const float> v) { return {v.begin(), v.end()}; }

std::vector<int32_t> some_tokens(int64_t count, int32_t vocab) {
  std::vector<int32_t> ids;
  for (int64_t i = 0; i < count; ++i) ids.push_back(static_cast<int32_t>((i * 7919 + 13) % (vocab - 20)));
  return ids;
}

}  // namespace

TEST_CASE("both modes answer") {
  const Fixture f;
  for (const char* think : {"off", "high"}) {
    Session session(*f.model, const_cast<Fixture&>(f).runtime);
    const ChatPrompt p = f.prompt("Compute 123 + 456.", think);
    std::string streamed, reasoning;
    GenerateEvents events;
    events.event = [&](const CompletionEvent& e) {
      if (e.kind == CompletionEvent::Kind::content) streamed += e.text;
      if (e.kind == CompletionEvent::Kind::reasoning) reasoning += e.text;
    };
    const GenerateResult r = generate(session, f.tokenizer, p.ids, f.options(p), events);
    CHECK(r.completion.content == "579");
    CHECK(streamed == "579");
    CHECK(reasoning == r.completion.reasoning_content);
    CHECK(reasoning.empty() == (std::string(think) == "off"));
    CHECK(r.finish == FinishReason::stop);
    CHECK(r.ids.back() == f.setup.stop_tokens.front());
    CHECK(r.answer_tokens(f.setup.stop_tokens) == static_cast<int64_t>(r.ids.size()) - 1);
  }
}

TEST_CASE("a second prompt reuses the common beginning and gives the bits of a fresh session") {
  Fixture f;
  const ChatPrompt a = f.prompt("Compute 123 + 456."), b = f.prompt("Compute 123 + 457.");
  Session used(*f.model, f.runtime), fresh(*f.model, f.runtime);
  generate(used, f.tokenizer, a.ids, f.options(a));
  const GenerateResult again = generate(used, f.tokenizer, b.ids, f.options(b));
  const GenerateResult first = generate(fresh, f.tokenizer, b.ids, f.options(b));
  CHECK(again.cached_tokens > 0);
  CHECK(again.cached_tokens + again.prompt_tokens == static_cast<int64_t>(b.ids.size()));
  CHECK(again.ids == first.ids);
  CHECK(copy(used.logits()) == copy(fresh.logits()));
}

TEST_CASE("truncate and fork give the bits of a fresh session") {
  Fixture f;
  const auto ids = some_tokens(700, static_cast<int32_t>(f.model->config().vocab_size));
  Session session(*f.model, f.runtime);
  session.feed(ids);
  for (const int64_t p : {699, 640, 636, 600, 511, 256, 17, 1, 0}) {
    CAPTURE(p);
    Session cut = session.fork();
    cut.truncate(p);
    CHECK(cut.position() == p);
    cut.feed(std::span(ids).subspan(static_cast<size_t>(p)));
    CHECK(copy(cut.logits()) == copy(session.logits()));
  }
}

TEST_CASE("save and load") {
  Fixture f;
  const auto ids = some_tokens(300, static_cast<int32_t>(f.model->config().vocab_size));
  Session session(*f.model, f.runtime), other(*f.model, f.runtime);
  session.feed(std::span(ids).first(250));
  const auto saved = session.save();
  other.load(saved);
  session.feed(std::span(ids).subspan(250));
  other.feed(std::span(ids).subspan(250));
  CHECK(copy(other.logits()) == copy(session.logits()));

  const auto before = copy(other.logits());
  for (size_t size = 0; size < saved.size(); size += saved.size() / 37 + 1) {
    CHECK_THROWS_AS(other.load(std::span(saved).first(size)), Error);
  }
  for (size_t at = 0; at < saved.size(); at += saved.size() / 53 + 1) {
    auto broken = saved;
    broken[at] ^= std::byte{0x10};
    // A changed token id may still be one; everything else is under the checksum.
    if (at >= 8 + 250 * 4 || at < 8) CHECK_THROWS_AS(other.load(broken), Error);
  }
}

TEST_CASE("a malformed generation_config.json is refused in one line that names it") {
  const test::TempFolder folder;
  const auto model = Model::open(kFolder);
  const std::string nested = std::string(1'000'000, '[') + std::string(1'000'000, ']');
  for (const std::string& text :
       {std::string("{"), std::string("[]"), std::string(R"({"temperature": "warm"})"),
        std::string(R"({"top_p": 2})"), std::string(R"({"top_k": -1})"),
        std::string(R"({"eos_token_id": [-1]})"), std::string(R"({"eos_token_id": 18446744073709551615})"),
        "{\"temperature\": " + nested + "}", "{\"eos_token_id\": " + nested + "}",
        "{\"unknown\": " + nested + "}"}) {
    folder.write("generation_config.json", text);
    std::string message;
    try {
      read_chat_setup(folder.path(), model->weights().checkpoint().config_json(), model->config());
    } catch (const Error& error) {
      message = error.message();
    }
    CAPTURE(text.substr(0, 60));
    CHECK_MESSAGE(message.find("generation_config.json: ") != std::string::npos, message);
    CHECK(message.size() < 400);
    CHECK(message.find('\n') == std::string::npos);
  }
}

TEST_CASE("an interrupt keeps what there is") {
  Fixture f;
  const ChatPrompt p = f.prompt("Compute 123 + 456.", "high");
  Session session(*f.model, f.runtime, 4);
  GenerateEvents events;
  int steps = 0;
  events.interrupted = [&] { return ++steps > 5; };
  GenerateResult r = generate(session, f.tokenizer, p.ids, f.options(p), events);
  CHECK(r.finish == FinishReason::interrupted);
  CHECK(r.ids.size() == 5);

  Session reading(*f.model, f.runtime, 4);
  events = {};
  events.prefill = [](int64_t done, int64_t) { return done < 8; };
  r = generate(reading, f.tokenizer, p.ids, f.options(p), events);
  CHECK(r.finish == FinishReason::interrupted);
  CHECK(reading.position() == 8);
  CHECK(r.ids.empty());
}

TEST_CASE("length, stop strings and log-probabilities") {
  Fixture f;
  const ChatPrompt p = f.prompt("Compute 123 + 456.");
  Session session(*f.model, f.runtime);
  GenerateOptions o = f.options(p, 2);
  o.logprobs = 3;
  GenerateResult r = generate(session, f.tokenizer, p.ids, o);
  CHECK(r.finish == FinishReason::length);
  REQUIRE(r.ids.size() == 2);
  REQUIRE(r.logprobs.size() == 2);
  CHECK(r.logprobs[0].chosen.id == r.ids[0]);
  CHECK(r.logprobs[0].top.size() == 3);
  CHECK(r.logprobs[0].top[0].id == r.ids[0]);  // greedy

  o = f.options(p);
  o.stops = {"79"};
  r = generate(session, f.tokenizer, p.ids, o);
  CHECK(r.finish == FinishReason::stop);
  CHECK(r.stop_string == "79");
  CHECK(r.completion.content == "5");
}

TEST_CASE("bad input leaves the session as it was") {
  Fixture f;
  const auto ids = some_tokens(100, static_cast<int32_t>(f.model->config().vocab_size));
  Session session(*f.model, f.runtime), fresh(*f.model, f.runtime);
  session.feed(ids);
  std::vector<int32_t> bad = {1, 2, static_cast<int32_t>(f.model->config().vocab_size)};
  CHECK_THROWS_AS(session.feed(bad), Error);
  CHECK(session.position() == 100);
  session.feed(std::span(ids).first(10));
  fresh.feed(ids);
  fresh.feed(std::span(ids).first(10));
  CHECK(copy(session.logits()) == copy(fresh.logits()));
  const std::vector<int32_t> none;
  CHECK_THROWS_AS(generate(session, f.tokenizer, none, GenerateOptions{}), Error);
}
