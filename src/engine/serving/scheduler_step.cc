// One step of the scheduler: the forward pass over what was planned, and what its logits become.
#include <exception>

#include "engine/serving/scheduler.h"
#include "engine/serving/sequence.h"

namespace fathom {

// A token that is due in a step: what it is chosen from, and what comes of it.
struct Scheduler::Chosen {
  Sequence* sequence;
  std::span<const float> logits;
  std::vector<AnswerEvent> events;
  std::optional<int32_t> next;
  std::exception_ptr error;
};

void Scheduler::run(const std::vector<Planned>& planned) {
  const auto begin = Clock::now();
  const std::optional<double> joules_before = energy_.joules();
  Context<float> ctx = runtime_.context(model_.config());
  const ArenaScope scope(ctx.arena());
  Batch batch;
  InsideTrace inside(model_.config());
  std::vector<Sequence*> looked_into;
  for (const Planned& p : planned) {
    const auto at = static_cast<size_t>(p.sequence->kv->position());
    const bool all = p.sequence->request.prompt_logprobs >= 0 && p.sequence->reads_prompt();
    const bool last = p.sequence->unread() == p.count;
    batch.add(*p.sequence->kv, std::span(p.sequence->tokens).subspan(at, static_cast<size_t>(p.count)),
              all    ? LogitRows::all
              : last ? LogitRows::last
                     : LogitRows::none);
    if (!p.sequence->looks_inside(p.count)) continue;
    inside.watch(batch.rows() - 1);
    looked_into.push_back(p.sequence);
  }
  if (inside.watches()) ctx.trace = &inside;
  const ForwardResult<float> result = model_.forward(ctx, batch);
  const double seconds = std::chrono::duration<double>(Clock::now() - begin).count();
  for (size_t i = 0; i < looked_into.size(); ++i)
    looked_into[i]->result.inside = std::make_shared<InsideView>(std::move(inside.views()[i]));
  const std::optional<double> joules = energy_.joules();
  rows_last_step_ = batch.rows();
  ++steps_;
  int64_t row = 0;
  std::vector<Chosen> due;
  for (size_t i = 0; i < planned.size(); ++i) {
    Sequence& s = *planned[i].sequence;
    const double share = static_cast<double>(planned[i].count) / static_cast<double>(batch.rows());
    s.result.stats.engine_seconds += seconds * share;
    if (joules && joules_before)
      s.result.stats.joules = s.result.stats.joules.value_or(0) + (*joules - *joules_before) * share;
    const LogitRows kind = batch.spans[i].logits;
    const int64_t rows = kind == LogitRows::none ? 0 : kind == LogitRows::last ? 1 : planned[i].count;
    const std::span<const float> logits(result.logits.data + row * result.logits.cols,
                                        static_cast<size_t>(rows * result.logits.cols));
    row += rows;
    share_.charge(s.request.key, s.request.user, planned[i].count);
    try {
      if (receive(s, planned[i].count, logits, rows)) {
        const auto vocab = static_cast<size_t>(result.logits.cols);
        due.push_back({&s, logits.last(vocab), {}, {}, {}});
      }
    } catch (const std::exception& error) {
      s.result.error = error.what();
      finish(s, Outcome::failed);
    }
  }
  choose(due);
  for (Chosen& chosen : due) {
    try {
      advance(chosen);
    } catch (const std::exception& error) {
      chosen.sequence->result.error = error.what();
      finish(*chosen.sequence, Outcome::failed);
    }
  }
}

// Each sequence has what it chooses with to itself, so threads share them.
void Scheduler::choose(std::vector<Chosen>& due) {
  const auto one = [](Chosen& c) {
    try {
      c.next = c.sequence->writer->next(c.logits, c.sequence->kv->position(), c.events);
    } catch (...) {
      c.error = std::current_exception();
    }
  };
  constexpr int64_t kGrain = 4;  // fewer are not worth a thread's waking
  runtime_.pool().parallel_for(std::ssize(due), kGrain, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) one(due[static_cast<size_t>(i)]);
  });
}

// Whether its allowance has the next token.
bool Scheduler::is_allowed(const Sequence& s, Clock::time_point now) {
  if (!s.request.allowance) return true;
  AnswerStats stats = s.result.stats;
  stats.prompt_tokens = std::ssize(s.request.prompt);
  stats.completion_tokens = std::min(s.writer->tokens() + 1, s.request.options.max_tokens);
  stats.decode_seconds = std::chrono::duration<double>(now - s.first_token).count();
  return s.request.allowance->allows(stats);
}

// What a step gave a sequence. True: its next token is due.
bool Scheduler::receive(Sequence& s, int64_t count, std::span<const float> logits, int64_t logit_rows) {
  const auto vocab = static_cast<size_t>(model_.config().vocab_size);
  const int64_t position = s.kv->position();
  const auto prompt = static_cast<int64_t>(s.request.prompt.size());
  if (s.request.prompt_logprobs >= 0 && position <= prompt) {
    for (int64_t i = 0; i < logit_rows; ++i) {
      const int64_t next = position - count + i + 1;
      if (next >= prompt) break;
      s.result.prompt_logprobs.push_back(
          log_probabilities(logits.subspan(static_cast<size_t>(i) * vocab, vocab),
                            s.tokens[static_cast<size_t>(next)], s.request.prompt_logprobs));
    }
  }
  if (position < prompt) {
    s.sink->prefill(position, prompt);
    const bool keep = position == s.branch || position % options_.cache_interval == 0;
    // Long states hold these positions themselves: no file for each.
    if (keep && s.request.cache_write) keep_state(s, position == s.branch);
    return false;
  }
  if (s.unread() > 0) return false;
  const auto now = Clock::now();
  if (!s.has_token) {
    s.has_token = true;
    s.first_token = now;
    s.result.stats.prefill_seconds = std::chrono::duration<double>(now - s.started).count();
    s.result.stats.first_token_seconds = std::chrono::duration<double>(now - s.submitted).count();
    if (s.request.cache_write) keep_state(s, !s.request.inside);
  }
  if (!is_allowed(s, now)) {
    std::vector<AnswerEvent> events;
    s.result.funds_over = true;
    s.writer->cut(events);
    if (!events.empty()) s.sink->events(std::move(events));
    finish(s, Outcome::finished);
    return false;
  }
  return true;
}

void Scheduler::advance(Chosen& chosen) {
  if (chosen.error) std::rethrow_exception(chosen.error);
  Sequence& s = *chosen.sequence;
  if (chosen.next && s.kv->position() >= model_.config().max_position_embeddings) {
    s.result.context_full = true;
    s.writer->cut(chosen.events);
  } else if (chosen.next) {
    s.tokens.push_back(*chosen.next);
  }
  if (!chosen.events.empty()) s.sink->events(std::move(chosen.events));
  if (s.writer->done()) finish(s, Outcome::finished);
}

// A step failed: find out which of its sequences it was by running each alone.
void Scheduler::run_each(const std::vector<Planned>& planned) {
  for (const Planned& p : planned) {
    if (p.sequence->finished) continue;
    try {
      const int64_t count = std::min(p.sequence->unread(), options_.prompt_chunk);
      run({{p.sequence, count}});
    } catch (const std::bad_alloc&) {
      p.sequence->result.out_of_memory = true;
      p.sequence->result.error = "out of memory";
      finish(*p.sequence, Outcome::failed);
    } catch (const std::exception& error) {
      p.sequence->result.error = error.what();
      finish(*p.sequence, Outcome::failed);
    }
  }
}

}  // namespace fathom
