// The bytes that a sequence's state reports and saves: the formula in double precision, and bytes from
// outside. Cutting and restoring at every position: state_slow_test.cc.
#define XXH_INLINE_ALL
#include <xxhash.h>

#include "base/error.h"
#include "tests/engine/model_runs.h"

namespace fathom {
namespace {

using test::feed;

TEST_CASE("the double model's state obeys the same formula") {
  for (const auto& golden : test::golden_models()) {
    CAPTURE(golden.name);
    RuntimeOptions options = test::runtime_options(Numerics::exact_double());
    Runtime<double> runtime(options);
    KvState kv = golden.model->new_state(options.numerics, sizeof(double));
    const auto& tokens = golden.sequences.front();
    const Context<double> ctx = runtime.context(golden.model->config());
    for (size_t p = 0; p < std::min<size_t>(tokens.size(), 40); ++p) {
      CHECK(kv.bytes() == kv_state_bytes(golden.model->config(), options.numerics, golden.model->mtp_blocks(),
                                         static_cast<int64_t>(p), 0));
      const ArenaScope scope(ctx.arena());
      Batch batch;
      batch.add(kv, std::span(tokens).subspan(p, 1), LogitRows::none);
      golden.model->forward(ctx, batch);
    }
  }
}

TEST_CASE("saved bytes that were cut or changed are refused, and the state stays as it was") {
  for (const auto& golden : test::golden_models()) {
    if (golden.name != "h_mtp" && golden.name != "g_pro") continue;
    CAPTURE(golden.name);
    const auto& tokens = golden.sequences.back();
    Runtime<float> runtime(test::runtime_options(Numerics::exact()));
    KvState kv = golden.model->new_state(Numerics::exact());
    feed(runtime, *golden.model, kv, tokens, 0, 60);
    const std::vector<std::byte> saved = kv.save();
    KvState target = golden.model->new_state(Numerics::exact());
    feed(runtime, *golden.model, target, tokens, 0, 5);
    const std::vector<std::byte> before = target.save();
    const auto refused = [&](std::span<const std::byte> bytes) {
      try {
        target.load(bytes);
      } catch (const Error& error) {
        return error.code() == ErrorCode::bad_input && error.message().starts_with("saved state: ");
      }
      return false;
    };

    int64_t taken = 0;
    for (size_t size = 0; size < saved.size(); size += size < 2000 ? 1 : 997) {
      taken += !refused(std::span(saved).first(size));
    }
    CHECK(taken == 0);
    for (size_t at = 0; at < saved.size(); at += at < 2000 ? 1 : 997) {
      std::vector<std::byte> changed = saved;
      changed[at] ^= std::byte{0x40};
      taken += !refused(changed);
    }
    CHECK(taken == 0);
    std::vector<std::byte> longer = saved;
    longer.push_back(std::byte{0});
    CHECK(refused(longer));
    CHECK(target.save() == before);

    // A hostile file has a right checksum: the sizes in it are checked all the same.
    int64_t hostile = 0;
    for (size_t at = 0; at + 16 < saved.size(); at += at < 4000 ? 8 : 4000) {
      for (const uint64_t value : {uint64_t{0}, ~uint64_t{0}, uint64_t{1} << 40, uint64_t{61}}) {
        std::vector<std::byte> changed = saved;
        std::memcpy(changed.data() + at, &value, sizeof value);
        const uint64_t sum = XXH3_64bits(changed.data(), changed.size() - 8);
        std::memcpy(changed.data() + changed.size() - 8, &sum, sizeof sum);
        KvState other = golden.model->new_state(Numerics::exact());
        try {
          other.load(changed);
          ++hostile;  // a row's own value was changed
          CHECK(other.position() == 60);
        } catch (const Error& error) {
          CHECK(error.code() == ErrorCode::bad_input);
        }
      }
    }
    CHECK(hostile > 0);

    KvState other_numerics = golden.model->new_state(Numerics::fast());
    CHECK_THROWS_WITH_AS(other_numerics.load(saved),
                         "saved state: expected the geometry and numerics of this model, found another's",
                         Error);
  }
}

}  // namespace
}  // namespace fathom
