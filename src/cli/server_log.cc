#include "cli/server_log.h"

#include <spdlog/async.h>
#include <spdlog/async_logger.h>
#include <spdlog/sinks/basic_file_sink.h>
#include <spdlog/sinks/stdout_sinks.h>

#include <utility>

#include "base/error.h"
#include "cli/say.h"

namespace fathom::cli {
namespace {

constexpr size_t kLines = 8192;  // that may wait

std::shared_ptr<spdlog::sinks::sink> sink_of(const std::string& path) {
  if (path == "-") return std::make_shared<spdlog::sinks::stderr_sink_mt>();
  try {
    return std::make_shared<spdlog::sinks::basic_file_sink_mt>(path);
  } catch (const spdlog::spdlog_ex& error) {
    fail(ErrorCode::io, "log: expected to write to {}, found: {}", printable(path), error.what());
  }
}

}  // namespace

struct ServerLog::State {
  std::shared_ptr<spdlog::details::thread_pool> pool =
      std::make_shared<spdlog::details::thread_pool>(kLines, 1);
  std::shared_ptr<spdlog::async_logger> logger;
};

ServerLog::ServerLog(const std::string& path) : state_(std::make_unique<State>()) {
  state_->logger = std::make_shared<spdlog::async_logger>("serve", sink_of(path), state_->pool,
                                                          spdlog::async_overflow_policy::overrun_oldest);
  state_->logger->set_pattern(R"({"time":"%Y-%m-%dT%H:%M:%S.%eZ","level":"%l",%v})",
                              spdlog::pattern_time_type::utc);
  // A log that is full stops no answer; that lines are lost is said once.
  state_->logger->set_error_handler(
      [shown = printable(path, 400), told = false](const std::string& error) mutable {
        if (!std::exchange(told, true))
          say("fathom: log {}: lines are lost: {}\n", shown, printable(error, 400));
      });
  state_->logger->flush_on(spdlog::level::info);
}

ServerLog::~ServerLog() {
  state_->logger->flush();
  state_->logger.reset();
  state_->pool.reset();  // joins its thread, which has written everything
}

void ServerLog::write(const server::RequestRecord& record) {
  const auto level = record.code >= 500 ? spdlog::level::err : spdlog::level::info;
  state_->logger->log(level, "{}", server::record_members(record));
}

}  // namespace fathom::cli
