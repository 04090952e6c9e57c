#pragma once
/// The last rows of a growing sequence, by position: the raw window and the unfinished compressor windows.

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <vector>

#include "base/error.h"

namespace fathom {

/// Keeps rows of positions [first(), end()), at most `capacity` of them; position p lies at slot p %
/// capacity.
class RowRing {
 public:
  RowRing() = default;
  /// Its memory is taken with the first row: a document that trains whole needs none.
  RowRing(int64_t row_bytes, int64_t capacity) : row_bytes_(row_bytes), capacity_(capacity) {}

  int64_t first() const { return first_; }
  int64_t end() const { return end_; }
  int64_t row_bytes() const { return row_bytes_; }
  int64_t capacity() const { return capacity_; }
  /// Once it holds a row.
  int64_t bytes() const { return row_bytes_ * capacity_; }

  const std::byte* row(int64_t position) const {
    FATHOM_DCHECK(position >= first_ && position < end_);
    return data_.data() + position % capacity_ * row_bytes_;
  }
  /// Appends rows of positions end().. ; only the last `capacity` can stay.
  void append(const std::byte* rows, int64_t count) {
    if (count > 0 && data_.empty()) data_.resize(static_cast<size_t>(row_bytes_ * capacity_));
    const int64_t skip = count > capacity_ ? count - capacity_ : 0;
    for (int64_t i = skip; i < count; ++i) {
      std::memcpy(data_.data() + (end_ + i) % capacity_ * row_bytes_, rows + i * row_bytes_,
                  static_cast<size_t>(row_bytes_));
    }
    end_ += count;
    if (end_ - first_ > capacity_) first_ = end_ - capacity_;
  }
  /// Forgets positions from `end` on.
  void truncate(int64_t end) {
    FATHOM_CHECK(end >= first_ && end <= end_);
    end_ = end;
  }
  /// Empty, the next row being that of position `end`.
  void reset(int64_t end) { first_ = end_ = end; }

 private:
  int64_t row_bytes_ = 0, capacity_ = 1, first_ = 0, end_ = 0;
  std::vector<std::byte> data_;
};

}  // namespace fathom
