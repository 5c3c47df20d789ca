#pragma once

#include "polymoe/comm/communicator.h"
#include "polymoe/nn/model_axis.h"

namespace polymoe {

/// The model axis over the processes of a group, each of which computes with one slice.
class GroupModelAxis : public ModelAxis {
 public:
  /// `group` must outlive the axis.
  explicit GroupModelAxis(Communicator& group) : group_(group) {}

  std::int64_t size() const override { return group_.size(); }
  std::int64_t rank() const override { return group_.rank(); }
  at::Tensor copy_to_region(const at::Tensor& x) override;
  at::Tensor reduce_from_region(const at::Tensor& x) override;
  void sum_(const at::Tensor& x) override { group_.all_reduce(x, ReduceOp::kSum); }
  void max_(const at::Tensor& x) override { group_.all_reduce(x, ReduceOp::kMax); }

 private:
  Communicator& group_;
};

}  // namespace polymoe
