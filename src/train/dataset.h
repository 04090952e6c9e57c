#pragma once
/// Token files to training rows: pieces of documents in shuffled order, drawn from the sources by weight and
/// packed into rows of a fixed length. The position is a value: a run that goes on from it draws the same
/// rows.

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "train/document_maker.h"
#include "train/token_shard.h"

namespace fathom {

/// What a sampled answer is worth to a policy's gradient; of other documents empty.
struct Credit {
  double advantage = 0;
  std::vector<double> sampled;    ///< log-probabilities of the labels in their order, when they were sampled
  std::vector<double> reference;  ///< the same by the reference; empty without one
  bool operator==(const Credit&) const = default;
};
struct TeacherOpinion;  // learner.h
/// One document of a row. labels[t] is the token after tokens[t], or kUnlearned.
struct RowDocument {
  std::vector<int32_t> tokens, labels;
  Credit credit = {};
  std::shared_ptr<const TeacherOpinion> opinion = {};  ///< what is learned instead of the labels
};
inline constexpr int32_t kUnlearned = -100;
/// Documents packed into one row; they do not see each other.
using Row = std::vector<RowDocument>;

/// A token file, or a maker of documents, and its share of the drawn tokens.
struct DataSource {
  std::string name;
  std::shared_ptr<const TokenShard> shard;
  double weight = 1;
  std::shared_ptr<const DocumentMaker> maker = {};  ///< instead of a file
};

/// Where a data set stands.
struct DataPosition {
  struct Source {
    uint64_t next = 0;   ///< pieces drawn; the order starts anew after each pass
    int64_t tokens = 0;  ///< of these pieces
    bool operator==(const Source&) const = default;
  };
  struct Waiting {
    int64_t source = 0;
    uint64_t index = 0;  ///< its number among the drawn pieces
    uint64_t salt = 0;   ///< of the order that it was drawn from
    bool operator==(const Waiting&) const = default;
  };
  std::vector<Source> sources;
  std::vector<Waiting> waiting;  ///< drawn but not yet in a row, oldest first
  uint64_t salt = 0;             ///< changes the order of what is drawn from now on
  int64_t rows = 0;
  bool operator==(const DataPosition&) const = default;
};

class Dataset {
 public:
  /// Rows of at most `row_tokens` tokens. A text's document longer than that is cut into pieces, each after
  /// BOS; a conversation longer than that is left out. Throws Error(bad_input) naming a source that has
  /// nothing to draw or a weight that is not positive.
  Dataset(std::vector<DataSource> sources, int64_t row_tokens, uint64_t seed);

  /// The next row: the oldest waiting piece, then always the longest waiting one that still fits.
  Row next_row();

  const DataPosition& position() const { return position_; }
  /// Goes on from a position of a data set with the same sources, row length and seed. Throws
  /// Error(bad_input) if it does not fit these.
  void seek(const DataPosition& position);
  /// From here on another order (after a spike): waiting pieces are dropped, and what is drawn next is not
  /// what would have come.
  void change_order() {
    ++position_.salt;
    position_.waiting.clear();
    for (Source& source : sources_) source.made.clear();
  }

  int64_t row_tokens() const { return row_tokens_; }
  /// Pieces of a source with a file in one pass over it.
  uint64_t pieces(size_t source) const { return sources_[source].first.back(); }
  /// Conversations of a source that are longer than a row; of a maker, those that were made so far.
  int64_t left_out(size_t source) const { return sources_[source].left_out; }

 private:
  struct Source {
    DataSource data;
    std::vector<uint64_t> first;  // [kept documents + 1]: the number of its first piece
    std::vector<int64_t> kept;    // document behind it; empty: all of them
    int64_t left_out = 0;
    std::map<std::pair<uint64_t, uint64_t>, TokenDocument> made;  // waiting ones of a maker: salt, index
  };
  struct Piece {
    int64_t document = 0, begin = 0, count = 0;  // tokens [begin, begin + count) with a label each
  };
  const TokenDocument& made(const DataPosition::Waiting& drawn);
  int64_t tokens_of(const DataPosition::Waiting& drawn);
  Piece piece(const DataPosition::Waiting& drawn) const;
  void draw();
  RowDocument read(const DataPosition::Waiting& drawn);

  std::vector<Source> sources_;
  int64_t row_tokens_;
  uint64_t seed_;
  DataPosition position_;
};

/// All pieces of a token file in order, each a row of its own: what validation runs over. At most max_tokens.
std::vector<Row> validation_rows(const TokenShard& shard, int64_t row_tokens, int64_t max_tokens);

}  // namespace fathom
