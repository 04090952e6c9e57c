#pragma once
/// The growing part of a sequence's state: compressed entries and indexer keys in reference-counted pages
/// that forks share and copy on write. Source: architecture.md section 12.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

namespace fathom {

/// Rows of fixed size, appended one by one, kept in pages of `rows_per_page`.
class PagedRows {
 public:
  PagedRows() = default;
  PagedRows(int64_t row_bytes, int64_t rows_per_page)
      : row_bytes_(row_bytes), rows_per_page_(rows_per_page) {}

  int64_t size() const { return size_; }
  int64_t row_bytes() const { return row_bytes_; }
  int64_t rows_per_page() const { return rows_per_page_; }
  const std::byte* row(int64_t i) const {
    return pages_[static_cast<size_t>(i / rows_per_page_)].get() + i % rows_per_page_ * row_bytes_;
  }
  /// Number of rows from i on that lie one behind the other (to the end of the page or of the rows).
  int64_t run(int64_t i) const {
    const int64_t in_page = rows_per_page_ - i % rows_per_page_;
    return in_page < size_ - i ? in_page : size_ - i;
  }
  /// Space for `count` more rows whose bytes the caller fills by mutable_row(); a shared last page is copied
  /// first.
  void extend(int64_t count);
  /// A row added by the last extend().
  std::byte* mutable_row(int64_t i) { return const_cast<std::byte*>(row(i)); }
  /// Keeps the first `count` rows.
  void truncate(int64_t count);
  /// Bytes of whole pages.
  int64_t bytes() const { return static_cast<int64_t>(pages_.size()) * rows_per_page_ * row_bytes_; }

 private:
  using Page = std::shared_ptr<std::byte[]>;
  int64_t row_bytes_ = 0, rows_per_page_ = 1, size_ = 0;
  std::vector<Page> pages_;
};

}  // namespace fathom
