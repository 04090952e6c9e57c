#define PCRE2_CODE_UNIT_WIDTH 8
#include "text/regex.h"

#include <pcre2.h>
#include <time.h>

#include "base/error.h"

namespace fathom {

namespace {

constexpr size_t kJitStackBytes = 1 << 20;
constexpr uint32_t kInterpreterHeapKib = 64 << 10;
constexpr uint32_t kMaxNesting = 100;
constexpr uint64_t kCallsPerLook = 64;  // callouts between two looks at the clock

int64_t thread_nanoseconds() {
  timespec now{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return now.tv_sec * int64_t{1'000'000'000} + now.tv_nsec;
}

template <auto Free>
struct Deleter {
  template <class T>
  void operator()(T* p) const {
    Free(p);
  }
};
using Code = std::unique_ptr<pcre2_code, Deleter<pcre2_code_free>>;
using CompileContext = std::unique_ptr<pcre2_compile_context, Deleter<pcre2_compile_context_free>>;
using MatchData = std::unique_ptr<pcre2_match_data, Deleter<pcre2_match_data_free>>;
using MatchContext = std::unique_ptr<pcre2_match_context, Deleter<pcre2_match_context_free>>;
using JitStack = std::unique_ptr<pcre2_jit_stack, Deleter<pcre2_jit_stack_free>>;

template <class T>
T allocated(T pointer) {
  if (!pointer) throw Error(ErrorCode::out_of_memory, "regular expression: expected memory, found none");
  return pointer;
}

std::string message_of(int code) {
  PCRE2_UCHAR text[256] = {};
  pcre2_get_error_message(code, text, sizeof text);
  return reinterpret_cast<const char*>(text);
}

}  // namespace

struct RegexScratch::State {
  MatchData data{pcre2_match_data_create(1, nullptr)};
  MatchContext context{pcre2_match_context_create(nullptr)};
  JitStack stack{pcre2_jit_stack_create(32 << 10, kJitStackBytes, nullptr)};
  int64_t deadline = 0;
  uint64_t calls = 0;

  static int on_callout(pcre2_callout_block*, void* self) {
    auto& state = *static_cast<State*>(self);
    const bool look = ++state.calls % kCallsPerLook == 0;
    return look && thread_nanoseconds() > state.deadline ? PCRE2_ERROR_CALLOUT : 0;
  }
};

RegexScratch::RegexScratch() : state_(std::make_unique<State>()) {
  allocated(state_->data.get());
  auto* context = allocated(state_->context.get());
  pcre2_jit_stack_assign(context, nullptr, allocated(state_->stack.get()));
  pcre2_set_match_limit(context, UINT32_MAX);  // long runs of spaces need it; time is the limit
  pcre2_set_heap_limit(context, kInterpreterHeapKib);
  pcre2_set_callout(context, State::on_callout, state_.get());
}
RegexScratch::~RegexScratch() = default;
RegexScratch::RegexScratch(RegexScratch&&) noexcept = default;
RegexScratch& RegexScratch::operator=(RegexScratch&&) noexcept = default;

void RegexScratch::start_clock(int64_t bytes) {
  state_->deadline = thread_nanoseconds() + 500'000'000 + 2'000 * bytes;
}

struct Regex::State {
  Code code;
  bool jit = false;
};

Regex::Regex(const std::string& pattern, Guard guard) : state_(std::make_unique<State>()) {
  const CompileContext context(allocated(pcre2_compile_context_create(nullptr)));
  pcre2_set_newline(context.get(), PCRE2_NEWLINE_LF);
  pcre2_set_parens_nest_limit(context.get(), kMaxNesting);
  const uint32_t options = PCRE2_UTF | PCRE2_UCP | PCRE2_MULTILINE | PCRE2_NEVER_BACKSLASH_C |
                           (guard == Guard::timed ? PCRE2_AUTO_CALLOUT : 0);
  int error = 0;
  PCRE2_SIZE offset = 0;
  state_->code.reset(pcre2_compile(reinterpret_cast<PCRE2_SPTR>(pattern.data()), pattern.size(), options,
                                   &error, &offset, context.get()));
  if (!state_->code) {
    bad_input("expected a regular expression, found: {}", message_of(error));
  }
  uint32_t matches_empty = 0;
  pcre2_pattern_info(state_->code.get(), PCRE2_INFO_MATCHEMPTY, &matches_empty);
  if (matches_empty != 0) {
    bad_input("expected a pattern that cannot match the empty string, found one that can");
  }
  state_->jit = pcre2_jit_compile(state_->code.get(), PCRE2_JIT_COMPLETE) == 0;
}
Regex::~Regex() = default;
Regex::Regex(Regex&&) noexcept = default;
Regex& Regex::operator=(Regex&&) noexcept = default;

RegexMatch Regex::find(std::string_view text, int64_t from, RegexScratch& scratch) const {
  auto& s = *scratch.state_;
  const auto match = state_->jit ? pcre2_jit_match : pcre2_match;
  const int found = match(state_->code.get(), reinterpret_cast<PCRE2_SPTR>(text.data()), text.size(),
                          static_cast<size_t>(from), PCRE2_NO_UTF_CHECK, s.data.get(), s.context.get());
  if (found == PCRE2_ERROR_NOMATCH) return {};
  if (found == PCRE2_ERROR_CALLOUT) {
    bad_input("expected a pattern that takes under 0.5 s and 2 us a byte, found one that takes longer");
  }
  if (found < 0) bad_input("expected a match within limits, found: {}", message_of(found));
  const PCRE2_SIZE* ends = pcre2_get_ovector_pointer(s.data.get());
  // Guards the callers' progress; the constructor has refused patterns for which this could happen.
  if (ends[1] <= ends[0]) bad_input("expected a match that is not empty, found an empty one");
  return {static_cast<int64_t>(ends[0]), static_cast<int64_t>(ends[1])};
}

}  // namespace fathom
