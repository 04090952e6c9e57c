#pragma once
/// Bump memory for the intermediate values of a forward or backward pass, released by marks.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

namespace fathom {

/// Hands out 64-byte aligned memory from growing blocks. Blocks are kept when a mark is released, so a steady
/// state allocates nothing. One driving thread; not thread-safe.
class Arena {
 public:
  struct Mark {
    size_t block = 0;
    size_t used = 0;
  };

  /// Uninitialised memory for `count` values of T.
  template <class T>
  T* allocate(int64_t count) {
    return static_cast<T*>(allocate_bytes(static_cast<size_t>(count) * sizeof(T)));
  }
  void* allocate_bytes(size_t bytes);

  Mark mark() const { return {block_, used_}; }
  void release(Mark mark) {
    block_ = mark.block;
    used_ = mark.used;
  }
  /// Holds no more than so many bytes from here on (0: any): what would take more throws
  /// Error(out_of_memory).
  void limit(int64_t bytes) { limit_ = bytes; }
  /// Bytes of all blocks held.
  int64_t bytes() const { return bytes_; }
  /// Most bytes handed out at a time, with what was left unused at the ends of blocks.
  int64_t peak() const { return static_cast<int64_t>(peak_); }

 private:
  struct Deleter {
    void operator()(std::byte* p) const;
  };
  struct Block {
    std::unique_ptr<std::byte, Deleter> data;
    size_t size = 0;
    size_t start = 0;  // bytes of the blocks before it
  };
  std::vector<Block> blocks_;
  size_t block_ = 0;  // index of the block in use
  size_t used_ = 0;   // bytes used of it
  int64_t bytes_ = 0, limit_ = 0;
  size_t peak_ = 0;
};

/// Releases everything allocated after its construction.
class ArenaScope {
 public:
  explicit ArenaScope(Arena& arena) : arena_(arena), mark_(arena.mark()) {}
  ~ArenaScope() { arena_.release(mark_); }
  ArenaScope(const ArenaScope&) = delete;
  ArenaScope& operator=(const ArenaScope&) = delete;

 private:
  Arena& arena_;
  Arena::Mark mark_;
};

/// An ArenaScope if `open`: for functions that leave what they allocate to their caller when it asks for it.
class MaybeScope {
 public:
  MaybeScope(Arena& arena, bool open) {
    if (open) scope_.emplace(arena);
  }

 private:
  std::optional<ArenaScope> scope_;
};

}  // namespace fathom
