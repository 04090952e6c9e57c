#include "server/service/idempotency.h"

#include <algorithm>
#include <vector>

#include "server/api/api_error.h"

namespace fathom::server {
namespace {

using Clock = std::chrono::steady_clock;

}  // namespace

// An answer as it has come so far, for any number of readers. It is the one reader of its source.
class Idempotency::Log : public std::enable_shared_from_this<Idempotency::Log> {
 public:
  Log(std::shared_ptr<ReplySource> source, size_t most)
      : streams(source->streams()), source_(std::move(source)), most_(most) {}

  void start() {
    source_->notify([weak = weak_from_this()] {
      if (const auto log = weak.lock()) log->pull();
    });
    pull();
  }

  void pull() {
    std::vector<std::function<void()>> ready;
    {
      const std::lock_guard order(pulling_);  // pieces are taken and added in one order
      std::shared_ptr<ReplySource> source;
      {
        const std::lock_guard lock(mutex_);
        source = source_;
      }
      if (!source) return;
      ReplySource::Piece piece = source->take();
      HttpReply whole;
      if (piece.end && !streams) whole = source->whole();
      const std::lock_guard lock(mutex_);
      text_ += piece.data;
      if (text_.size() > most_) {
        source->abandon();
        piece.end = piece.broken = piece.cut = true;
      }
      if (piece.end) {
        whole_ = std::move(whole);
        ended_ = true;
        broken_ = piece.broken;
        cut_ = piece.cut;
        ended_at_ = Clock::now();
        source_.reset();
      }
      for (const auto& [reader, callback] : readers_) {
        if (callback) ready.push_back(callback);
      }
    }
    for (const auto& callback : ready) callback();
  }

  void attach(const Reader* reader) {
    const std::lock_guard lock(mutex_);
    readers_[reader] = nullptr;
  }
  void leave(const Reader* reader) {
    const std::lock_guard lock(mutex_);
    if (readers_.erase(reader) > 0 && readers_.empty()) alone_since_ = Clock::now();
  }
  void notify(const Reader* reader, std::function<void()> ready) {
    const std::lock_guard lock(mutex_);
    const auto found = readers_.find(reader);
    if (found != readers_.end()) found->second = std::move(ready);
  }
  ReplySource::Piece take(size_t& offset) const {
    const std::lock_guard lock(mutex_);
    ReplySource::Piece piece{text_.substr(offset), ended_, broken_, cut_};
    offset = text_.size();
    return piece;
  }
  HttpReply whole() const {
    const std::lock_guard lock(mutex_);
    return whole_;
  }
  std::string keep_alive() const {
    std::shared_ptr<ReplySource> source;
    {
      const std::lock_guard lock(mutex_);
      source = source_;
    }
    return source ? source->keep_alive() : "";
  }

  // Nobody has read for so long: the answer is given up.
  void abandon_if_alone(std::chrono::milliseconds linger) {
    std::shared_ptr<ReplySource> source;
    {
      const std::lock_guard lock(mutex_);
      if (ended_ || !readers_.empty() || Clock::now() - alone_since_ < linger) return;
      source = source_;
    }
    if (source) source->abandon();
  }
  bool failed() const {
    const std::lock_guard lock(mutex_);
    return ended_ && (broken_ || whole_.status != 200);
  }
  bool ended_before(Clock::time_point time) const {
    const std::lock_guard lock(mutex_);
    return ended_ && ended_at_ < time;
  }
  std::pair<Clock::time_point, size_t> ended_at_and_size() const {
    const std::lock_guard lock(mutex_);
    return {ended_ ? ended_at_ : Clock::time_point::max(), text_.size() + whole_.body.size()};
  }

  const bool streams;

