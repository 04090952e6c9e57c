// Idempotency-Key: readers that come late get the answer from its start, one answer is made, and it runs on
// for a while when its readers have gone.
#include "server/service/idempotency.h"

#include <doctest/doctest.h>

#include <atomic>

#include "server/api/api_error.h"

using namespace fathom;
using namespace std::chrono_literals;
using server::Idempotency;
using server::IdempotencyOptions;
using server::ReplySource;

namespace {

struct Made final : ReplySource {
  explicit Made(bool is_stream) : stream(is_stream) {}
  bool streams() const override { return stream; }
  void notify(std::function<void()> callback) override { ready = std::move(callback); }
  Piece take() override {
    const std::lock_guard lock(mutex);
    return {stream ? std::exchange(pending, {}) : std::string(), ended, broken};
  }
  server::HttpReply whole() override {
    server::HttpReply reply;
    reply.body = "whole";
    return reply;
  }
  std::string keep_alive() override { return ": alive\n\n"; }
  void abandon() override { abandoned = true; }
  void say(const std::string& text, bool end = false, bool is_broken = false) {
    {
      const std::lock_guard lock(mutex);
      pending += text;
      ended = end;
      broken = is_broken;
    }
    ready();
  }
  std::mutex mutex;
  bool stream, ended = false, broken = false;
  std::string pending = "first ";
  std::function<void()> ready;
  std::atomic<bool> abandoned = false;
};

bool becomes_true(const std::atomic<bool>& flag) {
  for (int i = 0; i < 1000 && !flag; ++i) std::this_thread::sleep_for(10ms);
  return flag;
}

}  // namespace

TEST_CASE("late readers get the answer from its start") {
  Idempotency store;
  CHECK(store.find("k", "digest") == nullptr);
  const auto made = std::make_shared<Made>(true);
  const auto reader = store.keep("k", made);
  int rings = 0;
  reader->notify([&] { ++rings; });
  CHECK(reader->take().data == "first ");
  made->say("second ");
  CHECK(rings == 1);
  CHECK(reader->take().data == "second ");
  const auto late = store.find("k", "digest");
  REQUIRE(late);
  CHECK(late->take().data == "first second ");
  CHECK(late->keep_alive() == ": alive\n\n");
  made->say("third", true);
  const auto piece = late->take();
  CHECK(piece.data == "third");
  CHECK(piece.end);
  CHECK_FALSE(piece.broken);
  CHECK(store.find("k", "digest")->take().data == "first second third");
  CHECK_THROWS_AS(store.find("k", "another"), server::ApiError);
  CHECK(store.find("another", "digest") == nullptr);
  store.forget("another");
}

TEST_CASE("a body that comes whole is the same for all") {
  Idempotency store;
  CHECK(store.find("k", "digest") == nullptr);
  const auto made = std::make_shared<Made>(false);
  const auto reader = store.keep("k", made);
  const auto other = store.find("k", "digest");
  CHECK_FALSE(other->take().end);
  made->say("", true);
  CHECK(reader->take().end);
  CHECK(other->take().end);
  CHECK(reader->whole().body == "whole");
  CHECK(other->whole().body == "whole");
}

TEST_CASE("an answer that failed is made anew, one that was refused as well") {
  Idempotency store;
  CHECK(store.find("k", "digest") == nullptr);
  const auto made = std::make_shared<Made>(true);
  const auto reader = store.keep("k", made);
  made->say("x", true, true);
  const ReplySource::Piece last = reader->take();
  CHECK(last.broken);
  CHECK_FALSE(last.cut);  // the answer said itself what went wrong
  CHECK(store.find("k", "digest") == nullptr);
  store.forget("k");
  CHECK(store.find("k", "another digest") == nullptr);
  store.forget("k");
}

TEST_CASE("who comes while the first request is being read waits for it") {
  Idempotency store;
  CHECK(store.find("k", "digest") == nullptr);
  std::shared_ptr<ReplySource> second;
  std::thread waiting([&] { second = store.find("k", "digest"); });
  std::this_thread::sleep_for(20ms);
  const auto reader = store.keep("k", std::make_shared<Made>(true));
  waiting.join();
  REQUIRE(second);
  CHECK(second->take().data == "first ");
}

TEST_CASE("an answer runs on without readers for a while, and is kept for a while") {
  IdempotencyOptions options;
  options.linger = 40ms;
  options.lifetime = 40ms;
  Idempotency store(options);
  CHECK(store.find("k", "digest") == nullptr);
  const auto made = std::make_shared<Made>(true);
  auto reader = store.keep("k", made);
  std::this_thread::sleep_for(100ms);
  CHECK_FALSE(made->abandoned);
  reader->abandon();
  CHECK(becomes_true(made->abandoned));

  CHECK(store.find("old", "digest") == nullptr);
  const auto old = std::make_shared<Made>(true);
  reader = store.keep("old", old);
  old->say("", true);
  bool gone = false;
  for (int i = 0; i < 1000 && !gone; ++i) {
    std::this_thread::sleep_for(10ms);
    gone = store.find("old", "digest") == nullptr;
  }
  CHECK(gone);
}

TEST_CASE("an answer without end is cut off") {
  IdempotencyOptions options;
  options.answer_bytes = 100;
  Idempotency store(options);
  CHECK(store.find("k", "digest") == nullptr);
  const auto made = std::make_shared<Made>(true);
  const auto reader = store.keep("k", made);
  made->say(std::string(200, 'x'));
  CHECK(made->abandoned);
  const ReplySource::Piece last = reader->take();
  CHECK(last.broken);
  CHECK(last.cut);
}
