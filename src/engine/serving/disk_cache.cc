#include "engine/serving/disk_cache.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <cstring>
#include <deque>
#include <mutex>
#include <optional>
#include <thread>
#include <unordered_map>

#include "base/error.h"
#include "engine/serving/disk_cache_file.h"
#include "engine/serving/stale_folders.h"

namespace fathom {
namespace {

using Clock = std::chrono::steady_clock;

// After a failed write nothing is written for so long: a full disk is not tried at every answer.
constexpr auto kPause = std::chrono::seconds(10);
constexpr auto kLogPause = std::chrono::seconds(60);

int64_t now_nanoseconds() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(
             std::chrono::system_clock::now().time_since_epoch())
      .count();
}

void make_folder(const std::filesystem::path& folder) {
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  if (error || !std::filesystem::is_directory(folder))
    fail(ErrorCode::io, "{}: expected a folder for the cache, found: {}", printable(folder.string(), 400),
         error ? error.message() : "something else");
  if (::access(folder.c_str(), R_OK | W_OK | X_OK) != 0)
    fail(ErrorCode::io, "{}: expected a folder that can be written to, found: {}",
         printable(folder.string(), 400), std::strerror(errno));
}

// Positions that truncate() can cut to, ascending.
std::vector<int64_t> held_positions(const KvState& state) {
  std::vector<int64_t> held;
  for (int64_t p = state.held(state.position()); p > 0; p = state.held(p - 1)) held.push_back(p);
  std::ranges::reverse(held);
  return held;
}

}  // namespace

struct DiskCache::State {
  DiskCacheOptions options;

  mutable std::mutex mutex;  // guards all below
  std::condition_variable changed;
  PageIndex index;
  std::unordered_map<const PageIndex::Item*, std::shared_ptr<Entry>> entries;
  DiskCacheStats stats;
  struct Work {
    std::shared_ptr<Entry> entry;
    std::vector<std::byte> bytes;
  };
  std::deque<Work> work;
  int64_t waiting_bytes = 0, number = 0;
  bool writing = false, stop = false;
  Clock::time_point paused_until{}, next_log{};
  std::thread thread;
  std::optional<FolderClaim> claim;
  std::optional<StaleFolders> stale;

  // With the mutex held.
  void add(const std::shared_ptr<Entry>& entry) {
    entries[entry.get()] = entry;
    index.add(*entry);
    stats.bytes += entry->bytes;
    ++stats.entries;
  }
  void drop(const Entry& entry) {
    const auto found = entries.find(&entry);
    if (found == entries.end()) return;
    const std::shared_ptr<Entry> kept = found->second;
    entries.erase(found);
    index.remove(*kept);
    stats.bytes -= kept->bytes;
    --stats.entries;
    ::unlink(kept->path.c_str());
  }
  bool make_room(int64_t size) {
    while (stats.bytes + size + (stale ? stale->bytes() : 0) > options.max_bytes) {
      if (stale && stale->remove_oldest()) continue;
      std::shared_ptr<Entry> oldest;
      for (const auto& [item, entry] : entries) {
        if (entry.use_count() == 1 && (!oldest || entry->last_used < oldest->last_used)) oldest = entry;
      }
      if (!oldest) return false;
      drop(*oldest);
      ++stats.evictions;
    }
    return true;
  }
  void say(std::unique_lock<std::mutex>& lock, const std::string& text) {
    if (!options.log || Clock::now() < next_log) return;
    next_log = Clock::now() + kLogPause;
    lock.unlock();
    options.log(text);
    lock.lock();
  }

  void open();
  void write(std::unique_lock<std::mutex>& lock, Work item);
  void run();
};

void DiskCache::State::open() {
  if (options.has_siblings) {
    claim.emplace(options.folder);
    stale.emplace(options.folder);
  }
  std::error_code error;
  for (const auto& file : std::filesystem::directory_iterator(options.folder, error)) {
    const std::filesystem::path& path = file.path();
    if (path.extension() == ".part") ::unlink(path.c_str());  // a process ended while it wrote
    if (path.extension() != ".state") continue;
    std::string identity;
    std::optional<Entry> entry = read_cache_header(path, identity);
    if (!entry || identity != options.identity) {
      // Of another model or build: of no use to this one, and nobody else counts its bytes.
      if (!entry) ++stats.damaged;
      ::unlink(path.c_str());
      continue;
    }
    add(std::make_shared<Entry>(std::move(*entry)));
  }
  if (error)
    fail(ErrorCode::io, "{}: expected to list the folder, found: {}", printable(options.folder.string(), 400),
         error.message());
  number = now_nanoseconds();
  make_room(0);
}

