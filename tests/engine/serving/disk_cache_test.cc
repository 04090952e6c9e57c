// States on disk: a restart goes on with the same bits, damage of any kind is a miss, the limit holds, a full
// disk costs entries and no answer.
#include "engine/serving/disk_cache.h"

#include <doctest/doctest.h>
#include <sys/resource.h>

#include <csignal>
#include <fstream>

#include "engine/serving/model_identity.h"
#include "engine/serving/stale_folders.h"
#include "tests/engine/serving/serving_requests.h"
#include "tests/support/read_file.h"
#include "tests/support/temp_folder.h"

using namespace fathom;
using test::Heard;

namespace {

SchedulerOptions with_disk(const std::filesystem::path& folder) {
  SchedulerOptions options;
  options.disk.folder = folder;
  options.disk.identity = "this";
  return options;
}

struct Answer final : Heard {
  int64_t cached = -1;
};

std::shared_ptr<Answer> run(Scheduler& scheduler, EngineRequest request) {
  request.options.logprobs = 2;
  auto heard = std::make_shared<Answer>();
  scheduler.submit(std::move(request), heard, std::make_shared<Ticket>());
  for (int64_t i = 0; i < 100000 && scheduler.step(); ++i) {
  }
  const std::optional<AnswerResult>& result = heard->result;
  if (result && result->outcome == Outcome::finished) heard->cached = result->stats.cached_tokens;
  REQUIRE(heard->cached >= 0);
  return heard;
}

void check_same(const Heard& a, const Heard& b) {
  CHECK(a.content == b.content);
  CHECK(test::same_bits(a.logprobs, b.logprobs));
}

std::vector<std::filesystem::path> files(const std::filesystem::path& folder) {
  std::vector<std::filesystem::path> out;
  for (const auto& file : std::filesystem::directory_iterator(folder)) out.push_back(file.path());
  std::ranges::sort(out);
  return out;
}

void write(const std::filesystem::path& path, const std::string& bytes) {
  std::ofstream(path, std::ios::binary | std::ios::trunc) << bytes;
}

std::string long_text() {
  std::string text = "Sort:";
  for (int64_t i = 0; i < 90; ++i) text += fmt::format(" {}", (i * 7919 + 13) % 1000);
  return text;
}

}  // namespace

TEST_CASE("a restart goes on from the states on disk, with the same bits") {
  test::Served served;
  const test::TempFolder folder;
  const EngineRequest request = served.request(long_text());
  const auto prompt = std::ssize(request.prompt);
  std::shared_ptr<Answer> first, again;
  EngineRequest longer = request;
  {
    Scheduler scheduler = served.scheduler(with_disk(folder.path()));
    first = run(scheduler, request);
    CHECK(first->cached == 0);
  }
  CHECK(files(folder.path()).size() == 2);  // the prompt's end and the answer's
  {
    Scheduler scheduler = served.scheduler(with_disk(folder.path()));
    again = run(scheduler, request);
    CHECK(scheduler.stats().disk.hits == 1);
  }
  CHECK(again->cached == prompt - 1);
  check_same(*first, *again);
  // Another prompt that shares nine tenths: hits wherever the state can be cut.
  longer.prompt.resize(static_cast<size_t>(prompt) - 20);
  longer.prompt.push_back(request.prompt.front());
  Scheduler scheduler = served.scheduler(with_disk(folder.path()));
  const auto other = run(scheduler, longer);
  CHECK(other->cached == prompt - 20);
  check_same(
      *other, *[&] {
        Scheduler fresh = served.scheduler();
        return run(fresh, longer);
      }());
}

TEST_CASE("a hit needs one token, and stays within its scope") {
  test::Served served;
  const test::TempFolder folder;
  EngineRequest request = served.request("Compute 1 + 2.");
  request.cache_scope = "alice";
  {
    Scheduler scheduler = served.scheduler(with_disk(folder.path()));
    run(scheduler, request);
  }
  Scheduler scheduler = served.scheduler(with_disk(folder.path()));
  EngineRequest other = request;
  other.prompt = {request.prompt[0], request.prompt.back(), request.prompt.back()};
  other.cache_scope = "bob";
  CHECK(run(scheduler, other)->cached == 0);
  other.cache_scope = "alice";
  CHECK(run(scheduler, other)->cached == 1);
}

