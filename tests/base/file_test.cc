#include "base/file.h"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstring>

#include "base/error.h"
#include "tests/support/temp_folder.h"

namespace fathom {
namespace {

ErrorCode code_of(auto&& f, const std::string& path) {
  try {
    f();
  } catch (const Error& e) {
    CHECK(e.message().find(path) != std::string::npos);
    return e.code();
  }
  FAIL("no error");
  return ErrorCode::internal;
}

TEST_CASE("MappedFile shows a file's bytes, also none, and survives a move") {
  const test::TempFolder folder;
  const auto path = folder.write("a", std::string("ab\0cd", 5));
  MappedFile file(path);
  CHECK(file.size() == 5);
  CHECK(std::memcmp(file.data(), "ab\0cd", 5) == 0);
  CHECK(file.path() == path.string());
  file.advise(0, 5, MappedFile::Advice::will_need);
  file.advise(4, 1'000'000, MappedFile::Advice::random);
  file.advise(-1, 5, MappedFile::Advice::normal);
  MappedFile moved(std::move(file));
  CHECK(moved.size() == 5);
  MappedFile empty(folder.write("empty", ""));
  CHECK(empty.size() == 0);
  empty.advise(0, 1, MappedFile::Advice::sequential);
  empty = std::move(moved);
  CHECK(std::memcmp(empty.data(), "ab\0cd", 5) == 0);
}

TEST_CASE("what is no readable file is an error that names it") {
  const test::TempFolder folder;
  const std::string none = (folder / "none").string(), fifo = (folder / "fifo").string();
  CHECK(code_of([&] { MappedFile file(none); }, none) == ErrorCode::not_found);
  CHECK(code_of([&] { MappedFile file(folder.path()); }, folder.path().string()) == ErrorCode::io);
  REQUIRE(::mkfifo(fifo.c_str(), 0600) == 0);
  CHECK(code_of([&] { MappedFile file(fifo); }, fifo) == ErrorCode::io);
  CHECK(code_of([&] { read_text(none, 10); }, none) == ErrorCode::not_found);
  const auto path = folder.write("a", "12345");
  CHECK(read_text(path, 5) == "12345");
  CHECK(code_of([&] { read_text(path, 4); }, path.string()) == ErrorCode::bad_input);
  std::filesystem::create_symlink("loop", folder / "loop");
  CHECK(code_of([&] { read_text(folder / "loop", 4); }, "loop") == ErrorCode::io);
}

TEST_CASE("write_atomically replaces a file whole and leaves nothing beside it") {
  const test::TempFolder folder;
  write_atomically(folder / "a", "first");
  write_atomically(folder / "a", "second");
  CHECK(read_text(folder / "a", 100) == "second");
  int files = 0;
  for (const auto& item : std::filesystem::directory_iterator(folder.path())) files += item.exists() ? 1 : 0;
  CHECK(files == 1);
  struct stat status{};
  REQUIRE(::stat((folder / "a").c_str(), &status) == 0);
  const mode_t mask = ::umask(0);
  ::umask(mask);
  CHECK((status.st_mode & 0777) == (0666 & ~mask));
  const std::string missing = (folder / "missing/a").string();
  CHECK(code_of([&] { write_atomically(missing, "x"); }, missing) == ErrorCode::io);
  std::filesystem::create_directory(folder / "folder");
  CHECK(code_of([&] { write_atomically(folder / "folder", "x"); }, "folder") == ErrorCode::io);
  files = 0;
  for (const auto& item : std::filesystem::directory_iterator(folder.path())) files += item.exists() ? 1 : 0;
  CHECK(files == 2);
}

TEST_CASE("write_atomically never takes the place of a device, a pipe or a link") {
  const test::TempFolder folder;
  const std::string full = "/dev/full";
  CHECK(code_of([&] { write_atomically(folder.path(), "x"); }, folder.path().string()) == ErrorCode::io);
  CHECK(code_of([&] { write_atomically("", "x"); }, "output") == ErrorCode::bad_input);

  // Through links, so that the devices themselves are safe from a mistake here.
  std::filesystem::create_symlink(full, folder / "full");
  CHECK(code_of([&] { write_atomically(folder / "full", "x"); }, "full") == ErrorCode::io);
  std::filesystem::create_symlink("/dev/null", folder / "null");
  write_atomically(folder / "null", "x");
  CHECK(std::filesystem::is_symlink(folder / "null"));
  CHECK(std::filesystem::is_symlink(folder / "full"));

  const std::string fifo = (folder / "fifo").string();
  REQUIRE(::mkfifo(fifo.c_str(), 0600) == 0);
  const int reader = ::open(fifo.c_str(), O_RDONLY | O_NONBLOCK);
  REQUIRE(reader >= 0);
  write_atomically(fifo, "through");
  char text[16];
  CHECK(::read(reader, text, sizeof text) == 7);
  ::close(reader);
  CHECK(std::filesystem::is_fifo(fifo));

  folder.write("target", "old");
  std::filesystem::create_symlink("target", folder / "link");
  write_atomically(folder / "link", "new");
  CHECK(std::filesystem::is_symlink(folder / "link"));
  CHECK(read_text(folder / "target", 10) == "new");
}

}  // namespace
}  // namespace fathom
