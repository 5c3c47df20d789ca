#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include <ATen/core/Tensor.h>

#include "polymoe/config/run_options.h"

namespace polymoe::testing {

/// Options of a tiny model without dropout; dense with `experts` = 0. Two MoE layers, encoder.layers.1 and
/// decoder.layers.1.
RunOptions surgery_options(std::int64_t experts);

/// What a checkpoint is to hold beside the weights.
struct Extras {
  bool optimizer = false;
  std::int64_t steps = 7;
  std::string vocabulary = "a vocabulary";  ///< the bytes of vocab.model; empty: none
};

/// Writes a checkpoint of such a model with the first weights that `seed` gives, at update 100 + seed.
void write_model(const std::filesystem::path& path, RunOptions options, std::int64_t seed, const Extras& extras = {});

/// The loss of a checkpoint's model on a few batches, without a capacity limit.
double loss_of_checkpoint(const std::filesystem::path& path);

/// The text of the Error that `action` throws; "no error" where it throws none.
template <typename Action>
std::string error_text(const Action& action) {
  try {
    action();
  } catch (const std::runtime_error& error) {
    return error.what();
  }
  return "no error";
}

}  // namespace polymoe::testing
