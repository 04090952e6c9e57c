#include "server/service/answer_job.h"

#include <cmath>

#include "base/error.h"
#include "server/api/json_text.h"

namespace fathom::server {
namespace {

constexpr size_t kPauseBytes = size_t{4} << 20;  // unsent output of a slow reader

JsonValue list_of(const std::vector<std::string>& texts) {
  JsonValue::Array list;
  for (const std::string& text : texts) list.emplace_back(text);
  return list;
}

// Why an answer ended before its time, in words; null: it did not.
const char* lacking(const AnswerResult& result) {
  return result.out_of_memory                   ? "the memory for this answer cannot be had"
         : result.time_over                     ? "the time that an answer may take is over"
         : result.funds_over                    ? "the balance of this key is used up"
         : result.outcome == Outcome::cancelled ? "the server is shutting down"
                                                : nullptr;
}

int64_t milliseconds(double seconds) { return std::llround(seconds * 1000); }

}  // namespace

// The engine's side of one request of the job.
class AnswerJob::Part final : public AnswerSink {
 public:
  Part(std::shared_ptr<AnswerJob> job, size_t index) : job_(std::move(job)), index_(index) {}
  void started(int64_t) override {}
  void prefill(int64_t done, int64_t total) override { job_->prefill(done, total); }
  void events(std::vector<AnswerEvent> events) override { job_->events(index_, events); }
  void done(const AnswerResult& result) override { job_->done(index_, result); }

