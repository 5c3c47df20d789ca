#pragma once

#include <deque>

#include "polymoe/nn/block_runner.h"
#include "polymoe/parallel/parameter_sync.h"
#include "polymoe/tensor/host_copy.h"

namespace polymoe {

/// Tells the ParameterSync when each block's forward and backward begin and end, and recomputes where asked: then
/// forward keeps only a block's inputs, and backward computes the block anew before it differentiates it. Random
/// numbers are functions of the full_name, so the second pass draws what the first one drew; tokens go to the experts
/// that the first one chose. The inputs can wait in host memory meanwhile.
class UnitRunner : public BlockRunner {
 public:
  UnitRunner(bool recompute, bool inputs_on_host) : recompute_(recompute), inputs_on_host_(inputs_on_host) {}

  /// The sync is made after the model whose blocks this runs; nothing is run before. It must outlive the runner's use.
  void attach(ParameterSync& sync) { sync_ = &sync; }

  at::Tensor run(const std::string& full_name, const at::Tensor& x, const at::Tensor& memory,
                 const ForwardContext& context, const Block& block) override;
  void use(const std::string& full_name, const std::function<void()>& work) override;

 private:
  bool recompute_, inputs_on_host_;
  ParameterSync* sync_ = nullptr;
  std::deque<HostCopy> under_way_;  // inputs on their way to the host, in forward
};

}  // namespace polymoe
