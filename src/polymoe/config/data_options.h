#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace polymoe {

/// What is trained on, and how examples are drawn.
struct DataOptions {
  std::string path;                           // folder made by `polymoe prepare`
  std::vector<std::string> directions;        // "en-de", "en-*", "*-*"; empty: all
  std::vector<std::string> valid_directions;  // empty: those of training
  double temperature = 1.0;                   // languages are drawn in proportion to size^(1/temperature)
  double translation_weight = 1.0;            // share among the tasks
  double denoising_weight = 0.0;              // share among the tasks
  std::vector<std::string> task_weights;      // "summary=0.5"; tasks of the data that are not named: 1
  std::vector<std::string> task_schedule;     // "summary=0.5@100000": the weight after so many examples
  double task_temperature = 0.0;              // weights times examples^(1/temperature); 0: weights alone
  double mask_ratio = 0.3;                    // denoising: share of the tokens that are masked
  double mask_span = 3.0;                     // denoising: tokens of a masked span, on average
  double delete_ratio = 0.1;                  // denoising: share of the tokens that are deleted
  std::int64_t shuffle_distance = 3;          // denoising: places that a token moves at most
  double subword_dropout = 0.0;               // chance that a token is split into two; 0: none
  std::int64_t max_length = 256;              // tokens; longer examples are left out
  std::int64_t bucket_examples = 16384;       // drawn at a time and batched by length
};

}  // namespace polymoe