 private:
  std::shared_ptr<AnswerJob> job_;
  size_t index_;
};

AnswerJob::AnswerJob(JobSetup setup) : setup_(std::move(setup)) {
  const auto& requests = setup_.prepared.requests;
  for (size_t i = 0; i < requests.size(); ++i) {
    tickets_.push_back(std::make_shared<Ticket>());
    if (setup_.call.return_token_ids || setup_.call.inside) setup_.identity.prompt_ids = requests[i].prompt;
    if (setup_.call.inside) {
      writers_.push_back(make_inside_writer(setup_.call, setup_.identity, setup_.model->model->config()));
      continue;
    }
    switch (setup_.call.dialect) {
      case Dialect::chat:
        writers_.push_back(make_chat_writer(setup_.call, setup_.identity, setup_.prepared.starts_reasoning));
        break;
      case Dialect::completions:
        writers_.push_back(
            make_completions_writer(setup_.call, setup_.identity, static_cast<int64_t>(i),
                                    setup_.call.echo ? setup_.prepared.echoed[i] : std::string(),
                                    setup_.call.echo ? requests[i].prompt : std::vector<int32_t>()));
        break;
      case Dialect::messages:
        writers_.push_back(make_messages_writer(setup_.call, setup_.identity));
        break;
      case Dialect::responses:
        writers_.push_back(make_responses_writer(setup_.call, setup_.identity));
        break;
    }
  }
  for (const auto& writer : writers_)
    writer->set_pieces(streams() ? ReplyWriter::Pieces::json : ReplyWriter::Pieces::none);
  left_ = requests.size();
  report_.request_hex = setup_.identity.id;
  report_.route = setup_.route;
  report_.model = setup_.model->name;
  report_.key = setup_.key;
  report_.mode = setup_.mode;
  report_.user = setup_.call.user;
  report_.created = setup_.identity.created;
  report_.status = "ok";
}

void AnswerJob::submit() {
  for (size_t i = 0; i < writers_.size(); ++i) {
    ReplyUsage usage;
    usage.prompt = std::ssize(setup_.prepared.requests[i].prompt);
    ReplyWriter::Events events;
    writers_[i]->start(usage, events);
    if (streams()) {
      for (const ReplyEvent& event : events) pending_ += event_text(event);
    }
    to_read_ += usage.prompt;
  }
  for (size_t i = 0; i < writers_.size(); ++i) {
    EngineRequest request = std::move(setup_.prepared.requests[i]);
    request.key = setup_.key;
    request.cache_scope = setup_.key + '\0' + setup_.call.user;
    const auto admission = setup_.model->engine->submit(
        std::move(request), std::make_shared<Part>(shared_from_this(), i), tickets_[i]);
    if (admission == EngineThread::Admission::accepted) continue;
    for (const auto& ticket : tickets_) ticket->cancelled = true;
    setup_.model->engine->wake();
    const bool own = admission == EngineThread::Admission::key_queue_full;
    ApiError error(own ? 429 : 503, own ? "rate_limit_exceeded" : "service_unavailable",
                   own                                              ? "the queue of this key is full"
                   : admission == EngineThread::Admission::stopping ? "the server is shutting down"
                                                                    : "the queue is full");
    error.retry_after = 1;
    throw error;
  }
}

// Once for all that comes until it is taken, but for the end.
void AnswerJob::ring(bool always) {
  std::function<void()> ready;
  {
    const std::lock_guard lock(mutex_);
    if (std::exchange(rung_, true) && !always) return;
    ready = ready_;
  }
  if (ready) ready();
}

void AnswerJob::notify(std::function<void()> ready) {
  const std::lock_guard lock(mutex_);
  rung_ = false;
  ready_ = std::move(ready);
}

void AnswerJob::append(const ReplyWriter::Events& events) {
  if (!streams() || abandoned_) return;
  for (const ReplyEvent& event : events) pending_ += event_text(event);
  if (pending_.size() > kPauseBytes && !paused_) {
    paused_ = true;
    for (const auto& ticket : tickets_) ticket->paused = true;
  }
}

void AnswerJob::prefill(int64_t done, int64_t total) {
  const std::lock_guard lock(mutex_);
  read_ = done;
  to_read_ = total;
}

void AnswerJob::events(size_t part, const std::vector<AnswerEvent>& events) {
  {
    const std::lock_guard lock(mutex_);
    ReplyWriter::Events out;
    for (const AnswerEvent& event : events) writers_[part]->event(event, out);
    append(out);
  }
  if (streams()) ring(false);
}

AnswerPrice AnswerJob::price_of(const AnswerStats& stats) const {
  return setup_.price.of(stats.prompt_tokens - stats.cached_tokens, stats.cached_tokens,
                         stats.completion_tokens, stats.engine_seconds, stats.prefill_seconds,
                         stats.decode_seconds);
}

JsonValue AnswerJob::cost_object(const AnswerStats& stats, const AnswerPrice& price) const {
  return JsonValue::Object{
      {"currency", setup_.price.currency},
      {"price_table", setup_.price.table},
      {"input", json_decimal(decimal(price.input))},
      {"cached_input", json_decimal(decimal(price.cached_input))},
      {"output", json_decimal(decimal(price.output))},
      {"total", json_decimal(decimal(price.total))},
      {"seconds", std::round(stats.engine_seconds * 1e6) / 1e6},
      {"energy_joules", stats.joules ? JsonValue(std::round(*stats.joules * 1e6) / 1e6) : JsonValue()}};
}

JsonValue AnswerJob::fathom_object(const AnswerResult& result) const {
  JsonValue::Object out{{"seed", json_integer(static_cast<int64_t>(setup_.prepared.seed))}};
  if (setup_.prepared.lowered_max_tokens)
    out.push_back({"max_tokens", json_integer(*setup_.prepared.lowered_max_tokens)});
  std::vector<std::string> ignored = setup_.call.ignored.paths();
  ignored.insert(ignored.end(), setup_.prepared.ignored.begin(), setup_.prepared.ignored.end());
  if (!ignored.empty()) out.push_back({"ignored", list_of(ignored)});
  if (!setup_.prepared.unenforced.empty()) out.push_back({"unenforced", list_of(setup_.prepared.unenforced)});
  std::vector<std::string> repairs;
  for (const Repair& repair : result.repairs) repairs.emplace_back(repair.kind);
  if (!repairs.empty()) out.push_back({"repairs", list_of(repairs)});
  if (result.thinking_end != ThinkingEnd::none)
    out.push_back({"thinking_ended_by", std::string(name(result.thinking_end))});
  if (result.stats.matched_tokens > 0)
    out.push_back({"matched_tokens", json_integer(result.stats.matched_tokens)});
  std::string detail = result.context_full                    ? "context"
                       : result.out_of_memory                 ? "memory"
                       : result.time_over                     ? "time"
                       : result.funds_over                    ? "balance"
                       : result.outcome == Outcome::cancelled ? "shutdown"
                       : result.stats.completion_tokens == result.stats.reasoning_tokens &&
                               setup_.call.max_tokens.value_or(1) > 0
                           ? "empty_answer"
                           : "";
  if (!detail.empty()) out.push_back({"stop_detail", detail});
  out.push_back({"queue_ms", json_integer(milliseconds(result.stats.queue_seconds))});
  out.push_back({"prefill_ms", json_integer(milliseconds(result.stats.prefill_seconds))});
  out.push_back({"decode_ms", json_integer(milliseconds(result.stats.decode_seconds))});
  return out;
}

ReplyUsage AnswerJob::usage_of(const AnswerResult& result) const {
  ReplyUsage usage;
  usage.prompt = result.stats.prompt_tokens;
  usage.cached = result.stats.cached_tokens;
  usage.completion = result.stats.completion_tokens;
  usage.reasoning = result.stats.reasoning_tokens;
  if (!setup_.identity.extensions) return usage;
  const AnswerPrice price = price_of(result.stats);
  usage.cost = cost_object(result.stats, price);
  usage.cost_total = decimal(price.total);
  usage.fathom = fathom_object(result);
  return usage;
}

void AnswerJob::done(size_t part, const AnswerResult& result) {
  std::optional<JobReport> report;
  ReplyWriter::Events out;
  {
    const std::lock_guard lock(mutex_);
    const AnswerPrice price = price_of(result.stats);
    AnswerStats& all = report_.stats;
    all.prompt_tokens += result.stats.prompt_tokens;
    all.cached_tokens += result.stats.cached_tokens;
    all.completion_tokens += result.stats.completion_tokens;
    all.reasoning_tokens += result.stats.reasoning_tokens;
    all.engine_seconds += result.stats.engine_seconds;
    if (result.stats.joules) all.joules = all.joules.value_or(0) + *result.stats.joules;
    all.masks += result.stats.masks;
    all.mask_seconds += result.stats.mask_seconds;
    all.queue_seconds = std::max(all.queue_seconds, result.stats.queue_seconds);
    all.first_token_seconds = std::max(all.first_token_seconds, result.stats.first_token_seconds);
    all.prefill_seconds = std::max(all.prefill_seconds, result.stats.prefill_seconds);
    all.decode_seconds = std::max(all.decode_seconds, result.stats.decode_seconds);
    report_.price.input += price.input;
    report_.price.cached_input += price.cached_input;
    report_.price.output += price.output;
    report_.price.total += price.total;
    const char* lack = lacking(result);
    if (result.outcome != Outcome::failed && !error_ && !abandoned_ && lack &&
        setup_.call.dialect == Dialect::messages) {  // no stop_reason says so (api.md section 2.4)
      error_ = ApiError(503, "service_unavailable", lack);
      report_.status = "error";
      report_.error = lack;
      report_.code = error_->status;
      writers_[part]->failure(*error_, out);
    } else if (result.outcome == Outcome::failed && !error_) {
      error_ = result.out_of_memory
                   ? ApiError(503, "service_unavailable", "the memory for this context cannot be had")
               : result.queue_timeout
                   ? ApiError(408, "queue_timeout", "the request has waited in the queue for too long")
                   : ApiError(500, "internal_error", "The engine failed on this request");
      report_.status = "error";
      report_.error = result.error;
      report_.code = error_->status;
      writers_[part]->failure(*error_, out);
    } else if (!error_) {
      writers_[part]->finish(result, usage_of(result), out);
      // Before its reader has it: the next request may go on from it at once.
      if (setup_.keep && !abandoned_) setup_.keep(writers_[part]->final());
    }
    if (abandoned_) report_.status = "cancelled", report_.code = 499;
    if (--left_ == 0) {
      if (setup_.call.dialect == Dialect::completions && !error_) out.push_back({"", {}, true});
      report = report_;
    }
  }
  if (report && setup_.report) {
    // Who has the whole answer finds its row in the ledger, whatever happens next.
    return setup_.report(*report, [self = shared_from_this(), out = std::move(out)] { self->end(out); });
  }
  if (report) return end(out);
  {
    const std::lock_guard lock(mutex_);
    append(out);
  }
  ring(false);
}

void AnswerJob::end(const ReplyWriter::Events& events) {
  {
    const std::lock_guard lock(mutex_);
    append(events);
    ended_ = true;
    broken_ = error_.has_value();
  }
  ring(true);
}

ReplySource::Piece AnswerJob::take() {
  Piece piece;
  bool resume = false;
  {
    const std::lock_guard lock(mutex_);
    rung_ = false;
    if (streams()) piece.data = std::exchange(pending_, {});
    piece.end = ended_;
    piece.broken = broken_;
    resume = std::exchange(paused_, false);
    if (resume) {
      for (const auto& ticket : tickets_) ticket->paused = false;
    }
  }
  if (resume) setup_.model->engine->wake();
  return piece;
}

HttpReply AnswerJob::whole() {
  const std::lock_guard lock(mutex_);
  HttpReply reply;
  if (error_) {
    reply.status = error_->status;
    reply.body = compact_json(error_body(*error_, setup_.shape, "req_" + setup_.identity.id));
    return reply;
  }
  JsonValue body = writers_.front()->final();
  if (writers_.size() > 1) {  // several prompts: one list of choices, one sum of tokens
    ReplyUsage usage;
    usage.prompt = report_.stats.prompt_tokens;
    usage.cached = report_.stats.cached_tokens;
    usage.completion = report_.stats.completion_tokens;
    if (setup_.identity.extensions) {
      usage.cost = cost_object(report_.stats, report_.price);
      usage.cost_total = decimal(report_.price.total);
    }
    JsonValue::Array choices;
    for (const auto& writer : writers_) {
      const JsonValue one = writer->final();
      choices.push_back(one.find("choices")->as_array()->front());
    }
    JsonValue::Object merged;
    for (const JsonMember& member : *body.as_object()) {
      if (member.key == "choices") {
        merged.push_back({"choices", choices});
      } else if (member.key == "usage") {
        merged.push_back({"usage", openai_usage(usage, true)});
      } else if (member.key == "cost") {
        merged.push_back({"cost", usage.cost});
      } else {
        merged.push_back(member);
      }
    }
    body = std::move(merged);
  }
  reply.body = compact_json(body);
  return reply;
}

std::string AnswerJob::keep_alive() {
  if (setup_.call.dialect == Dialect::messages) return "event: ping\ndata: {\"type\":\"ping\"}\n\n";
  const std::lock_guard lock(mutex_);
  if (read_ > 0 && read_ < to_read_)
    return fmt::format(": keep-alive {{\"phase\":\"prefill\",\"done\":{},\"total\":{}}}\n\n", read_,
                       to_read_);
  return ": keep-alive\n\n";
}

void AnswerJob::abandon() {
  {
    const std::lock_guard lock(mutex_);
    if (ended_) return;
    abandoned_ = true;
    pending_.clear();
    for (const auto& ticket : tickets_) ticket->cancelled = true;
  }
  setup_.model->engine->wake();
}

}  // namespace fathom::server
