#pragma once
/// Memory for large tables. A core remembers the places of a few thousand pages only, so a table of hundreds
/// of megabytes read by rows misses in that cache all the time when its pages are 4 KiB.

#include <cstddef>
#include <new>

namespace fathom {

/// 64-byte aligned memory. From 4 MiB on it is asked for in 2 MiB pages, which the system gives where it can
/// (Linux, transparent_hugepage "madvise" or "always").
/// @return null if the system has none
std::byte* allocate_huge(size_t bytes);
void free_huge(std::byte* data);

/// For containers: std::vector<float, HugeAllocator<float>>.
template <class T>
struct HugeAllocator {
  using value_type = T;
  HugeAllocator() = default;
  template <class U>
  // NOLINTNEXTLINE(google-explicit-constructor): containers convert between element types
  HugeAllocator(const HugeAllocator<U>&) {}

  T* allocate(size_t count) {
    if (count > static_cast<size_t>(-1) / sizeof(T)) throw std::bad_alloc();
    std::byte* data = allocate_huge(count * sizeof(T));
    if (!data) throw std::bad_alloc();
    return reinterpret_cast<T*>(data);
  }
  void deallocate(T* data, size_t) { free_huge(reinterpret_cast<std::byte*>(data)); }
  friend bool operator==(const HugeAllocator&, const HugeAllocator&) { return true; }
};

}  // namespace fathom
