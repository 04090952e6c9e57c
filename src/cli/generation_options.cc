#include "cli/generation_options.h"

#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <ctime>
#include <random>

#include "base/error.h"
#include "cli/interrupt.h"
#include "cli/number_checks.h"
#include "cli/say.h"

namespace fathom::cli {

void GenerationOptions::add_to(CLI::App& command) {
  command.add_option("--system", system, "System message");
  command.add_option("--think", think, "Thinking: off, low, high, max (default high)");
  command.add_option("--prompt-encoding", prompt_encoding, "2026-04 or 2026-08 (default: the checkpoint's)");
  command.add_option("--max-tokens", max_tokens, "Most tokens of the answer")
      ->check(whole_number(1, INT64_MAX));
  command.add_option("--temperature", temperature, "0 = greedy");
  command.add_option("--top-p", top_p, "Nucleus sampling");
  command.add_option("--top-k", top_k, "0 = off")->check(whole_number(0, INT64_MAX));
  command.add_option("--min-p", min_p, "0 = off");
  command.add_option("--repetition-penalty", repetition_penalty, "1 = off");
  command.add_option("--presence-penalty", presence_penalty, "0 = off");
  command.add_option("--frequency-penalty", frequency_penalty, "0 = off");
  command.add_option("--logit-bias", logit_bias, "ID=VALUE, repeatable; -100 bans a token");
  command.add_option("--seed", seed, "Random seed (default: drawn)")->check(whole_number(0, UINT64_MAX));
  command.add_option("--stop", stops, "Stop string, repeatable");
  prices.add_to(command);
}

ChatSetup GenerationOptions::setup(const OpenedModel& model) const {
  ChatSetup setup = read_chat_setup(model_folder(model.path),
                                    model.model->weights().checkpoint().config_json(), model.model->config());
  if (!prompt_encoding.empty()) setup.generation = parse_generation(prompt_encoding);
  return setup;
}

GenerateOptions GenerationOptions::resolve(const ChatSetup& setup, const ThinkingSetting& thinking) const {
  GenerateOptions out;
  out.sampling = setup.sampling;
  SamplingParams& s = out.sampling;
  s.temperature = temperature.value_or(s.temperature);
  s.top_p = top_p.value_or(s.top_p);
  s.min_p = min_p.value_or(s.min_p);
  s.top_k = top_k.value_or(s.top_k);
  s.repetition_penalty = repetition_penalty.value_or(s.repetition_penalty);
  s.presence_penalty = presence_penalty.value_or(s.presence_penalty);
  s.frequency_penalty = frequency_penalty.value_or(s.frequency_penalty);
  for (const std::string& item : logit_bias) {
    const size_t at = item.find_first_of("=:");
    char* end = nullptr;
    const long id = std::strtol(item.c_str(), &end, 10);
    const bool id_read = at != std::string::npos && at > 0 && end == item.c_str() + at;
    char* value_end = nullptr;
    const double value = id_read ? std::strtod(item.c_str() + at + 1, &value_end) : 0;
    if (!id_read || value_end == item.c_str() + at + 1 || *value_end || id < 0 || id > INT32_MAX) {
      bad_input("--logit-bias: expected ID=VALUE, found '{}'", printable(item));
    }
    s.logit_bias.emplace_back(static_cast<int32_t>(id), value);
  }
  out.max_tokens = max_tokens.value_or(default_max_tokens(thinking));
  out.seed = seed ? *seed : std::random_device{}();
  out.stops = stops;
  out.stop_tokens = setup.stop_tokens;
  return out;
}

std::string stats_line(const OpenedModel& model, const Session& session, const GenerateResult& result,
                       const std::vector<int32_t>& stop_tokens, const PriceList& prices) {
  const auto rate = [](int64_t tokens, double seconds) {
    return seconds > 0 ? static_cast<double>(tokens) / seconds : 0.0;
  };
  const int64_t out = result.answer_tokens(stop_tokens);
  const ModelPrice price = prices.at(model.path.filename().string(), std::time(nullptr));
  const AnswerPrice cost =
      price.of(result.prompt_tokens, result.cached_tokens, out,
               result.prefill_seconds + result.decode_seconds, result.prefill_seconds, result.decode_seconds);
  return fmt::format(
      "{} tokens read ({} cached) in {:.3f} s, {:.0f}/s; {} written ({} thinking) in {:.3f} s, {:.1f}/s; "
      "KV {} bytes at {} tokens; {}{} at {} prices; {} numerics, {}, {} thread{}",
      result.prompt_tokens, result.cached_tokens, result.prefill_seconds,
      rate(result.prompt_tokens, result.prefill_seconds), out, result.reasoning_tokens, result.decode_seconds,
      rate(static_cast<int64_t>(result.ids.size()), result.decode_seconds), session.state().bytes().total(),
      session.position(), price.currency == "USD" ? "$" : price.currency + " ", decimal(cost.total),
      price.table, name(model.runtime->numerics().mode), name(model.runtime->target()),
      model.runtime->threads(), model.runtime->threads() == 1 ? "" : "s");
}

Progress prefill_bar() {
  const bool terminal = isatty(STDERR_FILENO) != 0;
  const auto start = std::chrono::steady_clock::now();
  return [terminal, start, shown = false](int64_t done, int64_t total) mutable {
    if (terminal && total > 512) {
      const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
      const double rate = seconds > 0 ? static_cast<double>(done) / seconds : 0;
      const int64_t filled = total > 0 ? done * 30 / total : 30;
      if (done < total || shown) {
        say("\r\033[Kreading [{}{}] {}/{} tokens, {:.0f}/s, {:.0f} s left",
            std::string(static_cast<size_t>(filled), '#'), std::string(static_cast<size_t>(30 - filled), '.'),
            done, total, rate, rate > 0 ? static_cast<double>(total - done) / rate : 0.0);
        shown = true;
      }
      if (done == total && shown) say("\r\033[K");
      std::fflush(stderr);
    }
    return !interrupted();
  };
}

}  // namespace fathom::cli