void DiskCache::State::write(std::unique_lock<std::mutex>& lock, Work item) {
  Entry& entry = *item.entry;
  std::memcpy(&entry.state_sum, item.bytes.data() + item.bytes.size() - 8, 8);
  const std::string header = cache_header(entry, options.identity, std::ssize(item.bytes));
  if (index.find_equal(entry.scope, entry.ids) || Clock::now() < paused_until || !make_room(entry.bytes))
    return;
  entry.path = options.folder / fmt::format("{:016x}.state", ++number);
  std::string failure;
  lock.unlock();
  try {
    write_cache_file(entry.path, header, item.bytes);
  } catch (const Error& error) {
    failure = error.message();
  }
  lock.lock();
  if (failure.empty()) return add(item.entry);
  ++stats.failed_writes;
  paused_until = Clock::now() + kPause;
  say(lock, "cache on disk: " + failure);
}

void DiskCache::State::run() {
  std::unique_lock lock(mutex);
  for (;;) {
    changed.wait(lock, [&] { return stop || !work.empty(); });
    if (work.empty()) return;
    Work item = std::move(work.front());
    work.pop_front();
    const auto size = std::ssize(item.bytes);
    writing = true;
    write(lock, std::move(item));
    writing = false;
    waiting_bytes -= size;
    changed.notify_all();
  }
}

DiskCache::DiskCache(DiskCacheOptions options) : state_(std::make_unique<State>()) {
  state_->options = std::move(options);
  make_folder(state_->options.folder);
  state_->open();
  state_->thread = std::thread([this] { state_->run(); });
}

DiskCache::~DiskCache() {
  {
    const std::lock_guard lock(state_->mutex);
    state_->stop = true;
  }
  state_->changed.notify_all();
  state_->thread.join();
}

DiskCache::Match DiskCache::find(const std::string& scope, std::span<const int32_t> ids,
                                 int64_t limit) const {
  Match match;
  const std::lock_guard lock(state_->mutex);
  state_->index.candidates(scope, ids, [&](PageIndex::Item& item, int64_t common) {
    const auto& entry = static_cast<const Entry&>(item);
    common = std::min(common, limit);
    match.matched = std::max(match.matched, common);
    const auto above = std::ranges::upper_bound(entry.held, common);
    const int64_t held = above == entry.held.begin() ? 0 : *std::prev(above);
    if (held > match.tokens) {
      match.tokens = held;
      match.entry = state_->entries.at(&item);
    }
    return match.tokens;
  });
  return match;
}

bool DiskCache::load(const Entry& entry, KvState& state) {
  const bool good = read_cache_state(entry, state);
  std::unique_lock lock(state_->mutex);
  const auto found = state_->entries.find(&entry);
  if (good) {
    ++state_->stats.hits;
    if (found == state_->entries.end()) return true;
    found->second->last_used = now_nanoseconds();
    ::utimensat(AT_FDCWD, entry.path.c_str(), nullptr, AT_SYMLINK_NOFOLLOW);  // the order outlives us
    return true;
  }
  if (found != state_->entries.end()) {
    ++state_->stats.damaged;
    const std::string path = printable(entry.path.string(), 400);
    state_->drop(entry);
    state_->say(lock, "cache on disk: " + path + ": damaged, is computed again");
  }
  return false;
}

void DiskCache::put(const std::string& scope, std::span<const int32_t> ids, const KvState& state) {
  {
    const std::lock_guard lock(state_->mutex);
    const int64_t size = state.bytes().total();
    if (auto* same = static_cast<Entry*>(state_->index.find_equal(scope, ids))) {
      same->last_used = now_nanoseconds();
      return;
    }
    if (Clock::now() < state_->paused_until || state_->waiting_bytes + size > state_->options.pending_bytes)
      return;
  }
  State::Work work;
  work.entry = std::make_shared<Entry>(PageIndex::Item{scope, {ids.begin(), ids.end()}});
  work.entry->held = held_positions(state);
  work.entry->last_used = now_nanoseconds();
  work.bytes = state.save();
  const std::lock_guard lock(state_->mutex);
  state_->waiting_bytes += std::ssize(work.bytes);
  state_->work.push_back(std::move(work));
  state_->changed.notify_all();
}

void DiskCache::flush() {
  std::unique_lock lock(state_->mutex);
  state_->changed.wait(lock, [&] { return state_->work.empty() && !state_->writing; });
}

DiskCacheStats DiskCache::stats() const {
  const std::lock_guard lock(state_->mutex);
  DiskCacheStats stats = state_->stats;
  return stats;
}

}  // namespace fathom
