#include "polymoe/loss/cross_entropy.h"

#include <optional>

#include "polymoe/tensor/torch_headers.h"

#include "polymoe/kernels/cpu/packed_product.h"
#include "polymoe/kernels/cuda/cross_entropy.h"
#include "polymoe/loss/cpu_cross_entropy.h"
#include "polymoe/tensor/gpu.h"

namespace polymoe {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

struct ChunkTotals {
  at::Tensor token_nll;
  at::Tensor token_loss;
};

// One chunk: float32 logits of the entries here -> losses of its tokens; with `want_gradient` the logits become the
// gradient of sum(token_loss), which is softmax - (1 - smoothing) * onehot - smoothing / vocabulary.
ChunkTotals chunk_losses(at::Tensor& logits, const at::Tensor& labels, const Projection& projection, double smoothing,
                         bool want_gradient) {
  const auto vocabulary = static_cast<double>(projection.vocabulary);
  const at::Tensor highest = logits.amax(1, /*keepdim=*/true);
  projection.axis->max_(highest);
  logits.sub_(highest);

  // Each label is in one slice; in the others a factor of zero takes it out.
  const at::Tensor column = labels - projection.first;
  const at::Tensor here = at::logical_and(column >= 0, column < logits.size(1)).to(logits.scalar_type());
  const at::Tensor label_column = column.clamp(0, logits.size(1) - 1).unsqueeze(1);

  // What tokens sum over the vocabulary, in one call: the label's logit, all logits, all exponentials.
  const at::Tensor sums = at::zeros({3, logits.size(0)}, logits.options());
  sums[0].copy_(logits.gather(1, label_column).squeeze(1)).mul_(here);
  if (smoothing > 0) sums[1].copy_(logits.sum(1));
  sums[2].copy_(logits.exp_().sum(1));
  projection.axis->sum_(sums);

  const at::Tensor log_total = sums[2].log();
  ChunkTotals totals;
  totals.token_nll = log_total - sums[0];
  totals.token_loss = totals.token_nll;
  if (smoothing > 0) {
    totals.token_loss = (1.0 - smoothing) * totals.token_nll + smoothing * (log_total - sums[1] / vocabulary);
  }
  if (want_gradient) {
    logits.div_(sums[2].unsqueeze(1));
    if (smoothing > 0) logits.sub_(smoothing / vocabulary);
    logits.scatter_add_(1, label_column, (here * (smoothing - 1.0)).unsqueeze(1));
  }
  return totals;
}

// The losses and, with `want_gradient`, the gradient at the logits, divided and in the element type of the states.
struct Chunk {
  ChunkTotals totals;
  at::Tensor gradient;
};

Chunk chunk_with_torch(at::Tensor logits, const at::Tensor& labels, const Projection& projection, double smoothing,
                       double normaliser, bool want_gradient, at::ScalarType type) {
  Chunk chunk{chunk_losses(logits, labels, projection, smoothing, want_gradient), {}};
  // Divided before it is narrowed: sums over a batch would leave float16's range.
  if (want_gradient) chunk.gradient = logits.div_(normaliser).to(type);
  return chunk;
}

Chunk chunk_on_gpu(const at::Tensor& logits, const at::Tensor& labels, double smoothing, double normaliser,
                   bool want_gradient, at::ScalarType type) {
  const at::Tensor per_token = at::empty({2, logits.size(0)}, logits.options());
  Chunk chunk{{per_token[0], per_token[1]}, {}};
  if (want_gradient)
    chunk.gradient = type == at::kFloat ? logits : at::empty(logits.sizes(), logits.options().dtype(type));
  if constexpr (kernels::cuda::kBuilt) {
    const kernels::cuda::CrossEntropyRows rows{
        elements<float>(logits), labels.const_data_ptr<std::int64_t>(), logits.size(0), logits.size(1), smoothing,
        1.0 / normaliser};
    auto* nll = mutable_elements<float>(chunk.totals.token_nll);
    auto* loss = mutable_elements<float>(chunk.totals.token_loss);
    if (!want_gradient) {
      kernels::cuda::cross_entropy(rows, nll, loss, gpu_stream(logits));
    } else {
      with_elements(chunk.gradient, [&](auto element) {
        kernels::cuda::cross_entropy(rows, nll, loss, mutable_elements<decltype(element)>(chunk.gradient),
                                     gpu_stream(logits));
      });
    }
  }
  return chunk;
}

// A product in a wider type. GPUs sum in it anyway, and then need not round.
at::Tensor wide_product(const at::Tensor& a, const at::Tensor& b, at::ScalarType wide) {
  if (a.scalar_type() == wide || !a.is_cuda()) return at::mm(a, b).to(wide);
  return at::mm(a, b, wide);
}

at::Tensor logits_of(const at::Tensor& states, const at::Tensor& weight, const at::Tensor& bias, at::ScalarType wide) {
  at::Tensor logits = wide_product(states, weight.t(), wide);
  return bias.defined() ? logits.add_(bias) : logits;
}

// By LibTorch's operators, and a kernel for the whole vocabulary on a GPU.
ProjectedLosses chunked_cross_entropy(const at::Tensor& states, const at::Tensor& weight, const at::Tensor& bias,
                                      const at::Tensor& labels, const Projection& projection, double smoothing,
                                      double normaliser, bool want_gradient) {
  const std::int64_t tokens = states.size(0);
  const at::ScalarType wide = wide_type(states);
  const at::TensorOptions per_token = states.options().dtype(wide);
  ProjectedLosses losses{at::empty({tokens}, per_token), at::empty({tokens}, per_token), {}, {}, {}};
  if (want_gradient) {
    losses.grad_states = at::empty_like(states);
    losses.grad_weight = at::zeros(weight.sizes(), weight.options().dtype(wide));
    if (bias.defined()) losses.grad_bias = at::zeros(bias.sizes(), bias.options().dtype(wide));
  }
  const bool on_gpu = has_gpu_kernel(states) && projection.axis->size() == 1;
  // Slices may differ by an entry, but must agree on the chunks.
  const std::int64_t entries = projection.vocabulary / projection.axis->size();
  const std::int64_t chunk = tokens_of_chunk(entries, !states.is_cpu());
  for (std::int64_t first = 0; first < tokens; first += chunk) {
    const std::int64_t count = std::min(chunk, tokens - first);
    const at::Tensor part = states.narrow(0, first, count);
    const at::Tensor part_labels = labels.narrow(0, first, count);
    at::Tensor logits = logits_of(part, weight, bias, wide);
    const Chunk part_result =
        on_gpu ? chunk_on_gpu(logits, part_labels, smoothing, normaliser, want_gradient, states.scalar_type())
               : chunk_with_torch(logits, part_labels, projection, smoothing, normaliser, want_gradient,
                                  states.scalar_type());
    losses.token_nll.narrow(0, first, count).copy_(part_result.totals.token_nll);
    losses.token_loss.narrow(0, first, count).copy_(part_result.totals.token_loss);
    if (!want_gradient) continue;
    at::Tensor grad_part = losses.grad_states.narrow(0, first, count);
    at::mm_out(grad_part, part_result.gradient, weight);
    // The sum over chunks is wide: of many small addends a narrow one would lose the last.
    if (bias.defined()) losses.grad_bias.add_(part_result.gradient.sum(0, /*keepdim=*/false, wide));
    if (states.is_cpu()) {
      losses.grad_weight.addmm_(logits.t(), part.to(wide));
    } else {
      losses.grad_weight.add_(wide_product(part_result.gradient.t(), part, wide));
    }
  }
  return losses;
}

class ProjectedCrossEntropy : public torch::autograd::Function<ProjectedCrossEntropy> {
 public:
  static variable_list forward(AutogradContext* ctx, const at::Tensor& states, const at::Tensor& weight,
                               const std::optional<at::Tensor>& given_bias, const at::Tensor& labels,
                               const Projection& projection, double smoothing, double normaliser, bool want_gradient) {
    const at::Tensor bias = given_bias.value_or(at::Tensor());
    const ProjectedLosses losses = (has_cpu_cross_entropy(states) ? cpu_cross_entropy : chunked_cross_entropy)(
        states, weight, bias, labels, projection, smoothing, normaliser, want_gradient);
    ctx->save_for_backward({losses.grad_states, losses.grad_weight, losses.grad_bias});
    ctx->mark_non_differentiable({losses.token_nll, losses.token_loss});
    return {losses.token_loss.sum() / normaliser, losses.token_nll, losses.token_loss};
  }

