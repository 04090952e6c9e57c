// States filled with made-up rows (KvState::append_rows) are states like any other: their size is the
// formula's, and they can be cut, saved and restored.
#include <doctest/doctest.h>

#include <cstring>

#include "model/kv_state.h"

namespace fathom {
namespace {

ModelConfig three_kinds() {
  ModelConfig c = ModelConfig::preset("v4-flash");
  c.num_hidden_layers = 3;
  c.layers = {{LayerKind::swa, 0, false}, {LayerKind::csa, 4, false}, {LayerKind::hca, 128, false}};
  c.head_dim = 32;
  c.index_head_dim = 16;
  return c;
}

// Rows that count up, so that no two are alike.
struct Counting {
  int32_t next = 1;
  void operator()(RowType type, int64_t dim, std::byte* out) {
    const auto bytes = static_cast<size_t>(dim * row_type_bytes(type));
    std::memset(out, 0, bytes);
    std::memcpy(out, &next, sizeof next);
    ++next;
  }
};

int32_t number_of(const std::byte* row) {
  int32_t value = 0;
  std::memcpy(&value, row, sizeof value);
  return value;
}

TEST_CASE("made-up rows take the bytes of the formula, in pieces or at once") {
  const ModelConfig config = three_kinds();
  for (const Numerics& numerics : {Numerics::exact(), Numerics::fast()}) {
    for (const int64_t step : {1, 77, 128, 20000}) {
      CAPTURE(step);
      KvState state(config, numerics, 1);
      while (state.position() < 20000) {
        state.append_rows(std::min(step, 20000 - state.position()), Counting{});
      }
      CHECK(state.bytes() == kv_state_bytes(config, numerics, 1, 20000, 0));
      CHECK(state.layer(1).entries().size() == 5000);
      CHECK(state.layer(1).index_keys().size() == 5000);
      CHECK(state.layer(2).entries().size() == 156);
    }
  }
}

TEST_CASE("rows lie at the positions they were made for") {
  KvState state(three_kinds(), Numerics::fast(), 0);
  Counting counting;
  state.append_rows(1000, counting);
  // Layer 0 alone gets the first 1,024 numbers: pieces of 128 rows, of the last one 104.
  CHECK(number_of(state.layer(0).window_row(999)) - number_of(state.layer(0).window_row(896)) == 103);
  CHECK(number_of(state.layer(0).window_row(895)) + 1 == number_of(state.layer(0).window_row(896)));
  CHECK(number_of(state.layer(1).entries().row(249)) > number_of(state.layer(1).entries().row(248)));
  state.append_rows(64, Counting{});
  CHECK(state.truncate(1000) == 1000);
  CHECK(number_of(state.layer(0).window_row(999)) == 1000);
  CHECK(state.bytes().entries == kv_state_bytes(three_kinds(), Numerics::fast(), 0, 1000, 0).entries);
}

TEST_CASE("a filled state is saved and restored") {
  KvState state(three_kinds(), Numerics::fast(), 0), other(three_kinds(), Numerics::fast(), 0);
  Counting counting;
  state.append_rows(9000, std::ref(counting));
  const auto saved = state.save();
  other.load(saved);
  CHECK(other.position() == 9000);
  CHECK(other.save() == saved);
  CHECK(other.truncate(8500) == 8192);  // the copy that is kept for good
}

}  // namespace
}  // namespace fathom
