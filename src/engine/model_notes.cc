#include "engine/model_notes.h"

#include <fmt/core.h>

#include "base/error.h"

namespace fathom {
namespace {

// The first quantised matrix whose columns are no multiple of 128, as "name has N columns".
std::string short_block(const Model& model) {
  std::string found;
  ModelParams<WeightView> params = model.weights().params();
  for_each_param(
      model.config(), model.mtp_blocks(),
      [&](const std::string& name, ParamClass, int64_t, int64_t cols, const WeightView& w) {
        const bool quantised = w.dtype == DType::F8_E4M3 || w.dtype == DType::F4_E2M1;
        if (found.empty() && quantised && cols % 128 != 0)
          found = fmt::format("{} has {} columns", name, cols);
      },
      params);
  return found;
}

}  // namespace

std::vector<std::string> model_notes(const Model& model) {
  const Checkpoint& checkpoint = model.weights().checkpoint();
  std::vector<std::string> notes = checkpoint.notes();
  if (const std::string what = short_block(model); !what.empty()) {
    notes.push_back(
        fmt::format("{}, no multiple of 128: the release's kernels would refuse this file", what));
  } else if (model.config().quantised &&
             (model.config().head_dim - model.config().qk_rope_head_dim) % 64 != 0) {
    notes.push_back(
        fmt::format("head_dim - qk_rope_head_dim is {}, no multiple of 64: the release's kernels would "
                    "refuse this file",
                    model.config().head_dim - model.config().qk_rope_head_dim));
  }
  if (const auto& unknown = checkpoint.unknown_names(); !unknown.empty()) {
    notes.push_back(fmt::format("{} tensors belong to nothing known and are not used, the first is {}",
                                unknown.size(), printable(unknown.front())));
  }
  return notes;
}

}  // namespace fathom
