#include "base/huge_pages.h"

#include <sys/mman.h>

#include <cstdlib>

namespace fathom {

std::byte* allocate_huge(size_t bytes) {
  constexpr size_t kHugePage = size_t{2} << 20, kAlign = 64;
  const bool huge = bytes >= 2 * kHugePage;
  const size_t align = huge ? kHugePage : kAlign;
  if (bytes > static_cast<size_t>(-1) - align) return nullptr;
  const size_t rounded = (bytes + kAlign - 1) / kAlign * kAlign;
  auto* data = static_cast<std::byte*>(std::aligned_alloc(align, huge ? (bytes + align - 1) / align * align
                                                                 : rounded == 0 ? kAlign
                                                                                : rounded));
#ifdef MADV_HUGEPAGE
  // The last page stays small where it is not full: what is resident is what is used.
  if (data && huge) ::madvise(data, bytes / kHugePage * kHugePage, MADV_HUGEPAGE);
#endif
  return data;
}

void free_huge(std::byte* data) { std::free(data); }

}  // namespace fathom
