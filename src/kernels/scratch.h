#pragma once
/// Working memory of a kernel that must not allocate each time it is called.

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <new>

namespace fathom {

/// A block of 64-byte aligned memory that only grows; what it holds is lost when it grows.
class Scratch {
 public:
  template <class T>
  T* take(int64_t count) {
    const size_t bytes = (static_cast<size_t>(count) * sizeof(T) + 63) / 64 * 64;
    if (bytes > bytes_) {
      memory_.reset();
      bytes_ = 0;
      memory_.reset(static_cast<std::byte*>(std::aligned_alloc(64, bytes)));
      if (!memory_) throw std::bad_alloc();
      bytes_ = bytes;
    }
    return reinterpret_cast<T*>(memory_.get());
  }

 private:
  struct Free {
    void operator()(std::byte* p) const { std::free(p); }
  };
  std::unique_ptr<std::byte, Free> memory_;
  size_t bytes_ = 0;
};

/// The calling thread's own blocks; a kernel uses each for one thing at a time.
enum class ScratchSlot { weights, activations, keys, scores, count };
Scratch& thread_scratch(ScratchSlot slot);

}  // namespace fathom
