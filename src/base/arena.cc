#include "base/arena.h"

#include <algorithm>

#include "base/error.h"
#include "base/huge_pages.h"

namespace fathom {
namespace {
constexpr size_t kAlign = 64;
constexpr size_t kFirstBlock = size_t{1} << 20;
}  // namespace

void Arena::Deleter::operator()(std::byte* p) const { free_huge(p); }

void* Arena::allocate_bytes(size_t bytes) {
  bytes = (bytes + kAlign - 1) / kAlign * kAlign;
  while (block_ < blocks_.size() && used_ + bytes > blocks_[block_].size) {
    ++block_;  // what is left of this block stays unused until its mark is released
    used_ = 0;
  }
  if (block_ == blocks_.size()) {
    const size_t last = blocks_.empty() ? kFirstBlock : std::min(blocks_.back().size * 2, size_t{1} << 28);
    size_t size = std::max(bytes, last);
    if (limit_ > 0) {
      const int64_t left = limit_ - bytes_;
      if (left < 0 || bytes > static_cast<size_t>(left)) {
        fail(ErrorCode::out_of_memory, "memory: expected at most {} bytes of scratch, found {}", limit_,
             static_cast<size_t>(bytes_) + bytes);
      }
      size = std::min(size, static_cast<size_t>(left));
    }
    std::byte* data = allocate_huge(size);
    if (!data)
      fail(ErrorCode::out_of_memory, "scratch memory: expected {} bytes more, the system has none", size);
    blocks_.push_back({std::unique_ptr<std::byte, Deleter>(data), size, static_cast<size_t>(bytes_)});
    bytes_ += static_cast<int64_t>(size);
    used_ = 0;
  }
  void* out = blocks_[block_].data.get() + used_;
  used_ += bytes;
  peak_ = std::max(peak_, blocks_[block_].start + used_);
  return out;
}

}  // namespace fathom
