#include "server/serving_bench.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <condition_variable>
#include <mutex>
#include <thread>

#include "base/error.h"
#include "engine/bench/environment.h"
#include "engine/bench/rounds.h"
#include "engine/chat_setup.h"
#include "engine/sampler.h"
#include "server/http/listener.h"
#include "server/service/keys.h"
#include "server/service/ledger.h"
#include "server/service/service.h"

namespace fathom {
namespace {

constexpr int64_t kAnswers = 16;
constexpr const char* kName = "bench";

double cpu_seconds(clockid_t clock) {
  timespec t{};
  clock_gettime(clock, &t);
  return static_cast<double>(t.tv_sec) + 1e-9 * static_cast<double>(t.tv_nsec);
}

int connect_loopback(uint16_t port) {
  const int fd = ::socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (fd < 0 || ::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0)
    fail(ErrorCode::io, "bench serving: expected a connection to its own server, found none");
  return fd;
}

void send_all(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t sent = ::send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent <= 0) fail(ErrorCode::io, "bench serving: expected to send a request, found it refused");
    bytes.remove_prefix(static_cast<size_t>(sent));
  }
}

// What the answers are to. Every round has its own, so that none is in the cache.
std::string question(int64_t round, int64_t number) {
  return fmt::format(
      "{} {} is where a story of {} sailors and their {} ships begins. Write down what happened.",
      round * 977 + number, number, number * 7 + 3, round + 2);
}

std::vector<int32_t> prompt_of(const Tokenizer& tokenizer, const ChatSetup& setup, const std::string& text) {
  ThinkingSetting thinking;
  thinking.mode = ThinkingMode::chat;
  return chat_prompt(tokenizer, {{Role::user, text}}, thinking, setup.generation).ids;
}

// Counts what has ended.
class Countdown {
 public:
  explicit Countdown(int64_t left) : left_(left) {}
  void one() {
    const std::lock_guard lock(mutex_);
    if (--left_ == 0) changed_.notify_all();
  }
  void wait() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return left_ == 0; });
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  int64_t left_;
};

class CountingSink final : public AnswerSink {
 public:
  explicit CountingSink(Countdown& ended) : ended_(ended) {}
  void started(int64_t) override {}
  void prefill(int64_t, int64_t) override {}
  void events(std::vector<AnswerEvent>) override {}
  void done(const AnswerResult& result) override {
    tokens = result.stats.completion_tokens;
    ended_.one();
  }
  int64_t tokens = 0;

 private:
  Countdown& ended_;
};

class Bench {
 public:
  explicit Bench(const bench::Options& options)
      : options_(options),
        tokens_(options.seconds < 0.1 ? 16 : 256),  // of an answer; a look at whether it works needs few
        model_(options.model()),
        tokenizer_(options.tokenizer()),
        runtime_(options.runtime),
        report_{
            .bench = "serving", .model = options.model_name, .environment = bench::environment_of(runtime_)} {
    std::filesystem::path folder = options.model_path;
    if (!std::filesystem::is_directory(folder)) folder = folder.parent_path();
    setup_ = read_chat_setup(folder, model_->weights().checkpoint().config_json(), model_->config());
    setup_.stop_tokens.clear();  // all answers have the same length
    auto served = std::make_unique<server::ServedModel>();
    served->name = kName;
    served->fingerprint = "fp_bench";
    served->model = model_;
    served->tokenizer = tokenizer_;
    served->setup = setup_;
    served->engine = std::make_unique<EngineThread>(model_, std::make_unique<Runtime<float>>(options.runtime),
                                                    tokenizer_, EngineThreadOptions{});
    engine_ = served->engine.get();
    std::vector<std::unique_ptr<server::ServedModel>> models;
    models.push_back(std::move(served));
    service_ =
        std::make_unique<server::Service>(server::ServiceOptions{}, std::move(models), nullptr, nullptr);
    server::ListenerOptions listen;
    listen.port = 0;
    listener_ = std::make_unique<server::Listener>(listen, *service_);
    listener_->start();
  }
  ~Bench() {
    service_->drain();
    service_->cancel_all();
    while (!service_->idle()) std::this_thread::sleep_for(std::chrono::milliseconds(1));
    listener_->stop();
  }

  bench::Report run() {
    struct Way {
      std::string name;
      void (Bench::*run)();
      double cpu = 0;
    };
    std::vector<Way> ways = {{"the engine's own steps", &Bench::by_steps},
                             {"through the scheduler", &Bench::by_scheduler},
                             {"over HTTP, streamed", &Bench::streamed},
                             {"over HTTP, whole", &Bench::whole}};
    std::vector<std::function<void()>> things;
    for (Way& way : ways) {
      things.emplace_back([this, &way] {
        const double before = cpu_seconds(CLOCK_PROCESS_CPUTIME_ID);
        clients_cpu_ = 0;
        (this->*way.run)();
        ++round_;
        const double spent = cpu_seconds(CLOCK_PROCESS_CPUTIME_ID) - before - clients_cpu_;
        if (way.cpu == 0 || spent < way.cpu) way.cpu = spent;
      });
    }
    const auto rounds = bench::interleaved(things, options_.seconds, options_.poll());
    const auto all = static_cast<double>(kAnswers * tokens_);
    for (size_t i = 0; i < ways.size(); ++i) {
      bench::Figure f{fmt::format("{} at once, {}", kAnswers, ways[i].name), "tokens/s",
                      all / rounds[i].best(), all / rounds[i].median()};
      if (i > 0) {
        f.limit = all / rounds[0].best();
        f.limit_name = ways[0].name;
        f.goal = 0.95;
      }
      report_.figures.push_back(std::move(f));
    }
    for (size_t i = 0; i < ways.size(); ++i) {
      const double each = ways[i].cpu / all * 1e6;
      bench::Figure f{"CPU time a token, " + ways[i].name, "us", each, each};
      if (i > 0) {
        f.limit = ways[0].cpu / all * 1e6;
        f.limit_name = ways[0].name;
      }
      report_.figures.push_back(std::move(f));
    }
    report_.notes.push_back(
        fmt::format("{} tokens each after prompts of {}, greedy; prompts and connections counted in", tokens_,
                    prompt_of(*tokenizer_, setup_, question(0, 0)).size()));
    report_.notes.emplace_back(
        "server, engine and the clients share the machine; CPU time is without the clients'");
    report_.environment.idle_share = watch_.idle_share();
    return std::move(report_);
  }