TEST_CASE("damaged files are counted, deleted and never believed") {
  test::Served served;
  const test::TempFolder folder;
  const EngineRequest request = served.request(long_text());
  std::shared_ptr<Answer> expected;
  {
    Scheduler scheduler = served.scheduler(with_disk(folder.path()));
    expected = run(scheduler, request);
  }
  const auto paths = files(folder.path());
  std::vector<std::string> good;
  for (const auto& path : paths) good.push_back(test::read_file(path));
  int64_t found = 0;
  const auto damaged = [&](const auto& damage) {
    for (const auto& path : files(folder.path())) std::filesystem::remove(path);
    for (size_t i = 0; i < paths.size(); ++i) write(paths[i], damage(good[i]));
    Scheduler scheduler = served.scheduler(with_disk(folder.path()));
    const auto heard = run(scheduler, request);
    check_same(*expected, *heard);
    found += scheduler.stats().disk.damaged;
    CHECK(scheduler.stats().disk.damaged > 0);
  };
  for (const double at : {0.0, 0.0001, 0.01, 0.3, 0.7, 0.999999}) {
    CAPTURE(at);
    damaged([&](std::string bytes) {
      bytes[static_cast<size_t>(at * static_cast<double>(bytes.size()))] ^= 4;
      return bytes;
    });
    damaged([&](const std::string& bytes) {
      return bytes.substr(0, static_cast<size_t>(at * static_cast<double>(bytes.size())));
    });
  }
  damaged([](const std::string& bytes) { return bytes + "x"; });
  damaged([](const std::string& bytes) { return std::string(bytes.size(), '\0'); });
  damaged([](const std::string& bytes) { return std::string(bytes.size(), '\xFF'); });
  CHECK(found >= 15);
  // The state of one file under the header of the other.
  for (const auto& path : files(folder.path())) std::filesystem::remove(path);
  for (size_t i = 0; i < 2; ++i) {
    const std::string& header_of = good[i];
    const std::string& state_of = good[1 - i];
    const auto header = [](const std::string& bytes) {
      uint64_t size = 0;
      std::memcpy(&size, bytes.data() + 8, 8);
      return static_cast<size_t>(size) + 24;
    };
    write(paths[i], header_of.substr(0, header(header_of)) + state_of.substr(header(state_of)));
  }
  Scheduler scheduler = served.scheduler(with_disk(folder.path()));
  check_same(*expected, *run(scheduler, request));
  CHECK(scheduler.stats().disk.damaged > 0);
}

TEST_CASE("files of another model and what a crash left behind are removed") {
  test::Served served;
  const test::TempFolder folder;
  const EngineRequest request = served.request("Compute 1 + 2.");
  {
    Scheduler scheduler = served.scheduler(with_disk(folder.path()));
    run(scheduler, request);
  }
  folder.write("0123.state.part", "half");
  folder.write("notes.txt", "not ours");
  SchedulerOptions options = with_disk(folder.path());
  options.disk.identity = "other";
  Scheduler scheduler = served.scheduler(options);
  CHECK(folder.names() == std::vector<std::string>{"notes.txt"});
  CHECK(scheduler.stats().disk.entries == 0);
  CHECK(scheduler.stats().disk.damaged == 0);
}

TEST_CASE("folders of other builds count and go first, but those in use and those that are not ours stay") {
  test::Served served;
  const test::TempFolder root;
  const auto other = [&](const char* name, const char* file, int64_t size) {
    const std::filesystem::path folder = root.path() / name;
    std::filesystem::create_directory(folder);
    std::ofstream(folder / file) << std::string(static_cast<size_t>(size), 'x');
    return folder;
  };
  SchedulerOptions options = with_disk(root.path() / "own");
  options.disk.has_siblings = true;
  const auto stale = other("older", "1.state", 5000), used = other("used", "2.state", 5000),
             foreign = other("foreign", "notes.txt", 5000);
  {
    Scheduler scheduler = served.scheduler(options);
    run(scheduler, served.request("Compute 1 + 2."));
  }
  CHECK(std::filesystem::exists(stale));  // there is room for all
  const FolderClaim claim(used);
  options.disk.max_bytes = 4000;
  Scheduler scheduler = served.scheduler(options);
  CHECK_FALSE(std::filesystem::exists(stale));
  CHECK(std::filesystem::exists(used / "2.state"));
  CHECK(std::filesystem::exists(foreign / "notes.txt"));
}

