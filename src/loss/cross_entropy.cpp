#include "loss/cross_entropy.h"

#include "nn/torch_headers.h"

namespace polymoe {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

// A chunk of logits should stay in the caches of a core between the passes over it.
constexpr std::int64_t kChunkElements = std::int64_t{1} << 20;

struct ChunkTotals {
  at::Tensor token_nll;
  at::Tensor token_loss;
};

// One chunk: float32 logits -> losses of its tokens; with `want_gradient` the logits become the gradient of
// sum(token_loss), which is softmax - (1 - smoothing) * onehot - smoothing / vocabulary.
ChunkTotals chunk_losses(at::Tensor& logits, const at::Tensor& labels, double smoothing, bool want_gradient) {
  const std::int64_t vocabulary = logits.size(1);
  const at::Tensor label_column = labels.unsqueeze(1);
  const at::Tensor log_total = at::logsumexp(logits, 1);
  ChunkTotals totals;
  totals.token_nll = log_total - logits.gather(1, label_column).squeeze(1);
  totals.token_loss = totals.token_nll;
  if (smoothing > 0) {
    totals.token_loss = (1.0 - smoothing) * totals.token_nll + smoothing * (log_total - logits.mean(1));
  }
  if (want_gradient) {
    logits.sub_(log_total.unsqueeze(1)).exp_();
    if (smoothing > 0) logits.sub_(smoothing / static_cast<double>(vocabulary));
    logits.scatter_add_(1, label_column, at::full_like(label_column, smoothing - 1.0, logits.options()));
  }
  return totals;
}

class ProjectedCrossEntropy : public torch::autograd::Function<ProjectedCrossEntropy> {
 public:
  static variable_list forward(AutogradContext* ctx, const at::Tensor& states, const at::Tensor& projection,
                               const at::Tensor& labels, double smoothing, double normaliser, bool want_gradient) {
    const std::int64_t tokens = states.size(0), vocabulary = projection.size(0);
    const at::ScalarType wide = states.scalar_type() == at::kDouble ? at::kDouble : at::kFloat;
    const at::TensorOptions per_token = states.options().dtype(wide);
    at::Tensor token_nll = at::empty({tokens}, per_token), token_loss = at::empty({tokens}, per_token);
    at::Tensor grad_states, grad_projection;
    if (want_gradient) {
      grad_states = at::empty_like(states);
      grad_projection = at::zeros_like(projection);
    }
    const std::int64_t chunk = std::max<std::int64_t>(16, kChunkElements / vocabulary);
    for (std::int64_t first = 0; first < tokens; first += chunk) {
      const std::int64_t count = std::min(chunk, tokens - first);
      const at::Tensor part = states.narrow(0, first, count);
      at::Tensor logits = at::mm(part, projection.t()).to(wide);
      const ChunkTotals totals = chunk_losses(logits, labels.narrow(0, first, count), smoothing, want_gradient);
      token_nll.narrow(0, first, count).copy_(totals.token_nll);
      token_loss.narrow(0, first, count).copy_(totals.token_loss);
      if (want_gradient) {
        const at::Tensor grad = logits.to(states.scalar_type());
        at::Tensor grad_part = grad_states.narrow(0, first, count);
        at::mm_out(grad_part, grad, projection);
        grad_projection.addmm_(grad.t(), part);
      }
    }
    ctx->save_for_backward({grad_states, grad_projection});
    ctx->saved_data["normaliser"] = normaliser;
    ctx->mark_non_differentiable({token_nll, token_loss});
    return {token_loss.sum() / normaliser, token_nll, token_loss};
  }

  static variable_list backward(AutogradContext* ctx, const variable_list& grads) {
    const variable_list saved = ctx->get_saved_variables();
    const at::Tensor scale = grads[0] / ctx->saved_data["normaliser"].toDouble();
    return {saved[0] * scale.to(saved[0].scalar_type()), saved[1] * scale.to(saved[1].scalar_type()), {}, {}, {}, {}};
  }
};

}  // namespace

CrossEntropy projected_cross_entropy(const at::Tensor& states, const at::Tensor& projection, const at::Tensor& labels,
                                     double smoothing, double normaliser) {
  const bool want_gradient = at::GradMode::is_enabled() && (states.requires_grad() || projection.requires_grad());
  const variable_list results =
      ProjectedCrossEntropy::apply(states, projection, labels, smoothing, normaliser, want_gradient);
  return {results[0], results[1], results[2]};
}

at::Tensor projected_log_probabilities(const at::Tensor& states, const at::Tensor& projection) {
  return at::log_softmax(at::mm(states, projection.t()), 1, at::kFloat);
}

}  // namespace polymoe
