#pragma once
/// Memory for the gradients of a model, by name.

#include <map>
#include <string>
#include <vector>

#include "model/params.h"

namespace fathom::test {

template <class Real>
class Gradients {
 public:
  Gradients(const ModelConfig& config, int64_t mtp_blocks) {
    for_each_param(
        config, mtp_blocks,
        [&](const std::string& name, ParamClass kind, int64_t rows, int64_t cols, Mat<Real>& grad) {
          if (kind == ParamClass::table || name.ends_with("gate.bias")) return;
          auto& values = values_[name];
          values.resize(static_cast<size_t>(rows * cols));
          grad = {values.data(), rows, cols};
        },
        params);
  }
  Gradients(const Gradients&) = delete;
  Gradients& operator=(const Gradients&) = delete;

  const std::vector<Real>& operator[](const std::string& name) const { return values_.at(name); }
  const std::map<std::string, std::vector<Real>>& all() const { return values_; }
  void zero() {
    for (auto& [name, values] : values_) values.assign(values.size(), 0);
  }

  ModelParams<Mat<Real>> params;

 private:
  std::map<std::string, std::vector<Real>> values_;
};

}  // namespace fathom::test
