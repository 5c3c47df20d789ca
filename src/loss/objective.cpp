#include "loss/objective.h"

#include <utility>

#include "nn/torch_headers.h"

namespace polymoe {
namespace {

double mean_of(const std::vector<at::Tensor>& losses) {
  double sum = 0.0;
  for (const at::Tensor& loss : losses) sum += loss.item<double>();
  return losses.empty() ? 0.0 : sum / static_cast<double>(losses.size());
}

}  // namespace

Objective make_objective(CrossEntropy cross_entropy, const ForwardContext& context, const MoeOptions& options,
                         const Normalisation& normalisation) {
  Objective objective;
  objective.cross_entropy = std::move(cross_entropy);
  objective.value = objective.cross_entropy.loss;
  const double micro_batches = static_cast<double>(normalisation.micro_batches) / normalisation.loss_scale;
  for (const at::Tensor& loss : context.balance_losses) {
    objective.value = objective.value + loss * (options.balance_loss / micro_batches);
  }
  if (options.router_z_loss > 0) {
    for (const at::Tensor& loss : context.router_z_losses) {
      objective.value = objective.value + loss * (options.router_z_loss / micro_batches);
    }
  }
  objective.balance_loss = mean_of(context.balance_losses);
  objective.router_z_loss = mean_of(context.router_z_losses);
  return objective;
}

}  // namespace polymoe
