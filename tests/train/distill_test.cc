// The reverse KL to teachers over the whole vocabulary: its value from all logits, its gradient against
// differences in double precision, and blocks of the vocabulary that change no bit.
#include <doctest/doctest.h>

#include <cmath>

#include "model/head_distill.h"
#include "model/training/loss.h"
#include "tests/support/finite_differences.h"
#include "tests/support/small_model.h"

namespace fathom {
namespace {

using Small = test::SmallModel<double>;

std::string config(const char* hidden = "\"hidden_size\": 10") {
  return test::small_config_with(
      {{"\"swiglu_limit\": 1.5", "\"swiglu_limit\": 100"}, {"\"hidden_size\": 10", hidden}});
}

// Log-probabilities at all positions of a document.
std::vector<std::vector<double>> log_probs(Small& small, Runtime<double>& runtime,
                                           const TrainingDocument& d) {
  const Context<double> ctx = runtime.context(small.config);
  const ArenaScope scope(ctx.arena());
  KvState state = small.model->new_state(runtime.numerics(), 8);
  Batch batch;
  batch.add(state, d.tokens, LogitRows::all);
  const Mat<double> logits = small.model->forward<double>(ctx, batch).logits;
  std::vector<std::vector<double>> out;
  for (int64_t t = 0; t < logits.rows; ++t) {
    double sum = 0;
    for (int64_t j = 0; j < logits.cols; ++j) sum += std::exp(logits.row(t)[j]);
    auto& row = out.emplace_back(logits.row(t), logits.row(t) + logits.cols);
    for (double& v : row) v -= std::log(sum);
  }
  return out;
}

struct Lesson {
  Small student{config()}, narrow{config()}, wide{config("\"hidden_size\": 14")};
  Runtime<double> runtime = test::make_runtime<double>();
  TrainingBatch batch = test::small_batch({17, 3, 22, 9}, 37);
  LossOptions options;
  std::vector<std::vector<double>> narrow_rows, wide_rows;
  std::vector<TeacherRows<double>> teachers;

