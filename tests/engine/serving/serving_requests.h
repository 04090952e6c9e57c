#pragma once
// Requests to the bundled model, and a sink that remembers what came.
#include "engine/chat_setup.h"
#include "engine/serving/engine_thread.h"

namespace fathom::test {

struct Heard : AnswerSink {
  std::string reasoning, content;
  std::vector<TokenLogprobs> logprobs;
  std::optional<AnswerResult> result;
  int64_t steps = 0;  // calls of events()
  std::function<void()> on_events;

  void started(int64_t) override {}
  void prefill(int64_t, int64_t) override {}
  void events(std::vector<AnswerEvent> events) override {
    ++steps;
    for (const AnswerEvent& e : events) {
      if (e.event.kind == CompletionEvent::Kind::content) content += e.event.text;
      if (e.event.kind == CompletionEvent::Kind::reasoning) reasoning += e.event.text;
      logprobs.insert(logprobs.end(), e.logprobs.begin(), e.logprobs.end());
    }
    if (on_events) on_events();
  }
  void done(const AnswerResult& r) override { result = r; }
  /// The result, or an empty one.
  AnswerResult got() const { return result.value_or(AnswerResult{}); }
};

inline const std::filesystem::path kServedFolder = std::filesystem::path(FATHOM_SOURCE_DIR) / "models/v4-10m";

struct Served {
  std::shared_ptr<const Model> model = Model::open(kServedFolder);
  std::shared_ptr<const Tokenizer> tokenizer = Tokenizer::open(kServedFolder);
  Runtime<float> runtime{{}};
  ChatSetup setup =
      read_chat_setup(kServedFolder, model->weights().checkpoint().config_json(), model->config());

  EngineRequest request(const std::string& text, const char* think = "off", int64_t max_tokens = 60) const {
    const ChatPrompt p =
        chat_prompt(*tokenizer, {{Role::user, text}}, parse_think(think, setup.generation), setup.generation);
    EngineRequest r;
    r.prompt = p.ids;
    r.options.sampling.temperature = 0;
    r.options.stop_tokens = setup.stop_tokens;
    r.options.max_tokens = max_tokens;
    r.options.completion.start = p.start;
    r.key = "k";
    return r;
  }
  Scheduler scheduler(const SchedulerOptions& options = {}) { return {*model, runtime, tokenizer, options}; }
  std::shared_ptr<Heard> alone(const EngineRequest& request) {
    Scheduler s = scheduler();
    auto heard = std::make_shared<Heard>();
    s.submit(request, heard, std::make_shared<Ticket>());
    while (s.step()) {
    }
    return heard;
  }
};

inline bool same_bits(const std::vector<TokenLogprobs>& a, const std::vector<TokenLogprobs>& b) {
  const auto equal = [](const TokenLogprob& x, const TokenLogprob& y) {
    return x.id == y.id && x.logprob == y.logprob;
  };
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [&](const auto& x, const auto& y) {
    return equal(x.chosen, y.chosen) &&
           std::equal(x.top.begin(), x.top.end(), y.top.begin(), y.top.end(), equal);
  });
}

}  // namespace fathom::test
