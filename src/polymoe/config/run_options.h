#pragma once

#include "polymoe/config/data_options.h"
#include "polymoe/config/decode_options.h"
#include "polymoe/config/model_options.h"
#include "polymoe/config/offload_options.h"
#include "polymoe/config/optimizer_options.h"
#include "polymoe/config/parallel_options.h"
#include "polymoe/config/train_options.h"

namespace polymoe {

/// Everything a training run is made from.
struct RunOptions {
  ModelOptions model;
  DataOptions data;
  TrainOptions train;
  ParallelOptions parallel;
  OffloadOptions offload;
  OptimizerOptions optimizer;
  DecodeOptions decode;
};

}  // namespace polymoe