  Lesson() {
    for (auto& p : narrow.params) {  // another model of the same shape
      for (size_t i = 0; i < p.values.size(); ++i) p.values[i] *= 1 + 0.2 * philox_normal(11, i);
    }
    narrow_rows = rows(narrow);
    wide_rows = rows(wide);
    for (size_t d = 0; d < batch.size(); ++d) {
      const bool first = d % 2 == 0;
      teachers.push_back({&(first ? narrow : wide).model->weights().params().lm_head,
                          (first ? narrow_rows : wide_rows)[d].data()});
    }
  }
  std::vector<std::vector<double>> rows(Small& teacher) {
    return teacher_rows<double>(runtime.context(teacher.config), *teacher.model, batch, options);
  }
  LossReport run(const ModelParams<Mat<double>>& grads) {
    LossExtras<double> extras;
    extras.teachers = &teachers;
    return loss_and_gradients<double>(runtime.context(student.config), *student.model, batch, options, grads,
                                      extras);
  }
};

}  // namespace

TEST_CASE("the loss is the mean KL of whole distributions, each document to its teacher") {
  Lesson lesson;
  double sum = 0;
  int64_t labels = 0;
  for (size_t d = 0; d < lesson.batch.size(); ++d) {
    const auto own = log_probs(lesson.student, lesson.runtime, lesson.batch[d]);
    const auto other = log_probs(d % 2 == 0 ? lesson.narrow : lesson.wide, lesson.runtime, lesson.batch[d]);
    for (size_t t = 0; t < own.size(); ++t) {
      if (lesson.batch[d].labels[t] == kNoLabel) continue;
      ++labels;
      for (size_t j = 0; j < own[t].size(); ++j) sum += std::exp(own[t][j]) * (own[t][j] - other[t][j]);
    }
  }
  const LossReport report = lesson.run(lesson.student.grads.params);
  CHECK(report.labels == labels);
  CHECK(report.lm == doctest::Approx(sum / static_cast<double>(labels)).epsilon(1e-10));
  CHECK(report.lm > 0.1);

  // Groups of documents, and chunks of one, are the same loss.
  for (const int64_t group : {20, 6}) {
    lesson.options.group_tokens = group;
    CHECK(lesson.run(lesson.student.grads.params).lm == doctest::Approx(report.lm).epsilon(1e-10));
  }
  // Of a teacher that is the student itself nothing is to be learned.
  lesson.options.group_tokens = 16384;
  const auto rows = lesson.rows(lesson.student);
  for (size_t d = 0; d < rows.size(); ++d)
    lesson.teachers[d] = {&lesson.student.model->weights().params().lm_head, rows[d].data()};
  lesson.student.grads.zero();
  CHECK(std::abs(lesson.run(lesson.student.grads.params).lm) < 1e-12);
  for (const auto& [name, g] : lesson.student.grads.all()) {
    for (const double v : g) REQUIRE(std::abs(v) < 1e-10);
  }
}

TEST_CASE("every parameter's gradient is the slope of the KL to the teachers") {
  Lesson lesson;
  lesson.student.grads.zero();
  lesson.run(lesson.student.grads.params);
  test::Gradients<double> scratch(lesson.student.config, 1);
  uint64_t key = 0;
  double total = 0;
  for (auto& p : lesson.student.params) {
    ++key;
    if (p.name.ends_with("gate.bias")) continue;  // no gradient: it only chooses
    CAPTURE(p.name);
    const std::vector<double>& g = lesson.student.grads[p.name];
    const std::vector<double> at = p.values;  // along a random direction, through all elements at once
    double slope = 0, size = 0, offset = 0;
    for (size_t i = 0; i < g.size(); ++i) {
      slope += g[i] * philox_normal(key, i);
      size += g[i] * g[i];
    }
    total += size;
    const auto moved = [&] {
      for (size_t i = 0; i < at.size(); ++i) p.values[i] = at[i] + offset * philox_normal(key, i);
      return lesson.run(scratch.params).loss;
    };
    const double exact = test::central_difference(moved, &offset, 1e-5);
    p.values = at;
    CHECK(std::abs(exact - slope) <= 1e-5 * std::sqrt(size) + 1e-9);
  }
  CHECK(total > 0.01);
}

TEST_CASE("logits made again in blocks give the bits of logits that are kept") {
  test::SmallModel<float> small;
  auto runtime = test::make_runtime<float>(2);
  const auto ctx = runtime.context(small.config);
  const auto& w = small.model->weights().params();
  constexpr int64_t kRows = 70;
  const int64_t width = small.config.hc_mult * small.config.hidden_size, D = small.config.hidden_size;
  std::vector<float> streams, rows, factors(kRows, 0.1f);
  for (int64_t i = 0; i < kRows * width; ++i)
    streams.push_back(static_cast<float>(philox_normal(1, static_cast<uint64_t>(i))));
  for (int64_t i = 0; i < kRows * D; ++i)
    rows.push_back(static_cast<float>(philox_normal(2, static_cast<uint64_t>(i))));
  const auto run = [&](const HeadBlocks& blocks) {
    std::vector<double> losses(kRows);
    std::vector<float> d_streams(streams.size());
    small.grads.zero();
    const HeadGradients<float> grads{
        {d_streams.data(), kRows, width}, small.grads.params.head, small.grads.params.lm_head};
    head_distill<float>(ctx, small.config, w.head, w.lm_head, Mat<const float>(streams.data(), kRows, width),
                        {Mat<const float>(rows.data(), kRows, D), &w.lm_head}, factors.data(), losses.data(),
                        &grads, blocks);
    return std::tuple{losses, d_streams, small.grads.all()};
  };
  const auto kept = run({8, 1 << 20});
  CHECK(run({8, 0}) == kept);
  for (const double loss : std::get<0>(kept)) CHECK(loss > 0);
}

}  // namespace fathom
