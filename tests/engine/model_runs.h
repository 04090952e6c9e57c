#pragma once
// Golden models fed by hand: any cut of a sequence, any company in the batch.
#include <doctest/doctest.h>

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <string>
#include <vector>

#include "model/model.h"
#include "model/runtime.h"
#include "tests/support/tensor_file.h"

namespace fathom::test {

struct GoldenModel {
  std::string name;
  std::shared_ptr<const Model> model;
  std::vector<std::vector<int32_t>> sequences;
};

/// Every case of golden/fp32 and golden/quantised with its sequences.
inline std::vector<GoldenModel> golden_models() {
  std::vector<std::filesystem::path> folders;
  for (const char* layout : {"fp32", "quantised"}) {
    for (const auto& entry : std::filesystem::directory_iterator(golden(layout))) {
      if (entry.is_directory()) folders.push_back(entry.path());
    }
  }
  std::sort(folders.begin(), folders.end());
  std::vector<GoldenModel> out;
  for (const auto& folder : folders) {
    GoldenModel m{folder.filename().string(), Model::open(folder), {}};
    const auto expected = TensorFile::open(folder / "expected.safetensors");
    if (expected.has("input_ids")) m.sequences.push_back(expected.i32("input_ids"));
    for (int k = 0; expected.has("s" + std::to_string(k) + ".input_ids"); ++k) {
      m.sequences.push_back(expected.i32("s" + std::to_string(k) + ".input_ids"));
    }
    REQUIRE(!m.sequences.empty());
    out.push_back(std::move(m));
  }
  REQUIRE(out.size() >= 13);
  return out;
}

/// The sequences of a case cut to `most` tokens; equal ones once.
inline std::vector<std::vector<int32_t>> cut_sequences(const GoldenModel& golden, size_t most) {
  std::vector<std::vector<int32_t>> out;
  for (auto tokens : golden.sequences) {
    tokens.resize(std::min(tokens.size(), most));
    if (std::find(out.begin(), out.end(), tokens) == out.end()) out.push_back(std::move(tokens));
  }
  return out;
}

/// A runtime whose threads share even the smallest loops, in shuffled pieces.
inline RuntimeOptions runtime_options(const Numerics& numerics, int threads = 1) {
  RuntimeOptions options;
  options.numerics = numerics;
  options.pool.threads = threads;
  options.pool.test_mode = threads > 1;
  options.pool.pin = false;
  return options;
}

/// What came out of some rows.
struct Rows {
  std::vector<float> logits, streams, mtp_logits;
  void append(const Rows& more) {
    logits.insert(logits.end(), more.logits.begin(), more.logits.end());
    streams.insert(streams.end(), more.streams.begin(), more.streams.end());
    mtp_logits.insert(mtp_logits.end(), more.mtp_logits.begin(), more.mtp_logits.end());
  }
};

inline std::vector<float> values(Mat<const float> m) {
  std::vector<float> out;
  for (int64_t t = 0; t < m.rows; ++t) out.insert(out.end(), m.row(t), m.row(t) + m.cols);
  return out;
}

/// Tokens [begin, end) of a sequence at whose position `begin` kv stands. With an MTP block, its rows whose
/// next token the sequence has are run as well; streams of tokens before `begin` come from `earlier`
/// ([positions, n*D]) if the block is behind.
inline Rows feed(Runtime<float>& runtime, const Model& model, KvState& kv, const std::vector<int32_t>& tokens,
                 int64_t begin, int64_t end, const std::vector<float>* earlier = nullptr) {
  REQUIRE(kv.position() == begin);
  const Context<float> ctx = runtime.context(model.config());
  const ArenaScope scope(ctx.arena());
  const auto part = [&](int64_t from, int64_t to) {
    return std::span(tokens).subspan(static_cast<size_t>(from), static_cast<size_t>(to - from));
  };
  Batch batch;
  batch.add(kv, part(begin, end), LogitRows::all);
  const ForwardResult<float> result = model.forward(ctx, batch);
  Rows out{values(result.logits), values(result.streams), {}};
  if (model.mtp_blocks() == 0) return out;
  const int64_t first = kv.draft_position(), last = std::min(end, static_cast<int64_t>(tokens.size()) - 1),
                width = result.streams.cols;
  REQUIRE((first == begin || earlier));
  if (first >= last) return out;
  std::vector<float> streams;
  for (int64_t t = first; t < last; ++t) {
    const float* row = t < begin ? earlier->data() + t * width : result.streams.row(t - begin);
    streams.insert(streams.end(), row, row + width);
  }
  Batch draft;
  draft.add(kv, part(first + 1, last + 1));
  out.mtp_logits = values(model.forward_mtp<float>(ctx, 0, draft, {streams.data(), last - first, width}));
  return out;
}

/// A whole sequence in chunks.
inline Rows feed_all(Runtime<float>& runtime, const Model& model, const std::vector<int32_t>& tokens,
                     int64_t chunk) {
  KvState kv = model.new_state(runtime.numerics());
  Rows out;
  const auto size = static_cast<int64_t>(tokens.size());
  for (int64_t at = 0; at < size; at += chunk) {
    out.append(feed(runtime, model, kv, tokens, at, std::min(at + chunk, size)));
  }
  return out;
}

inline bool same_bits(std::span<const float> a, std::span<const float> b) {
  return a.size() == b.size() && (a.empty() || std::memcmp(a.data(), b.data(), a.size_bytes()) == 0);
}
inline bool same_bits(const Rows& a, const Rows& b) {
  return same_bits(a.logits, b.logits) && same_bits(a.streams, b.streams) &&
         same_bits(a.mtp_logits, b.mtp_logits);
}

/// The modes that a model's bits are compared in.
inline std::vector<Numerics> all_numerics() {
  return {Numerics::exact(), Numerics::release(), Numerics::fast()};
}

}  // namespace fathom::test