  static variable_list backward(AutogradContext* ctx, const variable_list& grads) {
    const variable_list saved = ctx->get_saved_variables();
    const at::Tensor& scale = grads[0];
    // float16 has no room for a scale of 65536.
    const at::ScalarType type = saved[0].scalar_type(), product = type == at::kHalf ? at::kFloat : type;
    const at::Tensor grad_states = (saved[0].to(product) * scale.to(product)).to(type);
    const at::Tensor grad_weight = saved[1] * scale.to(saved[1].scalar_type());
    at::Tensor grad_bias;
    if (saved[2].defined()) grad_bias = (saved[2] * scale.to(saved[2].scalar_type())).to(saved[0].scalar_type());
    return {grad_states, grad_weight.to(saved[0].scalar_type()), grad_bias, {}, {}, {}, {}, {}};
  }
};

}  // namespace

CrossEntropy projected_cross_entropy(const at::Tensor& states, const Projection& projection, const at::Tensor& labels,
                                     double smoothing, double normaliser) {
  const at::Tensor& weight = projection.weight;
  const bool want_gradient = at::GradMode::is_enabled() && (states.requires_grad() || weight.requires_grad());
  // Autograd refuses undefined tensors as arguments.
  std::optional<at::Tensor> bias;
  if (projection.bias.defined()) bias = projection.bias;
  const variable_list results = ProjectedCrossEntropy::apply(projection.axis->copy_to_region(states), weight, bias,
                                                             labels, projection, smoothing, normaliser, want_gradient);
  return {results[0], results[1], results[2]};
}

