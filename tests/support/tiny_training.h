#pragma once
/// A tiny model in training.

#include <memory>

#include "tests/support/tiny_model.h"
#include "train/model_learner.h"

namespace fathom::test {

/// Weights that are neither flat nor sure of a single token, and their learner.
struct TinyTraining {
  TinyTraining(Precision precision, int threads, int64_t vocabulary)
      : config(tiny_config(vocabulary)),
        masters(initial_weights(table, initial())),
        pool(pool_options(threads)) {
    learner = std::make_unique<ModelLearner>(table, masters, precision, pool, kernels_for(detect_target()));
    learner->refresh();
  }
  static InitialWeights initial() {
    InitialWeights w;
    w.head_deviation = 0.3;
    return w;
  }
  static ThreadPoolOptions pool_options(int threads) {
    ThreadPoolOptions options{threads};
    options.test_mode = threads > 1;
    return options;
  }
  ModelConfig config;
  ParamTable table{config, config.num_nextn_predict_layers};
  MasterWeights masters;
  ThreadPool pool;
  std::unique_ptr<ModelLearner> learner;
};

}  // namespace fathom::test
