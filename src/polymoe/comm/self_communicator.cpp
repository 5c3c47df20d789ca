#include <ATen/core/Tensor.h>
#include <c10/core/GradMode.h>

#include "polymoe/base/error.h"
#include "polymoe/base/quote.h"
#include "polymoe/comm/communicator.h"

namespace polymoe {
namespace {

class Finished : public Work {
 public:
  void wait() override {}
};

Pending copied(const at::Tensor& input, const at::Tensor& output) {
  const c10::NoGradGuard no_grad;
  if (input.const_data_ptr() != output.const_data_ptr()) output.view(-1).copy_(input.view(-1));
  return std::make_unique<Finished>();
}

class SelfCommunicator : public Communicator {
 public:
  explicit SelfCommunicator(const std::string& name) : Communicator(name, {0}, 0) {}

  std::unique_ptr<Communicator> make_group(const std::string& name, const std::vector<int>& ranks) override {
    if (ranks != std::vector<int>{0}) fail("group {} can only hold rank 0: this process is alone", in_quotes(name));
    return std::make_unique<SelfCommunicator>(name);
  }

 protected:
  Pending do_all_reduce(const at::Tensor&, ReduceOp) override { return std::make_unique<Finished>(); }
  Pending do_reduce_scatter(const at::Tensor& input, const at::Tensor& output) override {
    return copied(input, output);
  }
  Pending do_all_gather(const at::Tensor& input, const at::Tensor& output, const std::vector<std::int64_t>&) override {
    return copied(input, output);
  }
  Pending do_all_to_all(const at::Tensor& input, const std::vector<std::int64_t>&, const at::Tensor& output,
                        const std::vector<std::int64_t>&) override {
    return copied(input, output);
  }
  Pending do_broadcast(const at::Tensor&, int) override { return std::make_unique<Finished>(); }
  void do_barrier() override {}
};

}  // namespace

std::unique_ptr<Communicator> make_self_communicator(const std::string& name) {
  return std::make_unique<SelfCommunicator>(name);
}

}  // namespace polymoe
