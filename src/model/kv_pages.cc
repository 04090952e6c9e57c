#include "model/kv_pages.h"

#include <cstring>

#include "base/error.h"

namespace fathom {

void PagedRows::extend(int64_t count) {
  if (count <= 0) return;
  const int64_t used = size_ % rows_per_page_;
  const size_t page_bytes = static_cast<size_t>(rows_per_page_ * row_bytes_);
  if (used != 0 && pages_.back().use_count() > 1) {
    Page own(new std::byte[page_bytes]);
    std::memcpy(own.get(), pages_.back().get(), static_cast<size_t>(used * row_bytes_));
    pages_.back() = std::move(own);
  }
  const int64_t pages = (size_ + count + rows_per_page_ - 1) / rows_per_page_;
  while (static_cast<int64_t>(pages_.size()) < pages) pages_.push_back(Page(new std::byte[page_bytes]));
  size_ += count;
}

void PagedRows::truncate(int64_t count) {
  FATHOM_CHECK(count >= 0 && count <= size_);
  size_ = count;
  pages_.resize(static_cast<size_t>((count + rows_per_page_ - 1) / rows_per_page_));
}

}  // namespace fathom
