#include "polymoe/parallel/unit_runner.h"

#include <deque>
#include <optional>
#include <utility>

#include <torch/csrc/autograd/autograd.h>

#include "polymoe/nn/moe/routing.h"
#include "polymoe/parallel/linear_map.h"
#include "polymoe/tensor/device_memory.h"
#include "polymoe/tensor/host_copy.h"
#include "polymoe/tensor/torch_headers.h"

namespace polymoe {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

// The block's output, then its losses: balance losses first, then as many router losses.
variable_list all_of(const at::Tensor& y, const ForwardOutputs& own) {
  variable_list all{y};
  all.insert(all.end(), own.balance_losses.begin(), own.balance_losses.end());
  all.insert(all.end(), own.router_z_losses.begin(), own.router_z_losses.end());
  return all;
}

struct BlockPass : torch::CustomClassHolder {
  ParameterSync* sync;
  std::string full_name;
  BlockRunner::Block block;
  ForwardContext context;  // but for what is the pass's own, see run()
  RoutingMemo routings;
  std::vector<at::Tensor> loads;  // of the first pass
  bool has_memory;

  // A pass through the block. What comes out of it goes to `outputs`; statistics are the first pass's alone.
  at::Tensor run(const at::Tensor& x, const at::Tensor& memory, ForwardOutputs& outputs) {
    ForwardContext own = context;
    own.outputs = &outputs;
    own.routing_memo = &routings;
    return block(x, memory, own);
  }

  std::deque<HostCopy>* under_way;  // where inputs go to the host: those of the blocks before
  std::optional<HostCopy> input;    // there
};

// Where device and host share their memory a copy all the same: it counts against the host's budget. The host waits for
// the copies before the last: it would queue the whole forward, and the device free no input before the end.
HostCopy put_on_host(const at::Tensor& x, std::deque<HostCopy>& under_way) {
  constexpr std::size_t kAtATime = 2;
  for (; under_way.size() >= kAtATime; under_way.pop_front()) under_way.front().get();
  const MemoryScope scope(MemoryKind::kActivations, /*on_host=*/true);
  return under_way.emplace_back(x.is_cpu() ? x.clone() : x);
}

class Recompute : public torch::autograd::Function<Recompute> {
 public:
  static variable_list forward(AutogradContext* ctx, const at::Tensor& x, const at::Tensor& memory,
                               c10::intrusive_ptr<BlockPass> pass) {
    ctx->set_materialize_grads(false);  // a loss that nobody asked for has no gradient, not one of zeros
    const bool on_host = pass->under_way != nullptr;
    if (on_host) pass->input = put_on_host(x.detach(), *pass->under_way);
    ctx->save_for_backward({on_host ? at::Tensor() : x, memory});
    ctx->saved_data["device"] = x.device();
    pass->sync->before_forward(pass->full_name);
    ForwardOutputs own;
    if (pass->context.collects_statistics()) own.statistics = pass->context.outputs->statistics;
    const at::Tensor y = pass->run(x, memory, own);
    pass->sync->after_forward(pass->full_name);
    pass->loads = own.loads;
    variable_list outputs = all_of(y, own);
    ctx->saved_data["pass"] = c10::IValue::make_capsule(std::move(pass));
    return outputs;
  }

  static variable_list backward(AutogradContext* ctx, const variable_list& grads) {
    const auto capsule = ctx->saved_data["pass"].toCapsule();
    auto& pass = *static_cast<BlockPass*>(capsule.get());
    const variable_list saved = ctx->get_saved_variables();
    pass.sync->before_backward(pass.full_name);
    at::Tensor x = saved[0], memory = saved[1];
    std::optional<DeviceCopy> fetched;
    if (pass.under_way != nullptr) {
      pass.under_way->clear();
      x = fetched.emplace(pass.input->get(), ctx->saved_data["device"].toDevice()).get();
      pass.input.reset();
    }
    x = x.detach().requires_grad_();
    if (pass.has_memory) memory = memory.detach().requires_grad_();
    {
      const at::AutoGradMode with_gradients(true);
      ForwardOutputs own;
      pass.routings.rewind();
      const at::Tensor y = pass.run(x, memory, own);
      variable_list roots, root_grads;
      const variable_list outputs = all_of(y, own);
      for (std::size_t i = 0; i < outputs.size(); ++i) {
        if (!grads[i].defined() || !outputs[i].requires_grad()) continue;  // a loss may be a measure alone
        roots.push_back(outputs[i]);
        root_grads.push_back(grads[i]);
      }
      torch::autograd::backward(roots, root_grads);
    }
    pass.sync->after_backward(pass.full_name);
    return {x.grad(), pass.has_memory ? memory.grad() : at::Tensor(), {}};
  }
};

}  // namespace

at::Tensor UnitRunner::run(const std::string& full_name, const at::Tensor& x, const at::Tensor& memory,
                           const ForwardContext& context, const Block& block) {
  ParameterSync& sync = *sync_;
  if (!at::GradMode::is_enabled()) {
    at::Tensor y;
    use(full_name, [&] { y = block(x, memory, context); });
    return y;
  }
  if (recompute_) {
    auto pass = c10::make_intrusive<BlockPass>();
    pass->sync = &sync;
    pass->full_name = full_name;
    pass->block = block;
    pass->context = context;
    pass->has_memory = memory.defined();
    pass->under_way = inputs_on_host_ ? &under_way_ : nullptr;
    const variable_list outputs = Recompute::apply(x, memory.defined() ? memory : at::empty({0}), pass);
    if (context.outputs == nullptr) return outputs[0];
    ForwardOutputs& all = *context.outputs;
    all.loads.insert(all.loads.end(), pass->loads.begin(), pass->loads.end());
    const std::size_t losses = (outputs.size() - 1) / 2;
    for (std::size_t i = 0; i < losses; ++i) {
      all.balance_losses.push_back(outputs[1 + i]);
      all.router_z_losses.push_back(outputs[1 + losses + i]);
    }
    return outputs[0];
  }
  // Backward reaches the node behind the block first and the one before it last: the engine takes later nodes first
  // of those that are ready, and gradients of parameters before all others.
  const at::Tensor before = linear_map(x, identity_map(), [&sync, full_name](const at::Tensor& grad) {
    sync.after_backward(full_name);
    return grad;
  });
  sync.before_forward(full_name);
  const at::Tensor y = block(before, memory, context);
  sync.after_forward(full_name);
  return linear_map(y, identity_map(), [&sync, full_name](const at::Tensor& grad) {
    sync.before_backward(full_name);
    return grad;
  });
}

void UnitRunner::use(const std::string& full_name, const std::function<void()>& work) {
  sync_->before_forward(full_name);
  work();
  sync_->after_forward(full_name);
}

}  // namespace polymoe
