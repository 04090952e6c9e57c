// The indexer's loss and the backward of its scores.

#include "tests/kernels/kernel_cases.h"
#include "tests/support/finite_differences.h"

namespace fathom {

void test::kernel_cases_indexer_scores_backward(Target target) {
  Values values(61);
  for (const RowType type : {RowType::f32, RowType::bf16, RowType::f64}) {
    for (const int64_t heads : {1, 4, 8, 17}) {
      for (const int64_t dim : {2, 32, 37, 128}) {
        for (const int64_t count : {0, 1, 4, 17, 64}) {
          CAPTURE(heads);
          CAPTURE(dim);
          CAPTURE(count);
          const auto q = values.vector(heads * dim), weights = values.vector(heads),
                     dscores = values.vector(count), before = values.vector(count * dim);
          const int64_t row_bytes = dim * row_type_bytes(type) + 1;
          std::vector<std::byte> keys(static_cast<size_t>(1 + count * row_bytes));
          std::vector<const std::byte*> key_at;
          for (int64_t i = count - 1; i >= 0; --i) {
            key_at.push_back(keys.data() + 1 + i * row_bytes);
            store_row(type, values.vector(dim).data(), dim, keys.data() + 1 + i * row_bytes);
          }
          check_kernel(target, 1e-5, [&]<class Real>(const Kernels<Real>& k) {
            auto out = as<Real>(before);  // added to
            std::vector<Real*> dkeys;
            for (int64_t j = 0; j < count; ++j) dkeys.push_back(out.data() + j * dim);
            std::vector<Real> dq(static_cast<size_t>(heads * dim), Real(77)),
                dweights(static_cast<size_t>(heads), Real(77));
            k.indexer_scores_backward(as<Real>(q).data(), as<Real>(weights).data(), heads, dim, key_at.data(),
                                      count, type, as<Real>(dscores).data(), dq.data(), dweights.data(),
                                      dkeys.data());
            out.insert(out.end(), dq.begin(), dq.end());
            out.insert(out.end(), dweights.begin(), dweights.end());
            return out;
          });
        }
      }
    }
  }
}

void test::kernel_cases_indexer_kl(Target target) {
  Values values(62);
  for (const int64_t count : {1, 2, 15, 16, 17, 200}) {
    for (const float reach : {0.0f, 1.0f, 30.0f}) {
      CAPTURE(count);
      CAPTURE(reach);
      const auto scores = values.vector(count, -reach - 1, reach - 1);
      auto mass = values.vector(count, 0, 2);
      mass[static_cast<size_t>(count / 2)] = count > 1 ? 0.0f : 1.0f;  // a candidate without mass
      const auto got = check_kernel(target, 3e-6, [&]<class Real>(const Kernels<Real>& k) {
        std::vector<Real> out(static_cast<size_t>(count + 2));
        k.indexer_kl(as<Real>(scores).data(), as<Real>(mass).data(), count, Real(0.5f), out.data() + 2,
                     out.data());
        return out;
      });
      CHECK(got[0] >= -1e-6f);
      CHECK(got[1] >= -1e-6f);
    }
  }
  // All mass elsewhere: nothing to learn from.
  const std::vector<float> scores = {1, 2, 3}, mass(3);
  std::vector<float> dscores(3, 7), kl(2, 7);
  kernels_for(target).indexer_kl(scores.data(), mass.data(), 3, 1, dscores.data(), kl.data());
  CHECK(kl == std::vector<float>{0, 0});
  CHECK(dscores == std::vector<float>{0, 0, 0});
}

TEST_CASE("indexer_scores_backward is the gradient of indexer_scores") {
  test::Values values(63);
  const int64_t heads = 5, dim = 6, count = 7;
  auto q = test::as<double>(values.vector(heads * dim)), weights = test::as<double>(values.vector(heads)),
       keys = test::as<double>(values.vector(count * dim));
  const auto dscores = test::as<double>(values.vector(count));
  const Kernels<double>& k = reference_kernels<double>();
  const auto loss = [&] {
    std::vector<double> out(dscores.size());
    k.indexer_scores(q.data(), weights.data(), heads, dim, reinterpret_cast<const std::byte*>(keys.data()),
                     dim * 8, count, RowType::f64, out.data());
    double sum = 0;
    for (size_t i = 0; i < out.size(); ++i) sum += out[i] * dscores[i];
    return sum;
  };
  std::vector<const std::byte*> key_at;
  std::vector<double> dq(q.size()), dweights(weights.size()), dkeys(keys.size());
  std::vector<double*> dkey_at;
  for (int64_t j = 0; j < count; ++j) {
    key_at.push_back(reinterpret_cast<const std::byte*>(keys.data() + j * dim));
    dkey_at.push_back(dkeys.data() + j * dim);
  }
  k.indexer_scores_backward(q.data(), weights.data(), heads, dim, key_at.data(), count, RowType::f64,
                            dscores.data(), dq.data(), dweights.data(), dkey_at.data());
  test::check_gradient("q", loss, q, dq, 1e-6, 1, 1e-5);  // small steps: no product may cross 0
  test::check_gradient("weights", loss, weights, dweights);
  test::check_gradient("keys", loss, keys, dkeys, 1e-6, 1, 1e-5);
}

TEST_CASE("indexer_kl gives the gradient of its divergence") {
  test::Values values(64);
  const int64_t count = 9;
  auto scores = test::as<double>(values.vector(count, -3, 3));
  const auto mass = test::as<double>(values.vector(count, 0, 1));
  std::vector<double> gradient(scores.size());
  const auto loss = [&] {
    double kl[2];
    reference_kernels<double>().indexer_kl(scores.data(), mass.data(), count, 2, gradient.data(), kl);
    return 2 * kl[0];
  };
  loss();
  const std::vector<double> dscores = gradient;
  test::check_gradient("scores", loss, scores, dscores);
}

}  // namespace fathom
