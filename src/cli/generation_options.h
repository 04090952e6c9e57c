#pragma once
/// Sampling and length flags shared by run and chat.

#include <optional>
#include <string>
#include <vector>

#include "cli/common_options.h"
#include "cli/price_options.h"
#include "engine/chat_setup.h"

namespace fathom::cli {

struct GenerationOptions {
  std::optional<double> temperature, top_p, min_p, repetition_penalty, presence_penalty, frequency_penalty;
  std::optional<int64_t> top_k, max_tokens;
  std::optional<uint64_t> seed;
  std::vector<std::string> logit_bias;  ///< ID=VALUE
  std::vector<std::string> stops;
  std::string think = "high", system, prompt_encoding;
  PriceOptions prices;

  void add_to(CLI::App& command);
  /// The folder's defaults overridden by what was given. `thinking` decides the default length.
  GenerateOptions resolve(const ChatSetup& setup, const ThinkingSetting& thinking) const;
  /// The folder's set-up, its generation overridden by --prompt-encoding.
  ChatSetup setup(const OpenedModel& model) const;
};

/// Seconds and tokens of an answer in one line: "12 tokens read in 0.01 s (1,234/s), ...".
std::string stats_line(const OpenedModel& model, const Session& session, const GenerateResult& result,
                       const std::vector<int32_t>& stop_tokens, const PriceList& prices);

/// Prompt reading shown as a bar with rate and time left, on standard error and only on a terminal.
Progress prefill_bar();

}  // namespace fathom::cli
