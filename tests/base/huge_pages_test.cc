#include "base/huge_pages.h"

#include <doctest/doctest.h>

#include <cstdint>
#include <cstring>
#include <vector>

namespace fathom {
namespace {

TEST_CASE("memory of any size is aligned and holds what is written to its ends") {
  for (const size_t bytes : {size_t{0}, size_t{1}, size_t{65}, size_t{4} << 20, (size_t{6} << 20) + 4097}) {
    std::byte* data = allocate_huge(bytes);
    REQUIRE(data);
    CHECK(reinterpret_cast<uintptr_t>(data) % 64 == 0);
    std::memset(data, 0x5a, bytes);
    if (bytes > 0) CHECK(data[bytes - 1] == std::byte{0x5a});
    free_huge(data);
  }
}

// The sanitizers' allocator ends the program instead.
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
TEST_CASE("more than there is gives null, and std::bad_alloc in a container") {
  CHECK(allocate_huge(static_cast<size_t>(-1) - 100) == nullptr);
  CHECK(allocate_huge(size_t{1} << 62) == nullptr);
  CHECK_THROWS_AS(HugeAllocator<float>().allocate(size_t{1} << 62), std::bad_alloc);
  CHECK_THROWS_AS(HugeAllocator<float>().allocate(size_t{1} << 55), std::bad_alloc);
}
#endif

}  // namespace
}  // namespace fathom
