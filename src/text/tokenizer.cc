#include "text/tokenizer.h"

#include <algorithm>
#include <mutex>

#include "base/error.h"
#include "base/file.h"
#include "text/piece_cache.h"
#include "text/token_table.h"
#include "text/tokenizer_json.h"

namespace fathom {

namespace {

constexpr int64_t kMaxFileBytes = int64_t{256} << 20;
// Scratches kept for later calls, and how large one may be to be kept.
constexpr size_t kKeptScratches = 64;
constexpr size_t kKeptPieces = size_t{1} << 20;

// What one encode() works with; kept between calls for its cache and its memory.
struct EncodeScratch {
  RegexScratch regex;
  BytePairScratch byte_pair;
  PieceCache cache;
  std::vector<int64_t> ends;

  bool worth_keeping() const {
    return ends.capacity() <= kKeptPieces && byte_pair.ids.capacity() <= kKeptPieces;
  }
};

class ScratchPool {
 public:
  std::unique_ptr<EncodeScratch> take() {
    {
      const std::lock_guard lock(mutex_);
      if (!free_.empty()) {
        auto scratch = std::move(free_.back());
        free_.pop_back();
        return scratch;
      }
    }
    return std::make_unique<EncodeScratch>();
  }
  void give(std::unique_ptr<EncodeScratch> scratch) {
    const std::lock_guard lock(mutex_);
    if (free_.size() < kKeptScratches && scratch->worth_keeping()) free_.push_back(std::move(scratch));
  }

 private:
  std::mutex mutex_;
  std::vector<std::unique_ptr<EncodeScratch>> free_;
};

}  // namespace

struct Tokenizer::State {
  explicit State(TokenizerData data)
      : pretokenizer(data.splits),
        byte_pair(in_context("model.merges", [&] { return BytePairEncoder(data.byte_ids, data.merges); })),
        bytes(std::move(data.token_bytes)),
        offsets(std::move(data.offsets)),
        special(offsets.size() - 1) {
    for (const AddedToken& token : data.added) {
      special[static_cast<size_t>(token.id)] = token.special;
    }
    if (data.ignore_merges) {
      whole_pieces.emplace(std::ssize(data.byte_level));
      for (size_t id = 0; id < data.byte_level.size(); ++id) {
        if (data.byte_level[id]) whole_pieces->insert(token_at(id), static_cast<int32_t>(id));
      }
    }
    added = AddedTokens(std::move(data.added));
  }

  std::string_view token_at(size_t id) const {
    return std::string_view(bytes).substr(offsets[id], offsets[id + 1] - offsets[id]);
  }

  size_t checked(int32_t id) const {
    const auto at = static_cast<size_t>(id);
    if (id < 0 || at + 1 >= offsets.size()) {
      bad_input("token id: expected 0..{}, found {}", offsets.size() - 2, id);
    }
    return at;
  }

  void encode_piece(std::string_view piece, EncodeScratch& scratch, std::vector<int32_t>& out) const {
    if (whole_pieces) {
      if (const int32_t id = whole_pieces->find(piece); id >= 0) {
        out.push_back(id);
        return;
      }
    }
    byte_pair.encode(piece, scratch.byte_pair, out);
  }

  // Text without added tokens.
  void encode_plain(std::string_view text, EncodeScratch& scratch, std::vector<int32_t>& out) const {
    scratch.ends.clear();
    pretokenizer.split(text, scratch.regex, scratch.ends);
    size_t begin = 0;
    for (const int64_t piece_end : scratch.ends) {
      const auto end = static_cast<size_t>(piece_end);
      const size_t size = end - begin;
      if (size <= PieceCache::kMaxBytes) {
        bool hit = false;
        auto& entry = scratch.cache.at(text, begin, size, hit);
        if (!hit) {
          const size_t before = out.size();
          encode_piece(text.substr(begin, size), scratch, out);
          const std::span<const int32_t> ids(out.data() + before, out.size() - before);
          if (ids.size() <= PieceCache::kMaxIds) {
            entry.set(ids);
          } else {
            PieceCache::clear(entry);
          }
        } else {
          out.insert(out.end(), entry.ids, entry.ids + entry.count());
        }
      } else {
        encode_piece(text.substr(begin, size), scratch, out);
      }
      begin = end;
    }
  }

