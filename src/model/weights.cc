#include "model/weights.h"

#include <utility>

namespace fathom {

std::shared_ptr<const Weights> Weights::over(const ModelParams<WeightView>& params,
                                             std::shared_ptr<const void> owner) {
  auto weights = std::make_shared<Weights>();
  weights->params_ = params;
  weights->owner_ = std::move(owner);
  return weights;
}

std::shared_ptr<const Weights> Weights::load(std::shared_ptr<const Checkpoint> checkpoint,
                                             const ModelConfig& config) {
  auto weights = std::make_shared<Weights>();
  weights->checkpoint_ = checkpoint;
  // A block is there if its first own tensor is; a DSpark stage has none of MTP's projections.
  int64_t blocks = 0;
  while (blocks < config.num_nextn_predict_layers &&
         checkpoint->has(fmt::format("mtp.{}.e_proj.weight", blocks)) &&
         checkpoint->has(fmt::format("mtp.{}.hc_head_fn", blocks))) {
    ++blocks;
  }
  const auto load = [&](const std::string& name, ParamClass kind, int64_t rows, int64_t cols,
                        WeightView& view) {
    switch (kind) {
      case ParamClass::matrix:
        view = checkpoint->matrix(name, rows, cols);
        return;
      case ParamClass::vector: {
        auto& values = weights->vectors_.emplace_back(checkpoint->floats(name, rows, cols));
        for (const float v : values) {
          if (!(v - v == 0)) bad_input("{}: expected finite values, found {}", name, v);
        }
        view = weight_view(values.data(), rows, cols);
        weights->copied_bytes_ += rows * cols * 4;
        return;
      }
      case ParamClass::table: {
        auto& values =
            weights->tables_.emplace_back(checkpoint->ints(name, rows, cols, config.n_routed_experts));
        view.dtype = DType::I32;
        view.rows = rows;
        view.cols = cols;
        view.row_bytes = cols * 4;
        view.data = reinterpret_cast<const std::byte*>(values.data());
        weights->copied_bytes_ += rows * cols * 4;
        return;
      }
    }
  };
  in_context(printable(checkpoint->path().string(), 400),
             [&] { for_each_param(config, blocks, load, weights->params_); });
  return weights;
}

}  // namespace fathom
