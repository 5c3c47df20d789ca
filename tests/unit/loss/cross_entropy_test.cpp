#include "loss/cross_entropy.h"

#include <gtest/gtest.h>

#include "loss/objective.h"
#include "nn/torch_headers.h"
#include "unit/nn/gradient_check.h"

namespace polymoe {
namespace {

struct Case {
  at::Tensor states, projection, labels;
};

Case make_case(std::int64_t tokens, std::int64_t hidden, std::int64_t vocabulary, at::ScalarType type) {
  return {at::randn({tokens, hidden}, type).requires_grad_(), at::randn({vocabulary, hidden}, type).requires_grad_(),
          at::randint(0, vocabulary, {tokens}, at::kLong)};
}

TEST(ProjectedCrossEntropy, EqualsTheFunctionOfLibTorch) {
  for (const double smoothing : {0.0, 0.1}) {
    const Case c = make_case(40, 8, 30, at::kFloat);
    const CrossEntropy ours = projected_cross_entropy(c.states, c.projection, c.labels, smoothing, 40.0);
    const at::Tensor logits = at::mm(c.states, c.projection.t());
    const at::Tensor theirs = at::cross_entropy_loss(logits, c.labels, {}, at::Reduction::Mean, -100, smoothing);
    // Sums over 30 logits in float32.
    EXPECT_NEAR(ours.loss.item<double>(), theirs.item<double>(), 1e-5);
    ours.loss.backward();
    const at::Tensor states_grad = c.states.grad().clone(), projection_grad = c.projection.grad().clone();
    c.states.mutable_grad().reset();
    c.projection.mutable_grad().reset();
    theirs.backward();
    EXPECT_TRUE(at::allclose(states_grad, c.states.grad(), 1e-4, 1e-6));
    EXPECT_TRUE(at::allclose(projection_grad, c.projection.grad(), 1e-4, 1e-6));
  }
}

TEST(ProjectedCrossEntropy, GradientsMatchFiniteDifferences) {
  const Case c = make_case(5, 3, 7, at::kDouble);
  const auto objective = [&] { return projected_cross_entropy(c.states, c.projection, c.labels, 0.1, 3.0).loss * 2.0; };
  expect_gradient_matches(c.states, objective);
  expect_gradient_matches(c.projection, objective);
}

TEST(ProjectedCrossEntropy, ChunksDoNotShow) {
  // 2^20 logits a chunk: 70,000 entries make chunks of 16 tokens, and 40 tokens three of them.
  const Case c = make_case(40, 4, 70000, at::kFloat);
  const CrossEntropy whole = projected_cross_entropy(c.states, c.projection, c.labels, 0.1, 1.0);
  double sum = 0.0;
  for (std::int64_t t = 0; t < 40; ++t) {
    const CrossEntropy one =
        projected_cross_entropy(c.states.narrow(0, t, 1), c.projection, c.labels.narrow(0, t, 1), 0.1, 1.0);
    sum += one.loss.item<double>();
    EXPECT_NEAR(one.token_nll[0].item<double>(), whole.token_nll[t].item<double>(), 1e-4);
  }
  EXPECT_NEAR(whole.loss.item<double>(), sum, 1e-3);  // 40 losses of about 11 in float32
}

TEST(ProjectedCrossEntropy, TokenLossesAddUpToTheLoss) {
  const Case c = make_case(11, 4, 9, at::kFloat);
  const CrossEntropy result = projected_cross_entropy(c.states, c.projection, c.labels, 0.2, 22.0);
  EXPECT_NEAR(result.loss.item<double>(), result.token_loss.sum().item<double>() / 22.0, 1e-6);
  EXPECT_FALSE(result.token_loss.requires_grad());
}

TEST(Objective, MicroBatchesAddUpToTheMeanOverAllTokens) {
  const Case c = make_case(12, 4, 9, at::kFloat);
  MoeOptions options;
  options.balance_loss = 0.5;
  const auto share = [&](std::int64_t first, std::int64_t count, double balance) {
    ForwardContext context;
    context.balance_losses = {at::scalar_tensor(balance), at::scalar_tensor(balance)};
    context.router_z_losses = {at::scalar_tensor(0.0), at::scalar_tensor(0.0)};
    CrossEntropy part = projected_cross_entropy(c.states.narrow(0, first, count), c.projection,
                                                c.labels.narrow(0, first, count), 0.0, 12.0);
    return make_objective(std::move(part), context, options, {12, 2}).value.item<double>();
  };
  const double whole = projected_cross_entropy(c.states, c.projection, c.labels, 0.0, 12.0).loss.item<double>();
  // Two layers of balance loss 1.0 and 3.0 in the two micro-batches: 0.5 * 2 * mean(1, 3) = 2.
  EXPECT_NEAR(share(0, 5, 1.0) + share(5, 7, 3.0), whole + 2.0, 1e-5);
}

}  // namespace
}  // namespace polymoe
