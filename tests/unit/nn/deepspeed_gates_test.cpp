// Token choice against DeepSpeed's gates: the batches that tests/parity/deepspeed-gates stored in tests/data/gates, or
// those in the file that POLYMOE_GATE_CASES names.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "polymoe/base/files.h"
#include "polymoe/nn/moe/token_choice.h"
#include "polymoe/tensor/torch_headers.h"
#include "support/device.h"

namespace polymoe {
namespace {

using nlohmann::json;

// Of weights and losses: both compute in float32.
constexpr double kTolerance = 1e-6;

json read_cases() {
  const char* const given = std::getenv("POLYMOE_GATE_CASES");
  return json::parse(
      read_file(given != nullptr ? given : POLYMOE_SOURCE_DIR "/tests/data/gates/deepspeed.json"))["cases"];
}

MoeOptions options_of(const json& gate) {
  MoeOptions options;
  options.experts = static_cast<std::int64_t>(gate["assigned"].size());
  options.top_k = gate["top_k"];
  options.capacity_factor = gate["capacity_factor"];
  options.min_capacity = gate["min_capacity"];
  options.random_token_selection = false;
  return options;
}

// What our router decides for the logits of a case.
RouterOutput decide(const json& gate, const MoeOptions& options) {
  const auto rows = gate["logits"].get<std::vector<std::vector<float>>>();
  at::Tensor logits = at::empty({static_cast<std::int64_t>(rows.size()), options.experts});
  for (std::size_t t = 0; t < rows.size(); ++t) logits[static_cast<std::int64_t>(t)].copy_(at::tensor(rows[t]));
  TokenChoiceRouter router(options.experts, options, "layer");
  {
    const at::NoGradGuard no_grad;
    router.weight.copy_(at::eye(options.experts));
  }
  router.to(test_device());
  ForwardContext context;
  context.training = true;
  return router.forward(on_device(logits), context);
}

std::vector<std::int64_t> kept_counts(const Routing& routing) {
  const at::Tensor begin = routing.expert_begin;
  std::vector<std::int64_t> counts;
  for (std::int64_t e = 0; e + 1 < begin.size(0); ++e) {
    counts.push_back((begin[e + 1] - begin[e]).item<std::int64_t>());
  }
  return counts;
}

TEST(DeepSpeedGates, DecideTheSame) {
  const json gates = read_cases();
  ASSERT_GE(gates.size(), 20u);
  for (std::size_t i = 0; i < gates.size(); ++i) {
    SCOPED_TRACE("case " + std::to_string(i));
    const json& gate = gates[i];
    MoeOptions options = options_of(gate);
    const RouterOutput ours = decide(gate, options);
    const at::Tensor experts = ours.routing.assignments.expert_ids.cpu(), slots = ours.routing.slot_of.cpu(),
                     weights = ours.weights.detach().cpu();
    EXPECT_EQ(ours.routing.limit.capacity, gate["capacity"].get<std::int64_t>());
    EXPECT_EQ(ours.routing.plan->assigned, gate["assigned"].get<std::vector<std::int64_t>>());
    EXPECT_NEAR(ours.balance_loss.item<double>(), gate["balance_loss"], kTolerance);
    for (std::int64_t t = 0; t < experts.size(0); ++t) {
      for (std::int64_t k = 0; k < options.top_k; ++k) {
        const auto of_token = static_cast<std::size_t>(t), choice = static_cast<std::size_t>(k);
        EXPECT_EQ(experts[t][k].item<std::int64_t>(), gate["experts"][of_token][choice].get<std::int64_t>());
        const bool kept = gate["kept"][of_token][choice] != 0;
        // DeepSpeed's top-1 keeps any of the tokens of an expert over capacity, ours the first.
        if (options.top_k > 1) {
          EXPECT_EQ(slots[t][k].item<std::int64_t>() >= 0, kept) << "token " << t;
        }
        if (kept) {
          EXPECT_NEAR(weights[t][k].item<double>(), gate["weights"][of_token][choice], kTolerance);
        }
      }
    }
    options.random_token_selection = true;
    EXPECT_EQ(kept_counts(decide(gate, options).routing), gate["kept_with_selection"].get<std::vector<std::int64_t>>());
  }
}

}  // namespace
}  // namespace polymoe
