// The same token has the same bits however the work is cut: chunks, threads, company in the batch. Over every
// golden case and its sequences, in every numerics mode (design: hard point 4).
#include <cmath>
#include <random>

#include "tests/engine/model_runs.h"

namespace fathom {
namespace {

using test::feed_all;
using test::same_bits;

// Sequences advance side by side in batches of random chunks, in random order, some resting.
std::vector<test::Rows> run_in_company(Runtime<float>& runtime, const Model& model,
                                       const std::vector<std::vector<int32_t>>& sequences, uint32_t seed) {
  std::mt19937 random(seed);
  std::vector<KvState> states;
  for (size_t i = 0; i < sequences.size(); ++i) states.push_back(model.new_state(runtime.numerics()));
  std::vector<test::Rows> out(sequences.size());
  const Context<float> ctx = runtime.context(model.config());
  for (;;) {
    std::vector<size_t> order;
    for (size_t i = 0; i < sequences.size(); ++i) {
      if (states[i].position() < static_cast<int64_t>(sequences[i].size())) order.push_back(i);
    }
    if (order.empty()) return out;
    std::shuffle(order.begin(), order.end(), random);
    order.resize(1 + random() % order.size());
    const ArenaScope scope(ctx.arena());
    Batch batch;
    for (const size_t i : order) {
      const auto at = static_cast<size_t>(states[i].position());
      const size_t chunk = random() % 3 == 0 ? 1 : 1 + random() % 40;
      batch.add(states[i], std::span(sequences[i]).subspan(at, std::min(chunk, sequences[i].size() - at)),
                LogitRows::all);
    }
    const ForwardResult<float> result = model.forward(ctx, batch);
    for (size_t s = 0; s < order.size(); ++s) {
      const Span& span = batch.spans[s];
      out[order[s]].append({test::values(result.logits.slice_rows(span.first_row, span.count)),
                            test::values(result.streams.slice_rows(span.first_row, span.count)),
                            {}});
    }
  }
}

// One-shot = chunks of 1, 3, 7 and 64 = two threads.
void check_chunks(const test::GoldenModel& golden, const std::vector<int32_t>& tokens,
                  const Numerics& numerics) {
  Runtime<float> one(test::runtime_options(numerics, 1)), two(test::runtime_options(numerics, 2));
  const auto size = static_cast<int64_t>(tokens.size());
  const test::Rows once = feed_all(one, *golden.model, tokens, size);
  CHECK(once.logits.size() == tokens.size() * static_cast<size_t>(golden.model->config().vocab_size));
  for (const int64_t chunk : {1, 3, 7, 64}) {
    CAPTURE(chunk);
    CHECK(same_bits(once, feed_all(chunk < 64 ? one : two, *golden.model, tokens, chunk)));
  }
  CHECK(same_bits(once, feed_all(two, *golden.model, tokens, size)));
}

TEST_CASE("chunks of any size, on one thread and two") {
  for (const auto& golden : test::golden_models()) {
    CAPTURE(golden.name);
    for (const Numerics& numerics : test::all_numerics()) {
      CAPTURE(name(numerics.mode));
      for (const auto& tokens : test::cut_sequences(golden, 170)) {
        CAPTURE(tokens.size());
        check_chunks(golden, tokens, numerics);
      }
    }
  }
}

TEST_CASE("token by token on two threads") {
  for (const auto& golden : test::golden_models()) {
    CAPTURE(golden.name);
    Runtime<float> one(test::runtime_options(Numerics::exact(), 1)),
        two(test::runtime_options(Numerics::exact(), 2));
    const auto tokens = test::cut_sequences(golden, 40).back();
    CHECK(same_bits(feed_all(one, *golden.model, tokens, 40), feed_all(two, *golden.model, tokens, 1)));
  }
}

TEST_CASE("alone or in any company") {
  for (const auto& golden : test::golden_models()) {
    CAPTURE(golden.name);
    // At least six sequences: those of the case, then pieces of its last one.
    auto sequences = test::cut_sequences(golden, 170);
    const auto last = sequences.back();
    for (size_t i = 1; sequences.size() < 6; ++i) {
      sequences.emplace_back(last.begin() + static_cast<std::ptrdiff_t>(3 * i), last.end());
    }
    for (const Numerics& numerics : test::all_numerics()) {
      CAPTURE(name(numerics.mode));
      Runtime<float> one(test::runtime_options(numerics, 1)), two(test::runtime_options(numerics, 2));
      std::vector<test::Rows> alone;
      for (const auto& tokens : sequences) {
        alone.push_back(feed_all(one, *golden.model, tokens, static_cast<int64_t>(tokens.size())));
      }
      for (const uint32_t seed : {1u, 2u}) {
        CAPTURE(seed);
        const auto together = run_in_company(seed == 1 ? one : two, *golden.model, sequences, seed);
        for (size_t k = 0; k < sequences.size(); ++k) {
          CAPTURE(k);
          CHECK(same_bits(alone[k].logits, together[k].logits));
          CHECK(same_bits(alone[k].streams, together[k].streams));
        }
      }
    }
  }
}

TEST_CASE("chunks, threads and company on every target of this CPU") {
  // Without vectors, with vectors of each kind: the order of additions is each target's own, and fixed.
  for (const Target target : available_targets()) {
    CAPTURE(name(target));
    for (const auto& golden : test::golden_models()) {
      CAPTURE(golden.name);
      const auto sequences = test::cut_sequences(golden, 24);
      for (const Numerics& numerics : test::all_numerics()) {
        CAPTURE(name(numerics.mode));
        auto options = test::runtime_options(numerics, 1), shared = test::runtime_options(numerics, 2);
        options.target = shared.target = target;
        Runtime<float> one(options), two(shared);
        CHECK(one.target() == target);
        std::vector<test::Rows> alone;
        for (const auto& tokens : sequences) {
          alone.push_back(feed_all(one, *golden.model, tokens, std::ssize(tokens)));
        }
        CHECK(same_bits(alone.back(), feed_all(one, *golden.model, sequences.back(), 1)));
        CHECK(same_bits(alone.back(), feed_all(two, *golden.model, sequences.back(), 7)));
        const auto together = run_in_company(two, *golden.model, sequences, 3);
        for (size_t k = 0; k < sequences.size(); ++k) {
          CAPTURE(k);
          CHECK(same_bits(alone[k].logits, together[k].logits));
          CHECK(same_bits(alone[k].streams, together[k].streams));
        }
      }
    }
  }
}

TEST_CASE("the comparison notices one bit") {
  const auto golden = test::golden_models().front();
  Runtime<float> runtime(test::runtime_options(Numerics::exact()));
  test::Rows rows = feed_all(runtime, *golden.model, golden.sequences.back(), 16);
  test::Rows other = rows;
  other.logits.back() = std::nextafter(other.logits.back(), 1e9f);
  CHECK(same_bits(rows, rows));
  CHECK(!same_bits(rows, other));
}

}  // namespace
}  // namespace fathom