std::int64_t tokens_of_chunk(std::int64_t entries, bool on_gpu) {
  // A chunk of logits should stay in the caches of a core between the passes over it; a GPU wants larger products.
  constexpr std::int64_t kElements = std::int64_t{1} << 20, kElementsOnGpu = std::int64_t{1} << 26;
  // Whole tiles of a GPU's products, and whole groups of the CPU's kernels.
  constexpr std::int64_t kTileOnGpu = 128;
  const std::int64_t elements = on_gpu ? kElementsOnGpu : kElements, unit = on_gpu ? kTileOnGpu : kernels::kPanel;
  return std::max<std::int64_t>(1, elements / (entries * unit)) * unit;
}

at::Tensor projected_logits(const at::Tensor& states, const Projection& projection) {
  return logits_of(states, projection.weight, projection.bias, wide_type(states));
}

at::Tensor projected_log_probabilities(const at::Tensor& states, const Projection& projection) {
  at::Tensor logits = at::mm(states, projection.weight.t());
  if (projection.bias.defined()) logits = logits + projection.bias;
  if (projection.axis->size() > 1) {
    const at::Tensor all = at::zeros({states.size(0), projection.vocabulary}, logits.options().dtype(at::kFloat));
    all.narrow(1, projection.first, logits.size(1)).copy_(logits);
    projection.axis->sum_(all);
    logits = all;
  }
  return at::log_softmax(logits, 1, at::kFloat);
}

}  // namespace polymoe
