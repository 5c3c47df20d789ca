#include "polymoe/loss/objective.h"

#include <utility>

#include "polymoe/config/moe_options.h"
#include "polymoe/tensor/torch_headers.h"

namespace polymoe {
namespace {

std::vector<at::Tensor> without_autograd(const std::vector<at::Tensor>& losses) {
  std::vector<at::Tensor> result;
  for (const at::Tensor& loss : losses) result.push_back(loss.detach());
  return result;
}

}  // namespace

Objective make_objective(CrossEntropy cross_entropy, const ForwardOutputs& outputs, const MoeOptions& options,
                         const Normalisation& normalisation) {
  Objective objective;
  objective.cross_entropy = std::move(cross_entropy);
  objective.value = objective.cross_entropy.loss;
  const double micro_batches = static_cast<double>(normalisation.micro_batches) / normalisation.loss_scale;
  for (const at::Tensor& loss : outputs.balance_losses) {
    objective.value = objective.value + loss * (options.balance_loss / micro_batches);
  }
  if (options.router_z_loss > 0) {
    for (const at::Tensor& loss : outputs.router_z_losses) {
      objective.value = objective.value + loss * (options.router_z_loss / micro_batches);
    }
  }
  objective.balance_losses = without_autograd(outputs.balance_losses);
  objective.router_z_losses = without_autograd(outputs.router_z_losses);
  return objective;
}

}  // namespace polymoe
