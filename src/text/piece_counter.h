#pragma once
/// Counts the pieces of the pre-tokenizer in texts of any size, on all threads.

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/thread_pool.h"
#include "text/bpe_trainer.h"
#include "text/pretokenizer.h"

namespace fathom {

class PieceCounter {
 public:
  /// Longer pieces are no words (a megabyte of dashes) and would only cost time: they are left out.
  static constexpr size_t kMaxPieceBytes = 4096;

  /// @param splits  those of v4_splits(): their pieces can be found in parts of a text
  PieceCounter(const std::vector<SplitRule>& splits, ThreadPool& pool);
  ~PieceCounter();

  /// Counts the pieces of a text (valid UTF-8). Small texts are kept until there is work for all threads.
  void add(std::string_view text);
  /// The pieces in the order of their bytes: the same for any number of threads. Leaves the counter empty.
  std::vector<PieceCount> take();
  /// Pieces that were too long, of all added texts whose counting is done.
  int64_t too_long() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace fathom
