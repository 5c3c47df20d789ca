#include "polymoe/inference/module_model.h"

#include <algorithm>
#include <utility>

#include "polymoe/loss/cross_entropy.h"
#include "polymoe/tensor/torch_headers.h"

namespace polymoe {
namespace {

class ModuleState : public DecodingState {
 public:
  ModuleState(Model model, const std::vector<std::vector<std::int32_t>>& sources)
      : model_(std::move(model)), device_(model_->projection().device()) {
    const at::NoGradGuard no_grad;
    context_.dropless = true;
    const TokenInput source = make_source_input(sources, device_);
    state_ = model_->start(model_->encode(source, context_));
  }

  at::Tensor step(const std::vector<std::int32_t>& ids) override {
    const at::NoGradGuard no_grad;
    const at::Tensor states = model_->step(at::tensor(ids, at::kInt).to(device_, at::kLong), state_, context_);
    return projected_log_probabilities(states, model_->projection());
  }

  void select(const std::vector<std::int64_t>& hypotheses, const std::vector<std::int64_t>& sentences) override {
    const at::NoGradGuard no_grad;
    if (!keeps_order(hypotheses, rows_of_hypotheses())) {
      state_.select_hypotheses(at::tensor(hypotheses, at::kLong).to(device_));
    }
    if (!keeps_order(sentences, rows_of_sentences())) {
      state_.select_sentences(at::tensor(sentences, at::kLong).to(device_));
    }
  }

 private:
  std::int64_t rows_of_hypotheses() const { return state_.layers.front().self.keys.size(0); }
  std::int64_t rows_of_sentences() const { return state_.layers.front().cross.keys.size(0); }

  // Whether `rows` are 0, 1, ..., count - 1: then nothing needs to move.
  static bool keeps_order(const std::vector<std::int64_t>& rows, std::int64_t count) {
    if (static_cast<std::int64_t>(rows.size()) != count) return false;
    for (std::size_t i = 0; i < rows.size(); ++i) {
      if (rows[i] != static_cast<std::int64_t>(i)) return false;
    }
    return true;
  }

  Model model_;
  at::Device device_;
  ForwardContext context_;
  DecoderState state_;
};

}  // namespace

std::unique_ptr<DecodingState> ModuleModel::start(const std::vector<std::vector<std::int32_t>>& sources,
                                                  std::int64_t /*beams*/) {
  return std::make_unique<ModuleState>(model_, sources);
}

}  // namespace polymoe
