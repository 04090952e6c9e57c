#pragma once
/// AnswerJob: one HTTP request for an answer while it runs. The engine's thread writes events into it, the
/// connection takes them out; whoever goes first leaves nothing behind.

#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "engine/price_list.h"
#include "server/api/reply.h"
#include "server/http/http.h"
#include "server/service/served_model.h"

namespace fathom::server {

/// What a job leaves behind, for the ledger and the metrics.
struct JobReport {
  std::string request_hex, route, model, key, user, status;  ///< status: ok, error, cancelled
  std::string mode;                                          ///< none, low, high or max: how it thinks
  std::string error;                                         ///< what failed, for the log alone
  int64_t created = 0;
  int code = 200;
  AnswerStats stats;
  AnswerPrice price;
};

struct JobSetup {
  ApiCall call;
  PreparedCall prepared;
  ReplyIdentity identity;
  ModelPrice price;
  std::string route, key, mode;
  ErrorShape shape = ErrorShape::deepseek;
  ServedModel* model = nullptr;
  std::function<void(JsonValue)> keep;  ///< Responses: takes the whole answer; null: it is not stored
  /// Called once, from any thread. It calls its second argument, once, when the report is where it belongs:
  /// only then does anybody see the end of the answer.
  std::function<void(const JobReport&, std::function<void()>)> report;
};

class AnswerJob final : public ReplySource, public std::enable_shared_from_this<AnswerJob> {
 public:
  explicit AnswerJob(JobSetup setup);
  /// Hands the requests to the engine. Throws ApiError 429 or 503.
  void submit();

  bool streams() const override { return setup_.call.stream; }
  void notify(std::function<void()> ready) override;
  Piece take() override;
  HttpReply whole() override;
  std::string keep_alive() override;
  void abandon() override;

 private:
  class Part;
  void prefill(int64_t done, int64_t total);
  void events(size_t part, const std::vector<AnswerEvent>& events);
  void done(size_t part, const AnswerResult& result);
  ReplyUsage usage_of(const AnswerResult& result) const;
  AnswerPrice price_of(const AnswerStats& stats) const;
  JsonValue cost_object(const AnswerStats& stats, const AnswerPrice& price) const;
  JsonValue fathom_object(const AnswerResult& result) const;
  void append(const ReplyWriter::Events& events);
  void end(const ReplyWriter::Events& events);
  void ring(bool always);

  JobSetup setup_;
  std::vector<std::unique_ptr<ReplyWriter>> writers_;
  std::vector<std::shared_ptr<Ticket>> tickets_;

  mutable std::mutex mutex_;  // guards all below
  std::function<void()> ready_;
  std::string pending_;
  size_t left_ = 0;    // parts that have not ended
  bool rung_ = false;  // nothing has been taken since
  bool ended_ = false, broken_ = false, abandoned_ = false, paused_ = false;
  std::optional<ApiError> error_;
  int64_t read_ = 0, to_read_ = 0;
  JobReport report_;
};

}  // namespace fathom::server
