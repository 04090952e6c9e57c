// The state of a sequence can be cut, copied, saved and restored at every position (design: hard point 10):
// what follows has the bits of a run that was never interrupted, and the bytes reported are those of the
// formula.
#include "tests/engine/model_runs.h"

namespace fathom {
namespace {

using test::feed;

// Positions that are restored, and how many tokens are then compared.
constexpr int64_t kPositions = 600, kCompared = 40;

// Rows [begin, end) of a whole run, as feed() gives them when the draft block stands at `draft`.
bool continues(const test::Rows& whole, const test::Rows& part, int64_t begin, int64_t draft, int64_t vocab,
               int64_t width) {
  const auto same = [](const std::vector<float>& all, const std::vector<float>& some, int64_t first) {
    return first >= 0 && static_cast<size_t>(first) + some.size() <= all.size() &&
           test::same_bits(std::span(all).subspan(static_cast<size_t>(first), some.size()), some);
  };
  return same(whole.logits, part.logits, begin * vocab) && same(whole.streams, part.streams, begin * width) &&
         same(whole.mtp_logits, part.mtp_logits, draft * vocab);
}

struct Case {
  const Model& model;
  const std::vector<int32_t>& tokens;
  Runtime<float>& runtime;
  test::Rows whole;
  int64_t size() const { return static_cast<int64_t>(tokens.size()); }

  // Goes on from kv and compares with the whole run.
  bool goes_on(KvState& kv, int64_t count = kCompared) {
    const int64_t begin = kv.position(), draft = kv.draft_position();
    const test::Rows part =
        feed(runtime, model, kv, tokens, begin, std::min(begin + count, size()), &whole.streams);
    return continues(whole, part, begin, draft, model.config().vocab_size,
                     model.config().hc_mult * model.config().hidden_size);
  }
};

// Checks of every position of one sequence; counts what fails, so that a broken state gives a short report.
void check_every_position(Case& c) {
  const Model& model = c.model;
  const Numerics& numerics = c.runtime.numerics();
  KvState walking = model.new_state(numerics);
  const int64_t last = std::min(kPositions, c.size() - 1);
  std::vector<KvState> recent;  // forks of the last positions, to cut from
  int64_t bytes = 0, fork = 0, load = 0, shallow = 0, shallow_place = 0;
  for (int64_t p = 0; p <= last; ++p) {
    bytes += walking.bytes() !=
             kv_state_bytes(model.config(), numerics, model.mtp_blocks(), p, walking.draft_position());
    KvState forked = walking.fork();
    fork += !c.goes_on(forked);
    KvState loaded = model.new_state(numerics);
    loaded.load(walking.save());
    load += loaded.bytes() != walking.bytes() || !c.goes_on(loaded);
    // Taking back up to 64 positions lands exactly where it was asked to.
    KvState cut = walking.fork();
    const int64_t back = std::max<int64_t>(0, p - (p * 7 + 3) % 65);
    shallow_place += cut.truncate(back) != back || cut.position() != back;
    shallow += !c.goes_on(cut);
    if (p < last) feed(c.runtime, model, walking, c.tokens, p, p + 1);
  }
  CHECK(bytes == 0);
  CHECK(fork == 0);
  CHECK(load == 0);
  CHECK(shallow_place == 0);
  CHECK(shallow == 0);
}

// From the end of the sequence back to every position.
void check_cuts_from_the_end(Case& c) {
  KvState whole = c.model.new_state(c.runtime.numerics());
  feed(c.runtime, c.model, whole, c.tokens, 0, c.size());
  int64_t place = 0, bits = 0, formula = 0;
  for (int64_t p = std::min(kPositions, c.size() - 1); p >= 0; --p) {
    KvState cut = whole.fork();
    const int64_t held = cut.held(p), q = cut.truncate(p);
    place += q != held || q > p || cut.position() != q || (p >= c.size() - 64 && q != p);
    bits += !c.goes_on(cut, std::max(kCompared, p - q + 8));
    formula += cut.bytes().entries > whole.bytes().entries;
  }
  CHECK(place == 0);
  CHECK(bits == 0);
  CHECK(formula == 0);
  CHECK(whole.position() ==
        c.size());  // forks share pages, but what a fork does leaves the others as they are
  KvState again = whole.fork();
  again.truncate(c.size() - 1);
  CHECK(c.goes_on(again));
}

TEST_CASE("fork, save, load and truncate at every position") {
  for (const auto& golden : test::golden_models()) {
    CAPTURE(golden.name);
    const auto& tokens = *std::max_element(golden.sequences.begin(), golden.sequences.end(),
                                           [](const auto& a, const auto& b) { return a.size() < b.size(); });
    const bool quantised = golden.model->config().quantised;
    for (const Numerics& numerics : {quantised ? Numerics::release() : Numerics::exact(), Numerics::fast()}) {
      CAPTURE(name(numerics.mode));
      Runtime<float> runtime(test::runtime_options(numerics));
      Case c{*golden.model, tokens, runtime,
             test::feed_all(runtime, *golden.model, tokens, static_cast<int64_t>(tokens.size()))};
      check_every_position(c);
      check_cuts_from_the_end(c);
    }
  }
}

TEST_CASE("a snapshot about every 8,192 tokens is kept for good, whatever the page") {
  for (const auto& golden : test::golden_models()) {
    if (golden.name != "h_mtp" && golden.name != "i_csa_m6") continue;  // pages of 128 and of 132 tokens
    CAPTURE(golden.name);
    const Model& model = *golden.model;
    std::vector<int32_t> tokens;
    for (int64_t i = 0; i < 16'700; ++i) {
      tokens.push_back(static_cast<int32_t>((i * i + i / 7) % model.config().vocab_size));
    }
    Runtime<float> runtime(test::runtime_options(Numerics::exact()));
    Case c{model, tokens, runtime, test::feed_all(runtime, model, tokens, 512)};
    KvState whole = model.new_state(runtime.numerics());
    for (int64_t at = 0; at < c.size(); at += 512) {
      feed(runtime, model, whole, tokens, at, std::min(at + 512, c.size()));
    }
    CHECK(whole.bytes() == kv_state_bytes(model.config(), runtime.numerics(), model.mtp_blocks(), c.size(),
                                          whole.draft_position()));
    const int64_t page = page_tokens(model.config());
    for (const int64_t p : {int64_t{100}, int64_t{8191}, int64_t{8500}, int64_t{16'000}, int64_t{16'600}}) {
      CAPTURE(p);
      int64_t expected = 0;
      for (int64_t border = page; border <= p; border += page) {
        const bool for_good = border / 8192 != (border - page) / 8192;
        if (for_good || border + 2 * page > c.size()) expected = border;
      }
      KvState cut = whole.fork();
      CHECK(cut.truncate(p) == expected);
      CHECK(c.goes_on(cut));
    }
  }
}

}  // namespace
}  // namespace fathom
