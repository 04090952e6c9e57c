#include "text/piece_counter.h"

#include <algorithm>
#include <atomic>
#include <string>
#include <unordered_map>

#include "text/ascii_splitter.h"

namespace fathom {
namespace {

constexpr int64_t kPartBytes = int64_t{1} << 18;
constexpr size_t kHeldBytes = size_t{8} << 20;

struct TextHash {
  using is_transparent = void;
  size_t operator()(std::string_view text) const { return std::hash<std::string_view>()(text); }
};
using Counts = std::unordered_map<std::string, int64_t, TextHash, std::equal_to<>>;

// What one thread at a time works with.
struct Slot {
  Counts counts;
  RegexScratch regex;
  std::vector<int64_t> ends;
  int64_t too_long = 0;
};

}  // namespace

struct PieceCounter::State {
  State(const std::vector<SplitRule>& splits, ThreadPool& threads)
      : pretokenizer(splits), pool(threads), slots(static_cast<size_t>(threads.threads())) {}

  void count(std::string_view text, Slot& slot) const {
    slot.ends.clear();
    slot.regex.start_clock(std::ssize(text));
    pretokenizer.split(text, slot.regex, slot.ends);
    size_t begin = 0;
    for (const int64_t piece_end : slot.ends) {
      const auto end = static_cast<size_t>(piece_end);
      const std::string_view piece = text.substr(begin, end - begin);
      begin = end;
      if (piece.size() > kMaxPieceBytes) {
        ++slot.too_long;
      } else if (const auto known = slot.counts.find(piece); known != slot.counts.end()) {
        ++known->second;
      } else {
        slot.counts.emplace(piece, 1);
      }
    }
  }

  // Which slot counts which part depends on the threads, the sums do not.
  void count_all(const std::vector<std::string_view>& parts) {
    std::atomic<size_t> next{0};
    pool.parallel_for(std::ssize(slots), 1, [&](int64_t first, int64_t last) {
      for (int64_t s = first; s < last; ++s) {
        for (size_t i = next++; i < parts.size(); i = next++) count(parts[i], slots[static_cast<size_t>(s)]);
      }
    });
  }

  void count_held() {
    std::vector<std::string_view> parts;
    size_t begin = 0;
    for (const size_t end : held_ends) {
      parts.push_back(std::string_view(held).substr(begin, end - begin));
      begin = end;
    }
    count_all(parts);
    held.clear();
    held_ends.clear();
  }

  Pretokenizer pretokenizer;
  ThreadPool& pool;
  std::vector<Slot> slots;
  std::string held;  // small texts, one after the other
  std::vector<size_t> held_ends;
};

PieceCounter::PieceCounter(const std::vector<SplitRule>& splits, ThreadPool& pool)
    : state_(std::make_unique<State>(splits, pool)) {}
PieceCounter::~PieceCounter() = default;

void PieceCounter::add(std::string_view text) {
  if (std::ssize(text) <= kPartBytes) {
    state_->held += text;
    state_->held_ends.push_back(state_->held.size());
    if (state_->held.size() >= kHeldBytes) state_->count_held();
    return;
  }
  std::vector<std::string_view> parts;
  for (int64_t begin = 0; begin < std::ssize(text);) {
    const int64_t end = begin + kPartBytes >= std::ssize(text) ? std::ssize(text)
                                                               : ascii_certain_end(text, begin + kPartBytes);
    parts.push_back(text.substr(static_cast<size_t>(begin), static_cast<size_t>(end - begin)));
    begin = end;
  }
  state_->count_all(parts);
}

std::vector<PieceCount> PieceCounter::take() {
  state_->count_held();
  Counts& all = state_->slots[0].counts;
  for (size_t s = 1; s < state_->slots.size(); ++s) {
    Counts& counts = state_->slots[s].counts;
    for (const auto& [piece, count] : counts) all[piece] += count;
    counts.clear();
  }
  std::vector<PieceCount> pieces;
  pieces.reserve(all.size());
  for (const auto& [piece, count] : all) pieces.push_back({piece, count});
  all.clear();
  std::sort(pieces.begin(), pieces.end(),
            [](const PieceCount& a, const PieceCount& b) { return a.bytes < b.bytes; });
  return pieces;
}

int64_t PieceCounter::too_long() const {
  int64_t sum = 0;
  for (const Slot& slot : state_->slots) sum += slot.too_long;
  return sum;
}

}  // namespace fathom
