#include "post/task_evaluation.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"
#include "model/memory_limit.h"
#include "text/completion.h"
#include "train/tasks/family.h"

namespace fathom {
namespace {

double mean(int64_t sum, int64_t of) {
  return of == 0 ? 0 : static_cast<double>(sum) / static_cast<double>(of);
}

ThinkingMode mode_of(Think think) {
  return think == Think::off ? ThinkingMode::chat : ThinkingMode::thinking;
}

struct Asked {
  Problem problem;
  size_t score;
};

int32_t first_choice(const Mat<float>& logits, int64_t row) {
  return arg_max(std::span(logits.row(row), static_cast<size_t>(logits.cols)));
}

}  // namespace

bool is_right_answer(const Tokenizer& tokenizer, const Problem& problem, Think think, const Rollout& rollout,
                     std::string& text) {
  std::span<const int32_t> ids(rollout.ids);
  if (rollout.ended) ids = ids.first(ids.size() - 1);
  text = tokenizer.decode(ids, false);
  if (!rollout.ended) return false;
  const Completion completion = parse_completion(text, mode_of(think));
  return is_right(problem, completion.content, completion.tool_calls);
}

std::string TaskScore::label() const { return size > 0 ? fmt::format("{}:{}", family, size) : family; }
double TaskScore::accuracy() const { return mean(right, problems); }
double TaskScore::mean_prompt() const { return mean(prompt_tokens, problems); }
double TaskScore::mean_answer() const { return mean(answer_tokens, problems); }

std::vector<int32_t> problem_prompt(const Tokenizer& tokenizer, const Problem& problem, Think think,
                                    Generation generation) {
  const ThinkingSetting setting{mode_of(think), think == Think::max ? Effort::max : Effort::none};
  return chat_prompt(tokenizer, problem.prompt, setting, generation).ids;
}

DraftCount count_drafts(const Model& model, Runtime<float>& runtime, std::span<const int32_t> ids,
                        int64_t from) {
  DraftCount count;
  const int64_t size = std::ssize(ids);
  if (model.mtp_blocks() == 0 || size < 3) return count;
  Context<float> ctx = runtime.context(model.config());
  const ArenaScope scope(ctx.arena());
  claim_memory(model, runtime, std::ssize(ids));
  KvState kv = model.new_state(runtime.numerics());
  Batch batch, next;
  batch.add(kv, ids, LogitRows::all);
  const ForwardResult<float> result = model.forward(ctx, batch);
  next.add(kv, ids.subspan(1));
  const Mat<float> drafts = model.forward_mtp<float>(ctx, 0, next, result.streams.slice_rows(0, size - 1));
  // Row t of the drafts is for token t + 2, as row t + 1 of the main model is.
  for (int64_t t = std::max<int64_t>(0, from - 2); t + 2 < size; ++t) {
    ++count.drafts;
    count.accepted += first_choice(drafts, t) == first_choice(result.logits, t + 1);
  }
  return count;
}

TaskEvaluation evaluate_tasks(const Model& model, Runtime<float>& runtime, const Tokenizer& tokenizer,
                              const ChatSetup& setup, const TaskEvaluationOptions& options,
                              const std::function<void(const TaskAnswer&)>& answer) {
  TaskMix mix;
  mix.families = options.tasks;
  mix.min_level = options.min_level;
  mix.max_level = options.max_level;
  mix.check();
  if (mix.families.empty()) {
    for (const TaskFamily& family : task_families()) mix.families.push_back({family.name});
  }
  TaskEvaluation out;
  std::vector<Asked> asked;
  std::vector<RolloutRequest> requests;
  for (const TaskShare& share : mix.families) {
    for (const Think think : options.modes) {
      out.scores.push_back({share.family, share.size, think});
      for (int64_t i = 0; i < options.count; ++i) {
        Difficulty difficulty;
        difficulty.level =
            options.min_level + static_cast<int>(i % (options.max_level - options.min_level + 1));
        difficulty.size = share.size;
        Problem problem = make_family_problem(share.family, difficulty, options.held_out, options.seed,
                                              static_cast<uint64_t>(i));
        requests.push_back({problem_prompt(tokenizer, problem, think, setup.generation), options.max_tokens});
        asked.push_back({std::move(problem), out.scores.size() - 1});
      }
    }
  }
  RolloutOptions rollout;
  rollout.sampling.temperature = 0;
  rollout.stop_tokens = setup.stop_tokens;
  rollout.batch = options.batch;
  rollout.progress = [&](int64_t done, int64_t total) {
    out.stopped = options.progress && !options.progress(done, total);
    return !out.stopped;
  };
  const std::vector<Rollout> answers = roll_out(model, runtime, requests, rollout);
  if (out.stopped) return out;
  for (size_t i = 0; i < answers.size(); ++i) {
    TaskScore& score = out.scores[asked[i].score];
    std::string text;
    const bool right = is_right_answer(tokenizer, asked[i].problem, score.think, answers[i], text);
    ++score.problems;
    score.right += right;
    score.ended += answers[i].ended;
    score.prompt_tokens += std::ssize(requests[i].prompt);
    score.answer_tokens += std::ssize(answers[i].ids);
    // Drafts are counted on a part of the answers: each costs a pass over the whole sequence.
    if (score.problems <= 16 && model.mtp_blocks() > 0) {
      std::vector<int32_t> ids = requests[i].prompt;
      ids.insert(ids.end(), answers[i].ids.begin(), answers[i].ids.end());
      const DraftCount drafts = count_drafts(model, runtime, ids, std::ssize(requests[i].prompt));
      score.drafts += drafts.drafts;
      score.drafts_accepted += drafts.accepted;
    }
    if (answer) answer({&asked[i].problem, score.think, text, right, answers[i].ended});
  }
  return out;
}

}  // namespace fathom
