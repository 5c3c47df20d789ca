#pragma once

#include <memory>
#include <utility>
#include <vector>

#include "polymoe/inference/decoding_model.h"
#include "polymoe/model/model.h"

namespace polymoe {

/// The modules that are trained as a DecodingModel: on any device, whole or divided over processes.
class ModuleModel : public DecodingModel {
 public:
  explicit ModuleModel(Model model) : model_(std::move(model)) {}

  std::int64_t max_positions() const override { return model_->options().max_positions; }
  std::int64_t vocabulary() const override { return model_->options().vocabulary; }
  std::unique_ptr<DecodingState> start(const std::vector<std::vector<std::int32_t>>& sources,
                                       std::int64_t beams) override;

 private:
  Model model_;
};

}  // namespace polymoe
