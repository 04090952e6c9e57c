#include "train/dataset.h"

#include <algorithm>

#include "base/error.h"
#include "train/permutation.h"

namespace fathom {
namespace {

constexpr size_t kWaiting = 64;   // pieces among which the best fit is looked for
constexpr int64_t kTries = 1000;  // of a maker until a document fits a row

int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }

// Piece of a document: tokens [begin, begin + count), labels one further. A piece that does not begin the
// document has BOS in the place of its first token, so that every piece is read as a model reads a text.
RowDocument read_piece(const TokenShard& shard, int64_t document, int64_t begin, int64_t count) {
  std::vector<int32_t> ids(static_cast<size_t>(count + 1));
  shard.read(document, begin, ids);
  RowDocument out;
  out.tokens.assign(ids.begin(), ids.end() - 1);
  if (begin > 0) out.tokens[0] = shard.info().bos;
  for (int64_t t = 0; t < count; ++t) {
    out.labels.push_back(shard.learned(document, begin + t + 1) ? ids[static_cast<size_t>(t + 1)]
                                                                : kUnlearned);
  }
  return out;
}

}  // namespace

Dataset::Dataset(std::vector<DataSource> sources, int64_t row_tokens, uint64_t seed)
    : row_tokens_(row_tokens), seed_(seed) {
  if (sources.empty()) bad_input("data: expected a source, found none");
  for (DataSource& data : sources) {
    if (!(data.weight > 0 && data.weight < 1e9)) {
      bad_input("data {}: expected a positive weight, found {}", printable(data.name), data.weight);
    }
    Source source{std::move(data), {0}, {}, 0, {}};
    position_.sources.emplace_back();
    if (source.data.maker != nullptr) {
      sources_.push_back(std::move(source));
      continue;
    }
    const TokenShard& shard = *source.data.shard;
    for (int64_t i = 0; i < shard.info().documents; ++i) {
      const int64_t labels = shard.length(i) - 1;
      if (shard.info().masked && labels > row_tokens_) {
        ++source.left_out;
        continue;
      }
      source.first.push_back(source.first.back() + static_cast<uint64_t>(ceil_div(labels, row_tokens_)));
      source.kept.push_back(i);
    }
    if (source.kept.empty()) {
      bad_input("data {}: expected documents of at most {} tokens, found none", printable(source.data.name),
                row_tokens_);
    }
    sources_.push_back(std::move(source));
  }
}

const TokenDocument& Dataset::made(const DataPosition::Waiting& drawn) {
  Source& source = sources_[static_cast<size_t>(drawn.source)];
  const std::pair key{drawn.salt, drawn.index};
  const auto found = source.made.find(key);
  if (found != source.made.end()) return found->second;
  const auto stream = static_cast<uint64_t>(drawn.source) << 32 | drawn.salt;
  return source.made.emplace(key, source.data.maker->make(seed_, stream, drawn.index)).first->second;
}

int64_t Dataset::tokens_of(const DataPosition::Waiting& drawn) {
  if (sources_[static_cast<size_t>(drawn.source)].data.maker == nullptr) return piece(drawn).count;
  return std::ssize(made(drawn).tokens) - 1;
}

Dataset::Piece Dataset::piece(const DataPosition::Waiting& drawn) const {
  const Source& source = sources_[static_cast<size_t>(drawn.source)];
  const uint64_t count = source.first.back();
  const auto words =
      philox(seed_, static_cast<uint64_t>(drawn.source) << 32 | drawn.salt, drawn.index / count);
  const Permutation order(count, uint64_t{words[1]} << 32 | words[0]);
  const uint64_t number = order(drawn.index % count);
  const auto after = std::upper_bound(source.first.begin(), source.first.end(), number);
  const auto k = static_cast<size_t>(after - source.first.begin()) - 1;
  Piece p;
  p.document = source.kept[k];
  p.begin = static_cast<int64_t>(number - source.first[k]) * row_tokens_;
  p.count = std::min(row_tokens_, source.data.shard->length(p.document) - 1 - p.begin);
  return p;
}