 private:
  std::vector<int32_t> prompt(int64_t number) const {
    return prompt_of(*tokenizer_, setup_, question(round_, number));
  }

  void by_steps() {
    Context<float> ctx = runtime_.context(model_->config());
    std::vector<KvState> states;
    std::vector<std::vector<int32_t>> ids;
    for (int64_t s = 0; s < kAnswers; ++s) {
      states.push_back(model_->new_state(runtime_.numerics()));
      ids.push_back(prompt(s));
    }
    for (int64_t step = 0; step < tokens_; ++step) {
      const ArenaScope scope(ctx.arena());
      Batch batch;
      for (size_t s = 0; s < states.size(); ++s) batch.add(states[s], ids[s], LogitRows::last);
      const Mat<float> logits = model_->forward(ctx, batch).logits;
      for (size_t s = 0; s < ids.size(); ++s)
        ids[s] = {arg_max({logits.row(static_cast<int64_t>(s)), static_cast<size_t>(logits.cols)})};
    }
  }

  void by_scheduler() {
    Countdown ended(kAnswers);
    std::vector<std::shared_ptr<CountingSink>> sinks;
    for (int64_t s = 0; s < kAnswers; ++s) {
      EngineRequest request;
      request.prompt = prompt(s);
      request.options.sampling.temperature = 0;
      request.options.max_tokens = tokens_;
      sinks.push_back(std::make_shared<CountingSink>(ended));
      const auto admitted = engine_->submit(std::move(request), sinks.back(), std::make_shared<Ticket>());
      FATHOM_CHECK(admitted == EngineThread::Admission::accepted);
    }
    ended.wait();
    for (const auto& sink : sinks) expect_tokens(sink->tokens);
  }

  void streamed() { over_http(true); }
  void whole() { over_http(false); }

  // One thread is all clients: it should take as little of the machine as it can.
  void over_http(bool stream) {
    const double before = cpu_seconds(CLOCK_THREAD_CPUTIME_ID);
    std::vector<pollfd> peers;
    std::vector<std::string> texts(kAnswers);
    for (int64_t s = 0; s < kAnswers; ++s) {
      const int fd = connect_loopback(listener_->port());
      peers.push_back({fd, POLLIN, 0});
      const std::string body = fmt::format(
          R"({{"model":"{}","messages":[{{"role":"user","content":"{}"}}],"thinking":{{"type":"disabled"}},)"
          R"("temperature":0,"max_tokens":{},"stream":{}}})",
          kName, question(round_, s), tokens_, stream);
      const std::string head = fmt::format(
          "POST /v1/chat/completions HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n"
          "Content-Type: application/json\r\nContent-Length: {}\r\n\r\n",
          body.size());
      send_all(fd, head + body);
    }
    int64_t open = kAnswers;
    std::string buffer(1 << 16, '\0');
    while (open > 0) {
      if (::poll(peers.data(), peers.size(), 60'000) <= 0)
        fail(ErrorCode::io, "bench serving: expected answers, found none for a minute");
      for (size_t s = 0; s < peers.size(); ++s) {
        if (peers[s].revents == 0) continue;
        const ssize_t got = ::recv(peers[s].fd, buffer.data(), buffer.size(), 0);
        if (got > 0) {
          texts[s].append(buffer.data(), static_cast<size_t>(got));
        } else {
          ::close(peers[s].fd);
          peers[s].fd = -1;  // poll leaves it out
          --open;
        }
      }
    }
    clients_cpu_ = cpu_seconds(CLOCK_THREAD_CPUTIME_ID) - before;
    for (const std::string& text : texts) {
      constexpr std::string_view kCount = "\"completion_tokens\":";
      const size_t at = text.rfind(kCount);
      expect_tokens(at == std::string::npos ? 0 : std::atoll(text.c_str() + at + kCount.size()));
    }
  }

  void expect_tokens(int64_t found) const {
    if (found != tokens_)
      fail(ErrorCode::internal, "bench serving: expected answers of {} tokens, found {}", tokens_, found);
  }

  bench::Options options_;
  int64_t tokens_;
  bench::Watch watch_;
  std::shared_ptr<const Model> model_;
  std::shared_ptr<const Tokenizer> tokenizer_;
  Runtime<float> runtime_;
  bench::Report report_;
  ChatSetup setup_;
  EngineThread* engine_ = nullptr;
  std::unique_ptr<server::Service> service_;
  std::unique_ptr<server::Listener> listener_;
  int64_t round_ = 0;
  double clients_cpu_ = 0;
};

}  // namespace

bench::Report serving_bench(const bench::Options& options) { return Bench(options).run(); }

}  // namespace fathom
