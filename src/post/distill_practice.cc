#include "post/distill_practice.h"

#include <algorithm>
#include <iterator>

namespace fathom {

DistillPractice::DistillPractice(const PracticeSetting& setting, const DistillOptions& options)
    : setting_(setting), options_(options) {
  for (const DistillTeacher& teacher : options.teachers) teachers_.push_back(Model::open(teacher.from));
}

PracticeRound DistillPractice::practise(Learner& learner, Learner*, uint64_t seed, int64_t round) {
  ModelLearner& student = model_of(learner);
  std::vector<AskedProblem> problems;
  std::vector<RolloutRequest> requests;
  std::vector<size_t> ends;  // of each teacher's
  for (const DistillTeacher& teacher : options_.teachers) {
    for (int64_t i = 0; i < teacher.problems; ++i) {
      const auto index = static_cast<uint64_t>(round * teacher.problems + i);
      const uint64_t stream = seed + (ends.size() << 32);
      problems.push_back(ask_problem(setting_, teacher, stream, index));
      requests.push_back(request_for(problems.back(), teacher, stream, index, 0));
    }
    ends.push_back(problems.size());
  }
  const auto answers = answers_of(student, setting_, requests, options_.temperature, options_.batch);

  PracticeRound out;
  Row& step = out.steps.emplace_back();
  size_t p = 0;
  for (size_t k = 0; k < teachers_.size(); ++k) {
    Row row;
    for (; p < ends[k]; ++p) {
      add_answer(setting_, problems[p], answers[p], out.figures);
      row.push_back(document_of(problems[p].prompt, answers[p]));
    }
    student.ask(teachers_[k], row, PassOptions{});
    std::ranges::move(row, std::back_inserter(step));
  }
  out.figures.groups = out.figures.answers;
  finish(out.figures);
  return out;
}

}  // namespace fathom
