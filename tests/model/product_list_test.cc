// Products of a list have the bits of the same ones alone, whatever the threads, and an input that several
// read is that of each of them.

#include "model/product_list.h"

#include <doctest/doctest.h>

#include <string_view>

#include "model/config.h"
#include "tests/kernels/weights.h"
#include "tests/support/small_model.h"

namespace fathom {
namespace {

using Floats = std::vector<float>;

Mat<float> mat(Floats& v, int64_t rows) { return {v.data(), rows, static_cast<int64_t>(v.size()) / rows}; }

struct Results {
  Floats first, second, dx, dw;
  bool operator==(const Results&) const = default;
};

constexpr int64_t kRows = 413, kIn = 256, kOut = 160;  // several pieces each, none of them whole

struct Operands {
  test::StoredWeight a, b;
  Floats x, dy, dz;
};

Results made_up_sums() {
  const Floats ones(kOut * kIn, 1);
  return {Floats(kRows * kOut), Floats(kRows * kOut), Floats(kRows * kIn, 2), ones};
}

Results alone(const Context<float>& ctx, Operands& o) {
  Results r = made_up_sums();
  const Mat<float> x = mat(o.x, kRows), dy = mat(o.dy, kRows), dz = mat(o.dz, kRows);
  ctx.linear(x, o.a.view, mat(r.first, kRows));
  ctx.linear(x, o.b.view, mat(r.second, kRows));
  ctx.linear_backward(dy, x, o.a.view, mat(r.dx, kRows), mat(r.dw, kOut), Sum::set);
  ctx.linear_backward(dz, x, o.b.view, mat(r.dx, kRows), {}, Sum::add);
  return r;
}

Results listed(const Context<float>& ctx, Operands& o) {
  const ArenaScope scope(ctx.arena());
  Results r = made_up_sums();
  const Mat<float> x = mat(o.x, kRows), dy = mat(o.dy, kRows), dz = mat(o.dz, kRows);
  ProductList<float> list(ctx);
  list.forward(x, o.a.view, mat(r.first, kRows));
  list.forward(x, o.b.view, mat(r.second, kRows));
  list.run();
  list.dx(dy, o.a.view, mat(r.dx, kRows), Sum::set);
  list.also_dx(dz, o.b.view);
  list.dw(dy, x, o.a.view, mat(r.dw, kOut));
  list.dw(dy, x, o.a.view, {});  // frozen
  list.run();
  return r;
}

}  // namespace

TEST_CASE("products of a list have the bits of the same ones alone") {
  Numerics bf16 = Numerics::fast();
  bf16.kv_type = RowType::f32;
  Numerics fp8 = bf16;
  fp8.quantise_activations = true;
  const test::SmallModel<float> small;
  for (const test::WeightFormat& format : test::weight_formats()) {
    const std::string_view name = format.name;
    if (name != "F32" && name != "BF16" && name != "FP8" && name != "FP4") continue;
    test::Values values(11);
    Operands o{test::random_weight(format, kOut, kIn, 0, values),
               test::random_weight(format, kOut, kIn, 0, values), Floats(kRows * kIn), Floats(kRows * kOut),
               Floats(kRows * kOut)};
    for (Floats* v : {&o.x, &o.dy, &o.dz}) {
      for (float& each : *v) each = values.uniform();
    }
    for (const Numerics& numerics : {Numerics::exact(), bf16, fp8}) {
      auto one = test::make_runtime<float>(1, numerics);
      auto three = test::make_runtime<float>(3, numerics);
      const Results expected = alone(one.context(small.config), o);
      CHECK_MESSAGE((listed(one.context(small.config), o) == expected), name);
      CHECK_MESSAGE((listed(three.context(small.config), o) == expected), name);
    }
  }
}

}  // namespace fathom
