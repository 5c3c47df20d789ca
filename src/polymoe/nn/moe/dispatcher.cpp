#include "polymoe/nn/moe/dispatcher.h"

namespace polymoe {
namespace {

// All experts are one run. Nothing travels: x itself is kept.
class LocalDispatch : public Dispatch {
 public:
  LocalDispatch(at::Tensor x, const Routing& routing, std::uint64_t micro_batch, ModelAxis& axis)
      : x_(std::move(x)), routing_(routing), micro_batch_(micro_batch), axis_(axis) {}

  std::vector<std::int64_t> runs() const override { return {routing_.assignments.experts}; }

  ExpertInputs receive(std::size_t /*run*/) override {
    ExpertInputs inputs{tokens_to_slots(x_, routing_), routing_.expert_begin, {}, routing_.expert_end};
    if (routing_.plan == nullptr) return inputs;
    const std::vector<std::int64_t>& begin = routing_.plan->expert_begin;
    for (std::size_t e = 0; e + 1 < begin.size(); ++e) {
      if (begin[e] == begin[e + 1]) continue;
      const auto expert = static_cast<std::int64_t>(e);
      inputs.segments.push_back({expert, begin[e], begin[e + 1] - begin[e], micro_batch_, first_slot_name(expert)});
    }
    return inputs;
  }

  void send_back(std::size_t /*run*/, const at::Tensor& outputs) override {
    outputs_ = axis_.reduce_from_region(outputs);
  }

  at::Tensor combine(const at::Tensor& weights) override { return slots_to_tokens(outputs_, weights, routing_); }

 private:
  at::Tensor x_, outputs_;
  Routing routing_;
  std::uint64_t micro_batch_;
  ModelAxis& axis_;
};

}  // namespace

std::unique_ptr<Dispatch> LocalDispatcher::dispatch(const at::Tensor& x, const Routing& routing,
                                                    std::uint64_t micro_batch) {
  return std::make_unique<LocalDispatch>(axis_->copy_to_region(x), routing, micro_batch, *axis_);
}

}  // namespace polymoe