TEST_CASE("the limit holds, what was used longest ago goes, what is about to be used stays") {
  test::Served served;
  const test::TempFolder folder;
  DiskCacheOptions options;
  options.folder = folder.path();
  options.identity = "this";
  const auto ids = [](int32_t first) { return std::vector<int32_t>{first, 2, 3, 4}; };
  const auto state = [&](int32_t first) {
    KvState s = served.model->new_state(served.runtime.numerics());
    Context<float> ctx = served.runtime.context(served.model->config());
    const ArenaScope scope(ctx.arena());
    Batch batch;
    const auto tokens = ids(first);
    batch.add(s, tokens, LogitRows::none);
    served.model->forward(ctx, batch);
    return s;
  };
  {
    DiskCache cache(options);
    cache.put("", ids(1), state(1));
    cache.flush();
    options.max_bytes = 3 * cache.stats().bytes + 10;
  }
  DiskCache cache(options);
  for (const int32_t first : {5, 6}) cache.put("", ids(first), state(first));
  cache.flush();
  CHECK(cache.stats().entries == 3);
  auto reserved = cache.find("", ids(1), 4);  // the oldest
  REQUIRE(reserved.entry);
  CHECK(reserved.tokens == 4);
  cache.put("", ids(7), state(7));
  cache.flush();
  CHECK(cache.stats().entries == 3);
  CHECK(cache.stats().evictions == 1);
  CHECK(cache.find("", ids(5), 4).tokens == 0);
  KvState read = served.model->new_state(served.runtime.numerics());
  CHECK(cache.load(*reserved.entry, read));
  CHECK(read.position() == 4);
  CHECK(read.save() == state(1).save());
  reserved = {};
  for (const int32_t first : {8, 9, 10}) cache.put("", ids(first), state(first));
  cache.flush();
  CHECK(cache.stats().entries == 3);
  CHECK(cache.find("", ids(1), 4).tokens == 0);
  CHECK(cache.stats().bytes <= options.max_bytes);
}

TEST_CASE("a disk that is full costs entries and no answer") {
  test::Served served;
  const test::TempFolder folder;
  rlimit old{};
  REQUIRE(getrlimit(RLIMIT_FSIZE, &old) == 0);
  const auto old_handler = std::signal(SIGXFSZ, SIG_IGN);
  std::vector<std::string> said;
  {
    SchedulerOptions options = with_disk(folder.path());
    options.disk.log = [&](const std::string& text) { said.push_back(text); };
    Scheduler scheduler = served.scheduler(options);
    const rlimit small{4096, old.rlim_max};
    REQUIRE(setrlimit(RLIMIT_FSIZE, &small) == 0);
    const auto heard = run(scheduler, served.request(long_text()));
    check_same(
        *heard, *[&] {
          Scheduler fresh = served.scheduler();
          return run(fresh, served.request(long_text()));
        }());
  }
  REQUIRE(setrlimit(RLIMIT_FSIZE, &old) == 0);
  std::signal(SIGXFSZ, old_handler);
  CHECK(folder.names().empty());
  REQUIRE(said.size() == 1);
  CHECK(said[0].find("cache on disk: ") == 0);
}

TEST_CASE("another model or arithmetic is another identity") {
  test::Served served;
  const std::string own = model_identity(*served.model, served.runtime);
  CHECK(own.size() > 32);
  CHECK(own == model_identity(*Model::open(test::kServedFolder), served.runtime));
  RuntimeOptions options;
  options.numerics = Numerics::exact();
  Runtime<float> exact(options);
  const bool same = exact.numerics().mode == served.runtime.numerics().mode;
  CHECK((model_identity(*served.model, exact) == own) == same);
  // One bit of one weight.
  const test::TempFolder folder;
  for (const char* name : {"config.json", "tokenizer.json", "model.safetensors"})
    std::filesystem::copy_file(test::kServedFolder / name, folder / name);
  std::string bytes = test::read_file(folder / "model.safetensors");
  bytes[bytes.size() - 1000] ^= 1;
  write(folder / "model.safetensors", bytes);
  CHECK(model_identity(*Model::open(folder.path()), served.runtime) != own);
}