void Dataset::draw() {
  // The source that is furthest behind its share of the tokens.
  size_t chosen = 0;
  double least = 0;
  for (size_t s = 0; s < sources_.size(); ++s) {
    const double behind = static_cast<double>(position_.sources[s].tokens) / sources_[s].data.weight;
    if (s == 0 || behind < least) chosen = s, least = behind;
  }
  DataPosition::Source& source = position_.sources[chosen];
  DataPosition::Waiting drawn{static_cast<int64_t>(chosen), source.next++, position_.salt};
  int64_t tokens = tokens_of(drawn);
  for (int64_t tries = 1; tokens > row_tokens_; ++tries) {  // of a maker: a longer one is left out
    if (tries == kTries) {
      bad_input("data {}: expected documents of at most {} tokens, found none among {}",
                printable(sources_[chosen].data.name), row_tokens_, tries);
    }
    sources_[chosen].made.erase({drawn.salt, drawn.index});
    ++sources_[chosen].left_out;
    drawn.index = source.next++;
    tokens = tokens_of(drawn);
  }
  source.tokens += tokens;
  position_.waiting.push_back(drawn);
}

RowDocument Dataset::read(const DataPosition::Waiting& drawn) {
  Source& source = sources_[static_cast<size_t>(drawn.source)];
  if (source.data.maker != nullptr) {
    const TokenDocument& document = made(drawn);
    RowDocument out;
    out.tokens.assign(document.tokens.begin(), document.tokens.end() - 1);
    for (size_t t = 1; t < document.tokens.size(); ++t)
      out.labels.push_back(document.learned[t] ? document.tokens[t] : kUnlearned);
    source.made.erase({drawn.salt, drawn.index});
    return out;
  }
  const Piece p = piece(drawn);
  return read_piece(*source.data.shard, p.document, p.begin, p.count);
}

Row Dataset::next_row() {
  while (position_.waiting.size() < kWaiting) draw();
  Row row;
  int64_t room = row_tokens_;
  auto& waiting = position_.waiting;
  size_t next = 0;
  while (next < waiting.size()) {
    row.push_back(read(waiting[next]));
    room -= static_cast<int64_t>(row.back().tokens.size());
    waiting.erase(waiting.begin() + static_cast<std::ptrdiff_t>(next));
    int64_t longest = 0;
    next = waiting.size();
    for (size_t i = 0; i < waiting.size() && room > 0; ++i) {
      const int64_t count = tokens_of(waiting[i]);
      if (count <= room && count > longest) longest = count, next = i;
    }
  }
  ++position_.rows;
  return row;
}

void Dataset::seek(const DataPosition& position) {
  const bool fits = position.sources.size() == sources_.size() && position.waiting.size() < kWaiting + 1 &&
                    std::ranges::all_of(
                        position.waiting,
                        [&](const DataPosition::Waiting& w) {
                          return w.source >= 0 && w.source < std::ssize(sources_) &&
                                 w.salt <= position.salt &&
                                 w.index < position.sources[static_cast<size_t>(w.source)].next;
                        });
  if (!fits) bad_input("data position: expected one of these {} sources, found another", sources_.size());
  position_ = position;
  for (Source& source : sources_) source.made.clear();
}

std::vector<Row> validation_rows(const TokenShard& shard, int64_t row_tokens, int64_t max_tokens) {
  std::vector<Row> rows;
  int64_t total = 0;
  for (int64_t i = 0; i < shard.info().documents; ++i) {
    const int64_t labels = shard.length(i) - 1;
    if (shard.info().masked && labels > row_tokens) continue;
    for (int64_t begin = 0; begin < labels && total < max_tokens; begin += row_tokens) {
      const int64_t count = std::min(row_tokens, labels - begin);
      rows.push_back({read_piece(shard, i, begin, count)});
      total += count;
    }
  }
  return rows;
}

}  // namespace fathom