  Pretokenizer pretokenizer;
  BytePairEncoder byte_pair;
  std::string bytes;
  std::vector<uint32_t> offsets;
  std::vector<bool> special;
  AddedTokens added;
  std::optional<TokenTable> whole_pieces;  // only with ignore_merges
  mutable ScratchPool scratches;
};

Tokenizer::Tokenizer(std::unique_ptr<State> state) : state_(std::move(state)) {}
Tokenizer::~Tokenizer() = default;

std::shared_ptr<const Tokenizer> Tokenizer::from_json(std::string_view json, const std::string& where) {
  return in_context(where, [&] {
    auto state = std::make_unique<State>(parse_tokenizer_json(json));
    return std::shared_ptr<const Tokenizer>(new Tokenizer(std::move(state)));
  });
}

std::shared_ptr<const Tokenizer> Tokenizer::open(const std::filesystem::path& path) {
  std::error_code error;
  const bool folder = std::filesystem::is_directory(path, error);
  const auto file = folder ? path / "tokenizer.json" : path;
  return from_json(read_text(file, kMaxFileBytes), file.string());
}

std::vector<int32_t> Tokenizer::encode(std::string_view text, bool recognise_added) const {
  const TextSegment segment{text, recognise_added};
  return encode_segments({&segment, 1});
}

std::vector<int32_t> Tokenizer::encode_segments(std::span<const TextSegment> segments) const {
  // Joined text, and the ranges in which added tokens are looked for. One valid segment is used in place.
  struct Range {
    size_t begin, end;
  };
  std::vector<Range> recognised;
  std::string joined;
  std::string_view text;
  const bool in_place = segments.size() == 1 && is_valid_utf8(segments[0].text);
  if (in_place) text = segments[0].text;
  for (const TextSegment& segment : segments) {
    const size_t begin = joined.size();
    if (!in_place) append_valid_utf8(segment.text, joined);
    const size_t end = in_place ? text.size() : joined.size();
    if (!segment.recognise_added || begin == end) continue;
    if (!recognised.empty() && recognised.back().end == begin) {
      recognised.back().end = end;
    } else {
      recognised.push_back({begin, end});
    }
  }
  if (!in_place) text = joined;

  std::vector<int32_t> out;
  out.reserve(text.size() / 3 + 8);
  auto scratch = state_->scratches.take();
  size_t done = 0;
  for (const Range& range : recognised) {
    auto from = static_cast<int64_t>(range.begin);
    while (const auto match = state_->added.find(text.substr(0, range.end), from)) {
      state_->encode_plain(text.substr(done, static_cast<size_t>(match->begin) - done), *scratch, out);
      out.push_back(match->id);
      from = match->end;
      done = static_cast<size_t>(match->end);
    }
  }
  state_->encode_plain(text.substr(done), *scratch, out);
  state_->scratches.give(std::move(scratch));
  return out;
}

std::string Tokenizer::decode(std::span<const int32_t> ids, bool skip_special) const {
  std::string bytes;
  for (const int32_t id : ids) {
    const size_t at = state_->checked(id);
    if (!skip_special || !state_->special[at]) bytes += state_->token_at(at);
  }
  if (is_valid_utf8(bytes)) return bytes;
  std::string out;
  append_valid_utf8(bytes, out);
  return out;
}

std::string_view Tokenizer::token_bytes(int32_t id) const { return state_->token_at(state_->checked(id)); }
bool Tokenizer::is_special(int32_t id) const { return state_->special[state_->checked(id)]; }
int32_t Tokenizer::vocab_size() const { return static_cast<int32_t>(state_->special.size()); }
std::optional<int32_t> Tokenizer::id_of(std::string_view added_token) const {
  return state_->added.id_of(added_token);
}

std::string TokenStream::push(int32_t id) {
  if (skip_special_ && tokenizer_->is_special(id)) return {};
  return utf8_.push(tokenizer_->token_bytes(id));
}

}  // namespace fathom