 private:
  std::mutex pulling_;
  mutable std::mutex mutex_;  // guards all below
  std::shared_ptr<ReplySource> source_;
  size_t most_;
  std::string text_;
  HttpReply whole_;
  bool ended_ = false, broken_ = false, cut_ = false;
  Clock::time_point ended_at_, alone_since_ = Clock::now();
  std::map<const Reader*, std::function<void()>> readers_;
};

class Idempotency::Reader final : public ReplySource {
 public:
  explicit Reader(std::shared_ptr<Log> log) : log_(std::move(log)) { log_->attach(this); }
  ~Reader() override { log_->leave(this); }
  bool streams() const override { return log_->streams; }
  void notify(std::function<void()> ready) override { log_->notify(this, std::move(ready)); }
  Piece take() override { return log_->take(offset_); }
  HttpReply whole() override { return log_->whole(); }
  std::string keep_alive() override { return log_->keep_alive(); }
  void abandon() override { log_->leave(this); }

 private:
  std::shared_ptr<Log> log_;
  size_t offset_ = 0;
};

Idempotency::Idempotency(const IdempotencyOptions& options)
    : options_(options), sweeper_([this] { sweep(); }) {}

Idempotency::~Idempotency() { stop(); }

void Idempotency::stop() {
  {
    const std::lock_guard lock(mutex_);
    stop_ = true;
  }
  changed_.notify_all();
  if (sweeper_.joinable()) sweeper_.join();
}

std::shared_ptr<ReplySource> Idempotency::find(const std::string& name, const std::string& digest) {
  std::unique_lock lock(mutex_);
  while (true) {
    const auto found = entries_.find(name);
    if (found == entries_.end() || (found->second.log && found->second.log->failed())) {
      entries_[name] = {digest, nullptr};
      return nullptr;
    }
    if (found->second.digest != digest)
      throw ApiError(422, "idempotency_mismatch",
                     "Idempotency-Key: expected the request that it was used for, found another",
                     "Idempotency-Key");
    if (found->second.log) return std::make_shared<Reader>(found->second.log);
    changed_.wait(lock);  // its first request is being read
  }
}

std::shared_ptr<ReplySource> Idempotency::keep(const std::string& name, std::shared_ptr<ReplySource> answer) {
  auto log = std::make_shared<Log>(std::move(answer), options_.answer_bytes);
  auto reader = std::make_shared<Reader>(log);
  log->start();
  {
    const std::lock_guard lock(mutex_);
    entries_.at(name).log = std::move(log);
  }
  changed_.notify_all();
  return reader;
}

void Idempotency::forget(const std::string& name) {
  {
    const std::lock_guard lock(mutex_);
    entries_.erase(name);
  }
  changed_.notify_all();
}

// Finished answers that are too old, or too many. Called with the lock.
void Idempotency::drop_old() {
  const auto limit = Clock::now() - options_.lifetime;
  std::erase_if(entries_, [&](const auto& e) { return e.second.log && e.second.log->ended_before(limit); });
  size_t total = 0;
  std::vector<std::pair<Clock::time_point, std::string>> finished;
  for (const auto& [name, entry] : entries_) {
    if (!entry.log) continue;
    const auto [at, size] = entry.log->ended_at_and_size();
    total += size + 1024;
    if (at != Clock::time_point::max()) finished.emplace_back(at, name);
  }
  if (total <= options_.total_bytes) return;
  std::ranges::sort(finished);
  for (const auto& [at, name] : finished) {
    if (total <= options_.total_bytes) break;
    total -= entries_.at(name).log->ended_at_and_size().second + 1024;
    entries_.erase(name);
  }
}

void Idempotency::sweep() {
  std::unique_lock lock(mutex_);
  const auto pause =
      std::clamp(options_.linger / 4, std::chrono::milliseconds(5), std::chrono::milliseconds(1000));
  while (!stop_) {
    changed_.wait_for(lock, pause, [&] { return stop_; });
    if (stop_) return;
    drop_old();
    std::vector<std::shared_ptr<Log>> logs;
    for (const auto& [name, entry] : entries_) {
      if (entry.log) logs.push_back(entry.log);
    }
    lock.unlock();
    for (const auto& log : logs) log->abandon_if_alone(options_.linger);
    logs.clear();
    lock.lock();
  }
}

}  // namespace fathom::server
