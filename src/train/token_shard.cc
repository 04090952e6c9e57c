#include "train/token_shard.h"

#include <xxhash.h>

#include <bit>
#include <cstring>

#include "base/error.h"

namespace fathom {
namespace {

static_assert(std::endian::native == std::endian::little, "token files are little-endian");

constexpr char kMagic[8] = {'F', 'T', 'H', 'M', 'T', 'O', 'K', '1'};
constexpr int64_t kMaxVocabulary = int64_t{1} << 24, kMaxTokens = int64_t{1} << 44;

struct Header {
  char magic[8];
  int64_t vocab_size;
  uint64_t tokenizer_hash;
  int32_t bos;
  uint32_t masked;
  int64_t documents, tokens, labels, label_bytes;
  uint64_t reserved[3];
  uint64_t checksum;  // XXH64 of the bytes before
};
static_assert(sizeof(Header) == 96);

uint64_t checksum(const Header& header) { return XXH64(&header, offsetof(Header, checksum), 0); }

int64_t width(int64_t vocab_size) { return vocab_size <= 65536 ? 2 : 4; }

}  // namespace

uint64_t tokenizer_hash(std::string_view tokenizer_json) {
  return XXH64(tokenizer_json.data(), tokenizer_json.size(), 0);
}

void ShardWriter::add(std::span<const int32_t> tokens, std::span<const uint8_t> learned,
                      int64_t label_bytes) {
  FATHOM_CHECK(tokens.size() >= 2 && (learned.empty() || learned.size() == tokens.size()));
  for (size_t i = 0; i < tokens.size(); ++i) {
    FATHOM_CHECK(tokens[i] >= 0 && tokens[i] < info_.vocab_size);
    const bool learn = learned.empty() ? i > 0 : learned[i] != 0;
    learned_.push_back(learn);
    info_.labels += learn;
  }
  tokens_.insert(tokens_.end(), tokens.begin(), tokens.end());
  borders_.push_back(static_cast<int64_t>(tokens_.size()));
  ++info_.documents;
  info_.tokens += static_cast<int64_t>(tokens.size());
  info_.label_bytes += label_bytes;
}

void ShardWriter::write(const std::filesystem::path& path) const {
  Header header{};
  std::memcpy(header.magic, kMagic, sizeof(kMagic));
  header.vocab_size = info_.vocab_size;
  header.tokenizer_hash = info_.tokenizer_hash;
  header.bos = info_.bos;
  header.masked = info_.masked;
  header.documents = info_.documents;
  header.tokens = info_.tokens;
  header.labels = info_.labels;
  header.label_bytes = info_.label_bytes;
  header.checksum = checksum(header);

  std::string bytes(reinterpret_cast<const char*>(&header), sizeof(header));
  bytes.append(reinterpret_cast<const char*>(borders_.data()), borders_.size() * sizeof(int64_t));
  if (width(info_.vocab_size) == 4) {
    bytes.append(reinterpret_cast<const char*>(tokens_.data()), tokens_.size() * sizeof(int32_t));
  } else {
    for (const int32_t token : tokens_) {
      const auto low = static_cast<uint16_t>(token);
      bytes.append(reinterpret_cast<const char*>(&low), sizeof(low));
    }
  }
  std::string bits((learned_.size() + 7) / 8, '\0');
  for (size_t i = 0; i < learned_.size(); ++i) {
    if (learned_[i]) bits[i / 8] = static_cast<char>(static_cast<uint8_t>(bits[i / 8]) | 1u << (i % 8));
  }
  write_atomically(path, bytes + bits);
}

TokenShard::TokenShard(const std::filesystem::path& path) : file_(path) {
  const std::string where = printable(file_.path(), 400);
  Header header{};
  if (file_.size() < static_cast<int64_t>(sizeof(header))) {
    bad_input("{}: expected a token file, found {} bytes", where, file_.size());
  }
  std::memcpy(&header, file_.data(), sizeof(header));
  if (std::memcmp(header.magic, kMagic, sizeof(kMagic)) != 0) {
    bad_input("{}: expected a token file (made by fathom data), found something else", where);
  }
  if (header.checksum != checksum(header))
    bad_input("{}: expected a whole header, found a damaged one", where);
  const bool sane = header.vocab_size > 0 && header.vocab_size <= kMaxVocabulary && header.documents >= 0 &&
                    header.tokens >= 0 && header.tokens <= kMaxTokens && header.documents <= header.tokens &&
                    header.bos >= 0 && header.bos < header.vocab_size;
  if (!sane) bad_input("{}: expected sizes within their limits, found others in the header", where);
  info_ = {header.vocab_size, header.tokenizer_hash, header.bos,    header.masked != 0,
           header.documents,  header.tokens,         header.labels, header.label_bytes};
  token_bytes_ = width(info_.vocab_size);
  tokens_at_ = static_cast<int64_t>(sizeof(header)) + (info_.documents + 1) * 8;
  learned_at_ = tokens_at_ + info_.tokens * token_bytes_;
  const int64_t end = learned_at_ + (info_.tokens + 7) / 8;
  if (file_.size() != end) bad_input("{}: expected {} bytes, found {}", where, end, file_.size());
  if (border(0) != 0 || border(info_.documents) != info_.tokens) {
    bad_input("{}: expected documents that cover {} tokens, found other borders", where, info_.tokens);
  }
  for (int64_t i = 0; i < info_.documents; ++i) {
    if (border(i + 1) < border(i) + 2 || border(i + 1) > info_.tokens) {
      bad_input("{}: document {}: expected two tokens or more, found borders {} and {}", where, i, border(i),
                border(i + 1));
    }
  }
}

int64_t TokenShard::border(int64_t i) const {
  int64_t at;
  std::memcpy(&at, file_.data() + sizeof(Header) + i * 8, sizeof(at));
  return at;
}

void TokenShard::read(int64_t i, int64_t first, std::span<int32_t> out) const {
  const std::byte* from = file_.data() + tokens_at_ + (border(i) + first) * token_bytes_;
  for (size_t k = 0; k < out.size(); ++k, from += token_bytes_) {
    if (token_bytes_ == 2) {
      uint16_t token;
      std::memcpy(&token, from, sizeof(token));
      out[k] = token;
    } else {
      std::memcpy(&out[k], from, sizeof(out[k]));
    }
    if (out[k] < 0 || out[k] >= info_.vocab_size) {
      bad_input("{}: document {}: expected tokens below {}, found {}", printable(path(), 400), i,
                info_.vocab_size, out[k]);
    }
  }
}

bool TokenShard::learned(int64_t i, int64_t at) const {
  const int64_t bit = border(i) + at;
  return (std::to_integer<unsigned>(file_.data()[learned_at_ + bit / 8]) >> (bit % 8) & 1u) != 0;
}

}  // namespace fathom
