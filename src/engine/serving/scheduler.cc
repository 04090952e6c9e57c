#include "engine/serving/scheduler.h"

#include <algorithm>

#include "base/error.h"
#include "engine/serving/sequence.h"

namespace fathom {

Scheduler::Scheduler(const Model& model, Runtime<float>& runtime, std::shared_ptr<const Tokenizer> tokenizer,
                     const SchedulerOptions& options)
    : model_(model),
      runtime_(runtime),
      tokenizer_(std::move(tokenizer)),
      options_(options),
      cache_(options.cache_bytes,
             options.disk.folder.empty() ? nullptr : std::make_unique<DiskCache>(options.disk)) {}

Scheduler::~Scheduler() = default;

void Scheduler::submit(EngineRequest request, std::shared_ptr<AnswerSink> sink,
                       std::shared_ptr<Ticket> ticket) {
  FATHOM_CHECK(!request.prompt.empty());
  share_.enter(request.key, request.user);
  waiting_.push_back(std::make_unique<Sequence>(std::move(request), std::move(sink), std::move(ticket)));
  Sequence& s = *waiting_.back();
  if (s.reads_cache())
    s.reserved = cache_.reserve(s.request.cache_scope, s.request.prompt, std::ssize(s.request.prompt) - 1);
}

void Scheduler::finish(Sequence& s, Outcome outcome) {
  if (s.finished) return;
  s.finished = true;
  AnswerResult& r = s.result;
  r.outcome = outcome;
  if (s.writer) {
    r.end = s.writer->end();
    r.thinking_end = s.writer->thinking_end();
    r.stop_string = s.writer->stop_string();
    r.repairs = s.writer->completion().repairs;
    r.looped = s.writer->repeats();
    if (s.request.options.token_ids) r.token_ids = s.writer->ids();
    r.stats.completion_tokens = s.writer->tokens();
    r.stats.masks = s.writer->masks();
    r.stats.mask_seconds = s.writer->mask_seconds();
    r.stats.reasoning_tokens = s.writer->reasoning_tokens();
  }
  r.stats.prompt_tokens = static_cast<int64_t>(s.request.prompt.size());
  const auto now = Clock::now();
  const auto seconds = [](auto from, auto to) { return std::chrono::duration<double>(to - from).count(); };
  if (!s.has_started) r.stats.queue_seconds = seconds(s.submitted, now);
  if (s.has_started && !s.has_token) r.stats.prefill_seconds = seconds(s.started, now);
  if (s.has_token) r.stats.decode_seconds = seconds(s.first_token, now);
  if (outcome != Outcome::failed && s.kv && s.request.cache_write) keep_state(s, !s.request.inside);
  s.kv.reset();
  share_.leave(s.request.key, s.request.user);
  s.sink->done(r);
}

void Scheduler::remove_finished() {
  const auto gone = [](const std::unique_ptr<Sequence>& s) { return s->finished; };
  waiting_.remove_if(gone);
  running_.remove_if(gone);
}

void Scheduler::drop_cancelled() {
  for (Sequences* list : {&waiting_, &running_}) {
    for (const auto& s : *list) {
      if (s->ticket->cancelled) finish(*s, Outcome::cancelled);
    }
  }
  remove_finished();
}

// Those that waited too long, or write for too long.
void Scheduler::drop_late() {
  const auto now = Clock::now();
  const auto older = [&](const Sequence& s, double seconds) {
    return std::chrono::duration<double>(now - s.submitted).count() > seconds;
  };
  for (const auto& s : waiting_) {
    if (!older(*s, options_.queue_seconds)) continue;
    s->result.queue_timeout = true;
    s->result.error = "queue: it waited too long";
    finish(*s, Outcome::failed);
  }
  if (options_.answer_seconds > 0) {
    for (const auto& s : running_) {
      if (s->finished || !older(*s, options_.answer_seconds)) continue;
      s->result.time_over = true;
      std::vector<AnswerEvent> events;
      s->writer->cut(events);
      if (!events.empty()) s->sink->events(std::move(events));
      finish(*s, Outcome::finished);
    }
  }
  remove_finished();
}

void Scheduler::cancel_all() {
  for (Sequences* list : {&waiting_, &running_}) {
    for (const auto& s : *list) finish(*s, Outcome::cancelled);
  }
  remove_finished();
}

// The state after what was read; the last token of an answer may not have been.
void Scheduler::keep_state(Sequence& s, bool to_disk) {
  const int64_t read = s.kv->position();
  if (read > 0)
    cache_.insert(s.request.cache_scope, std::span(s.tokens).first(static_cast<size_t>(read)), *s.kv,
                  to_disk);
}

int64_t Scheduler::cached_tokens(const std::string& scope, std::span<const int32_t> prompt) {
  if (prompt.empty()) return 0;
  return cache_
      .find(scope, prompt, std::ssize(prompt) - 1, [&] { return model_.new_state(runtime_.numerics()); })
      .tokens;
}

Scheduler::Sequences::iterator Scheduler::next_waiting() {
  std::array<bool, kPriorities> present{};
  for (const auto& s : waiting_) present[static_cast<size_t>(s->request.priority)] = true;
  const Priority turn = admission_turns_.next(present);
  auto best = waiting_.end();
  for (auto it = waiting_.begin(); it != waiting_.end(); ++it) {
    if ((*it)->request.priority != turn) continue;
    if (best == waiting_.end() || (*it)->served(share_) < (*best)->served(share_)) best = it;
  }
  return best;
}

bool Scheduler::fits_memory(const Sequence& s) const {
  if (options_.memory_bytes <= 0) return true;
  int64_t used = kv_state_bytes(model_.config(), runtime_.numerics(), model_.mtp_blocks(),
                                static_cast<int64_t>(s.request.prompt.size()), 0)
                     .total();
  for (const auto& other : running_) {
    if (other->kv) used += other->kv->bytes().total();
  }
  return used + runtime_.arena().bytes() + model_.weights().copied_bytes() <= options_.memory_bytes;
}

void Scheduler::start(Sequence& s) {
  s.has_started = true;
  s.started = Clock::now();
  s.result.stats.queue_seconds = std::chrono::duration<double>(s.started - s.submitted).count();
  s.writer = std::make_unique<AnswerWriter>(tokenizer_, s.request.options, s.request.prompt);
  s.tokens = s.request.prompt;
  PrefixCache::Found found;
  // At least the last token runs again, for its logits.
  if (s.reads_cache()) {
    found = cache_.find(s.request.cache_scope, s.tokens, std::ssize(s.tokens) - 1,
                        [&] { return model_.new_state(runtime_.numerics()); });
  }
  s.reserved = {};
  s.kv =
      found.state ? std::move(found.state) : std::make_unique<KvState>(model_.new_state(runtime_.numerics()));
  s.result.stats.cached_tokens = found.tokens;
  s.result.stats.matched_tokens = found.matched;
  // Where others left this way a state is kept, so that the next one need not read so far again.
  s.branch = found.matched > found.tokens ? found.matched : 0;
  s.sink->started(found.tokens);
}

void Scheduler::admit() {
  while (!waiting_.empty() && std::ssize(running_) < options_.max_sequences) {
    const auto next = next_waiting();
    Sequence& s = **next;
    if (!fits_memory(s)) {
      if (!running_.empty()) return;  // those that run will make room
      s.result.out_of_memory = true;
      s.result.error = "memory: the prompt's state does not fit";
      finish(s, Outcome::failed);
      remove_finished();
      continue;
    }
    running_.splice(running_.end(), waiting_, next);
    try {
      start(s);
    } catch (const std::exception& error) {
      s.result.error = error.what();
      finish(s, Outcome::failed);
      remove_finished();
    }
  }
}

std::vector<Scheduler::Planned> Scheduler::plan() {
  std::vector<Planned> planned;
  std::vector<Sequence*> reading;
  int64_t rows = 0;
  for (const auto& s : running_) {
    if (s->ticket->paused) continue;
    if (s->unread() > 1 || s->reads_prompt()) {
      reading.push_back(s.get());
    } else if (rows < options_.step_rows) {
      planned.push_back({s.get(), 1});
      ++rows;
    }
  }
  // Answers first; prompts share what is left, one chunk each, the least served first.
  while (!reading.empty() && rows < options_.step_rows) {
    std::array<bool, kPriorities> present{};
    for (const Sequence* s : reading) present[static_cast<size_t>(s->request.priority)] = true;
    const Priority turn = prompt_turns_.next(present);
    auto best = reading.end();
    for (auto it = reading.begin(); it != reading.end(); ++it) {
      if ((*it)->request.priority != turn) continue;
      if (best == reading.end() || (*it)->served(share_) < (*best)->served(share_)) best = it;
    }
    Sequence& s = **best;
    const int64_t count =
        s.chunk(std::min(options_.prompt_chunk, options_.step_rows - rows), options_.cache_interval);
    planned.push_back({&s, count});
    rows += count;
    reading.erase(best);
  }
  return planned;
}

bool Scheduler::step() {
  drop_cancelled();
  drop_late();
  admit();
  const std::vector<Planned> planned = plan();
  if (planned.empty()) return false;
  try {
    run(planned);
  } catch (const std::exception&) {
    run_each(planned);
  }
  remove_finished();
  return true;
}

SchedulerStats Scheduler::stats() const {
  SchedulerStats stats;
  for (const auto& s : waiting_) ++stats.queued[static_cast<size_t>(s->request.priority)];
  stats.running = std::ssize(running_);
  stats.rows_last_step = rows_last_step_;
  stats.steps = steps_;
  for (const auto& s : running_) stats.kv_bytes += s->kv ? s->kv->bytes().total() : 0;
  stats.cache_bytes = cache_.bytes();
  stats.cache_entries = cache_.entries();
  stats.cache_evictions = cache_.evictions();
  if (cache_.disk()) stats.disk = cache_.disk()->stats();
  return stats;
}

}  // namespace fathom
