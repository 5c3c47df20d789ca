#pragma once

#include "polymoe/config/model_options.h"

namespace polymoe {

/// A model that tests of inference can afford.
inline ModelOptions small_options() {
  ModelOptions options;
  options.vocabulary = 70;
  options.hidden = 24;
  options.ffn = 40;
  options.heads = 3;
  options.encoder_layers = 2;
  options.decoder_layers = 2;
  options.max_positions = 12;
  return options;
}

}  // namespace polymoe
