#include "polymoe/loss/cross_entropy.h"
#include "polymoe/config/moe_options.h"

#include <gtest/gtest.h>

#include "polymoe/loss/objective.h"
#include "polymoe/tensor/torch_headers.h"
#include "support/device.h"
#include "support/thread_axis.h"
#include "unit/nn/gradient_check.h"

namespace polymoe {
namespace {

struct Case {
  at::Tensor states, projection, labels;
};

Case make_case(std::int64_t tokens, std::int64_t hidden, std::int64_t vocabulary, at::ScalarType type,
               const at::Device& device = test_device()) {
  return {at::randn({tokens, hidden}, type).to(device).requires_grad_(),
          at::randn({vocabulary, hidden}, type).to(device).requires_grad_(),
          at::randint(0, vocabulary, {tokens}, at::kLong).to(device)};
}

TEST(ProjectedCrossEntropy, EqualsTheFunctionOfLibTorch) {
  for (const double smoothing : {0.0, 0.1}) {
    const Case c = make_case(40, 8, 30, at::kFloat);
    const CrossEntropy ours = projected_cross_entropy(c.states, c.projection, c.labels, smoothing, 40.0);
    const at::Tensor logits = at::mm(c.states, c.projection.t());
    const at::Tensor theirs = at::cross_entropy_loss(logits, c.labels, {}, at::Reduction::Mean, -100, smoothing);
    // Sums over 30 logits in float32.
    EXPECT_NEAR(ours.loss.item<double>(), theirs.item<double>(), tolerance(1e-5));
    ours.loss.backward();
    const at::Tensor states_grad = c.states.grad().clone(), projection_grad = c.projection.grad().clone();
    c.states.mutable_grad().reset();
    c.projection.mutable_grad().reset();
    theirs.backward();
    EXPECT_TRUE(close(states_grad, c.states.grad(), 1e-4, 1e-6));
    EXPECT_TRUE(close(projection_grad, c.projection.grad(), 1e-4, 1e-6));
  }
}

TEST(ProjectedCrossEntropy, GradientsMatchFiniteDifferences) {
  const Case c = make_case(5, 3, 7, at::kDouble);
  const auto objective = [&] { return projected_cross_entropy(c.states, c.projection, c.labels, 0.1, 3.0).loss * 2.0; };
  expect_gradient_matches(c.states, objective);
  expect_gradient_matches(c.projection, objective);
}

TEST(ProjectedCrossEntropy, ABiasJoinsTheLogits) {
  const Case c = make_case(5, 3, 7, at::kDouble);
  Projection projection(c.projection);
  projection.bias = at::randn({7}, at::kDouble).to(c.projection.device()).requires_grad_();
  const auto objective = [&] { return projected_cross_entropy(c.states, projection, c.labels, 0.1, 3.0).loss * 2.0; };
  expect_gradient_matches(c.states, objective);
  expect_gradient_matches(c.projection, objective);
  expect_gradient_matches(projection.bias, objective);
  const at::Tensor logits = at::addmm(projection.bias, c.states, c.projection.t());
  EXPECT_TRUE(close(projected_logits(c.states, projection), logits, 0, 1e-12));
  EXPECT_TRUE(
      close(projected_log_probabilities(c.states, projection), at::log_softmax(logits, 1).to(at::kFloat), 0, 1e-6));
}

TEST(ProjectedCrossEntropy, ChunksDoNotShow) {
  // 2^20 logits a chunk on the CPU, or 64 tokens: 100 tokens make two chunks.
  const Case c = make_case(100, 4, 70000, at::kFloat);
  const CrossEntropy whole = projected_cross_entropy(c.states, c.projection, c.labels, 0.1, 1.0);
  double sum = 0.0;
  for (std::int64_t t = 0; t < 100; ++t) {
    const CrossEntropy one =
        projected_cross_entropy(c.states.narrow(0, t, 1), c.projection, c.labels.narrow(0, t, 1), 0.1, 1.0);
    sum += one.loss.item<double>();
    EXPECT_NEAR(one.token_nll[0].item<double>(), whole.token_nll[t].item<double>(), tolerance(1e-4));
  }
  EXPECT_NEAR(whole.loss.item<double>(), sum, tolerance(1e-3));  // 100 losses of about 11 in float32
}

TEST(ProjectedCrossEntropy, ManyChunksOfNarrowNumbersAddUp) {
  // 16 chunks of 64 tokens on the CPU, whose states lean one way: a sum in bfloat16 would lose several percent.
  Case c = make_case(1024, 4, 70000, at::kFloat);
  const at::Tensor states = (c.states.detach() * 0.1 + 1.0).to(at::kBFloat16);
  const at::Tensor projection = c.projection.detach().to(at::kBFloat16);
  const auto gradient = [&](at::ScalarType type) {
    const at::Tensor weight = projection.to(type).clone().requires_grad_();
    projected_cross_entropy(states.to(type), {weight}, c.labels, 0.1, 1.0).loss.backward();
    return weight.grad().to(at::kFloat);
  };
  const at::Tensor expected = gradient(at::kFloat);
  // The result and the logits have 8 bits.
  EXPECT_LT((gradient(at::kBFloat16) - expected).norm().item<double>(), 0.02 * expected.norm().item<double>());
}

TEST(ProjectedCrossEntropy, ThreadsChangeNoBit) {
  const Case c = make_case(150, 70, 3000, at::kFloat, at::kCPU);
  const int threads = at::get_num_threads();
  std::vector<std::vector<at::Tensor>> found;
  for (const int some : {1, 2}) {
    at::set_num_threads(some);
    const at::Tensor states = c.states.detach().clone().requires_grad_();
    const at::Tensor weight = c.projection.detach().clone().requires_grad_();
    const CrossEntropy result = projected_cross_entropy(states, weight, c.labels, 0.1, 7.0);
    result.loss.backward();
    found.push_back({result.token_loss, states.grad(), weight.grad()});
  }
  at::set_num_threads(threads);
  for (std::size_t i = 0; i < 3; ++i) EXPECT_TRUE(at::equal(found[0][i], found[1][i]));
}

TEST(ProjectedCrossEntropy, TokenLossesAddUpToTheLoss) {
  const Case c = make_case(11, 4, 9, at::kFloat);
  const CrossEntropy result = projected_cross_entropy(c.states, c.projection, c.labels, 0.2, 22.0);
  EXPECT_NEAR(result.loss.item<double>(), result.token_loss.sum().item<double>() / 22.0, tolerance(1e-6));
  EXPECT_FALSE(result.token_loss.requires_grad());
}

// The slice of `weight` that belongs to a place on the axis. The gradient of `weight` is put together over the slices.
Projection slice_of(const at::Tensor& weight, const std::shared_ptr<ModelAxis>& axis) {
  const std::int64_t vocabulary = weight.size(0);
  const std::int64_t begin = vocabulary * axis->rank() / axis->size();
  const std::int64_t end = vocabulary * (axis->rank() + 1) / axis->size();
  return {axis->copy_to_region(weight).narrow(0, begin, end - begin), begin, vocabulary, axis};
}

TEST(SlicedCrossEntropy, EqualsThatOfTheWholeVocabulary) {
  for (const double smoothing : {0.0, 0.1}) {
    for (const std::int64_t slices : {1, 2, 3}) {
      const Case c = make_case(70, 4, 35000, at::kDouble, at::kCPU);  // two chunks at least
      const CrossEntropy whole = projected_cross_entropy(c.states, c.projection, c.labels, smoothing, 70.0);
      whole.loss.backward();
      run_slices(slices, [&](const std::shared_ptr<ModelAxis>& axis) {
        const at::Tensor states = c.states.detach().clone().requires_grad_();
        const at::Tensor weight = c.projection.detach().clone().requires_grad_();
        const CrossEntropy ours = projected_cross_entropy(states, slice_of(weight, axis), c.labels, smoothing, 70.0);
        ours.loss.backward();
        // float64; only the order of sums differs.
        EXPECT_NEAR(ours.loss.item<double>(), whole.loss.item<double>(), 1e-12);
        EXPECT_TRUE(at::allclose(ours.token_nll, whole.token_nll, 1e-12, 1e-12));
        EXPECT_TRUE(at::allclose(states.grad(), c.states.grad(), 1e-10, 1e-14));
        EXPECT_TRUE(at::allclose(weight.grad(), c.projection.grad(), 1e-10, 1e-14));
      });
    }
  }
}

TEST(SlicedCrossEntropy, OfFloat32EqualsThatOfTheWholeVocabulary) {
  const Case c = make_case(70, 20, 20001, at::kFloat, at::kCPU);
  const CrossEntropy whole = projected_cross_entropy(c.states, c.projection, c.labels, 0.1, 70.0);
  whole.loss.backward();
  run_slices(3, [&](const std::shared_ptr<ModelAxis>& axis) {
    const at::Tensor states = c.states.detach().clone().requires_grad_();
    const at::Tensor weight = c.projection.detach().clone().requires_grad_();
    const CrossEntropy ours = projected_cross_entropy(states, slice_of(weight, axis), c.labels, 0.1, 70.0);
    ours.loss.backward();
    // Losses of about 20 and sums over 20,001 entries in float32, in another order.
    EXPECT_TRUE(at::allclose(ours.token_loss, whole.token_loss, 1e-5, 1e-5));
    EXPECT_TRUE(at::allclose(states.grad(), c.states.grad(), 1e-4, 1e-6));
    EXPECT_TRUE(at::allclose(weight.grad(), c.projection.grad(), 1e-4, 1e-6));
  });
}

TEST(SlicedCrossEntropy, OfBfloat16IsNearThatOfFloat32) {
  for (const std::int64_t hidden : {20, 21}) {  // ours, and LibTorch's products
    const Case c = make_case(71, hidden, 2001, at::kFloat, at::kCPU);
    const at::Tensor states = c.states.detach().to(at::kBFloat16), projection = c.projection.detach().to(at::kBFloat16);
    const Case wide{states.to(at::kFloat).requires_grad_(), projection.to(at::kFloat).requires_grad_(), c.labels};
    const CrossEntropy whole = projected_cross_entropy(wide.states, wide.projection, c.labels, 0.1, 71.0);
    whole.loss.backward();
    run_slices(3, [&](const std::shared_ptr<ModelAxis>& axis) {
      const at::Tensor own = states.clone().requires_grad_(), weight = projection.clone().requires_grad_();
      const CrossEntropy ours = projected_cross_entropy(own, slice_of(weight, axis), c.labels, 0.1, 71.0);
      ours.loss.backward();
      // LibTorch's logits are rounded, ours are not.
      EXPECT_TRUE(at::allclose(ours.token_loss, whole.token_loss, hidden == 20 ? 1e-5 : 1e-2, 1e-3));
      const auto distance = [](const at::Tensor& a, const at::Tensor& b) {
        return ((a.to(at::kFloat) - b).norm() / b.norm()).item<double>();
      };
      EXPECT_LT(distance(own.grad(), wide.states.grad()), 0.02);
      EXPECT_LT(distance(weight.grad(), wide.projection.grad()), 0.02);
    });
  }
}

// The largest loss scale is beyond float16.
TEST(ProjectedCrossEntropy, AGreatScaleLeavesFloat16Finite) {
  const Case c = make_case(4, 6, 9, at::kHalf, at::kCPU);
  (projected_cross_entropy(c.states, c.projection, c.labels, 0.1, 1000.0).loss * 65536.0).backward();
  EXPECT_TRUE(at::isfinite(c.states.grad()).all().item<bool>());
  EXPECT_GT(c.states.grad().abs().max().item<float>(), 1.0f);
}

TEST(SlicedCrossEntropy, GradientsMatchFiniteDifferences) {
  const Case c = make_case(5, 3, 7, at::kDouble, at::kCPU);
  run_slices(3, [&](const std::shared_ptr<ModelAxis>& axis) {
    // Every slice moves its copy of the same element at the same time.
    const at::Tensor states = c.states.detach().clone().requires_grad_();
    const at::Tensor weight = c.projection.detach().clone().requires_grad_();
    const auto objective = [&] {
      return projected_cross_entropy(states, slice_of(weight, axis), c.labels, 0.1, 3.0).loss * 2.0;
    };
    expect_gradient_matches(states, objective);
    expect_gradient_matches(weight, objective);
  });
}

TEST(SlicedCrossEntropy, LogitsFarFromZeroAreFine) {
  Case c = make_case(6, 4, 9, at::kFloat);
  const at::Tensor states = c.states.detach() * 200;  // exponentials of such logits are not float32 numbers
  const CrossEntropy whole = projected_cross_entropy(states, c.projection.detach(), c.labels, 0.1, 6.0);
  run_slices(2, [&](const std::shared_ptr<ModelAxis>& axis) {
    const CrossEntropy ours =
        projected_cross_entropy(states, slice_of(c.projection.detach(), axis), c.labels, 0.1, 6.0);
    EXPECT_TRUE(at::isfinite(ours.loss).item<bool>());
    EXPECT_TRUE(close(ours.token_loss, whole.token_loss, 1e-5, 1e-3));  // losses of some hundreds in float32
  });
}

TEST(SlicedCrossEntropy, LogProbabilitiesAreWholeOnEverySlice) {
  const Case c = make_case(6, 4, 9, at::kFloat);
  const at::NoGradGuard no_grad;
  const at::Tensor whole = projected_log_probabilities(c.states, c.projection);
  run_slices(4, [&](const std::shared_ptr<ModelAxis>& axis) {
    const at::NoGradGuard no_grad_here;
    // Each logit is a sum of four products; slices may block them otherwise.
    EXPECT_TRUE(close(projected_log_probabilities(c.states, slice_of(c.projection, axis)), whole, 1e-5, 1e-6));
  });
}

TEST(Objective, MicroBatchesAddUpToTheMeanOverAllTokens) {
  const Case c = make_case(12, 4, 9, at::kFloat);
  MoeOptions options;
  options.balance_loss = 0.5;
  const auto share = [&](std::int64_t first, std::int64_t count, double balance) {
    ForwardOutputs outputs;
    const at::Tensor loss = on_device(at::scalar_tensor(balance)), none = at::zeros_like(loss);
    outputs.balance_losses = {loss, loss};
    outputs.router_z_losses = {none, none};
    CrossEntropy part = projected_cross_entropy(c.states.narrow(0, first, count), c.projection,
                                                c.labels.narrow(0, first, count), 0.0, 12.0);
    return make_objective(std::move(part), outputs, options, {12, 2}).value.item<double>();
  };
  const double whole = projected_cross_entropy(c.states, c.projection, c.labels, 0.0, 12.0).loss.item<double>();
  // Two layers of balance loss 1.0 and 3.0 in the two micro-batches: 0.5 * 2 * mean(1, 3) = 2.
  EXPECT_NEAR(share(0, 5, 1.0) + share(5, 7, 3.0), whole + 2.0, tolerance(1e-5));
}

}  // namespace
}  // namespace polymoe
