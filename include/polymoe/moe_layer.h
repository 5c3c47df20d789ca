#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include <torch/nn/module.h>
#include <torch/nn/pimpl.h>

#include "polymoe/errors.h"

namespace polymoe {
inline namespace v0 {

/// What decides which tokens go to which experts.
enum class MoeRouter {
  kTopK,          ///< each token to the top_k experts of the highest softmax, which scales their outputs
  kSigmoid,       ///< the same by sigmoids, with a bias that evens out the load (DeepSeek-V3); needs end_update()
  kExpertChoice,  ///< each expert takes its tokens (Zhou et al. 2022); not where a token must not see later ones
};

enum class MoeActivation { kRelu, kGelu, kSwish };

struct MoeLayerOptions {
  std::int64_t hidden = 512;        ///< width of tokens
  std::int64_t ffn = 2048;          ///< inner width of an expert
  std::int64_t experts = 8;         ///< at least 1
  std::int64_t top_k = 1;           ///< experts of a token, with expert choice on average
  std::int64_t shared_experts = 0;  ///< experts that every token goes to besides
  MoeRouter router = MoeRouter::kTopK;
  MoeActivation activation = MoeActivation::kRelu;
  bool dropless = false;               ///< experts take all tokens that choose them, whatever the capacity
  double capacity_factor = 1.0;        ///< an expert takes at most ceil(top_k * tokens / experts * factor) tokens,
  double eval_capacity_factor = 2.0;   ///< with this factor in evaluation,
  std::int64_t min_capacity = 4;       ///< and at least so many; the others get zeros
  bool random_token_selection = true;  ///< an expert over its capacity keeps random tokens, else the first (training)
  bool normalize_gates = true;         ///< with top_k above 1, the weights of a token's experts add up to 1
  double bias_rate = 0.001;            ///< by which a sigmoid router moves its bias at each update
  std::uint64_t seed = 1;              ///< of the first weights and of random token selection
  bool record_load = false;            ///< whether load() is kept; on a GPU it waits for the device
};

/// How many tokens each expert was given in a pass.
struct ExpertLoad {
  std::vector<std::int64_t> assigned;  ///< [experts], before dropping
  std::vector<std::int64_t> kept;      ///< [experts], within the capacity
};

/// A Mixture-of-Experts layer, which takes the place of a transformer's feed-forward block: router, dispatch, experts,
/// combine. Its parameters are `gate.weight` [experts, hidden], `experts.up_weight` [experts, ffn, hidden],
/// `experts.up_bias` [experts, ffn], `experts.down_weight` [experts, hidden, ffn] and `experts.down_bias` [experts,
/// hidden]; a sigmoid router has the buffer `gate.bias` [experts]. They are float32 and are made on the CPU; to() moves
/// them. Random numbers depend on the seed and on how many passes there were, never on threads. All experts are in
/// this process.
class MoeLayerImpl : public torch::nn::Module {
 public:
  /// Throws Error for options out of range or at odds.
  explicit MoeLayerImpl(const MoeLayerOptions& options);
  ~MoeLayerImpl() override;

  /// x [..., hidden] -> [..., hidden], of the parameters' element type and on their device. All of x is one batch for
  /// the capacity, padding too, so leave it out. No residual connection is inside: add x, which carries on tokens that
  /// were dropped. Throws Error for another width, type or device.
  at::Tensor forward(const at::Tensor& x);

  /// Scalars of the last forward(), to be added to the objective with small weights, 0.01 and 0.001 say; undefined
  /// before. The balance loss, E * sum over experts of (mean probability) * (share of choices), is 1 where the load is
  /// even (arXiv 2109.10465); only that of top-k routers has a gradient. The z-loss is mean(logsumexp(scores)^2) (Zoph
  /// et al. 2022).
  const at::Tensor& balance_loss() const;
  const at::Tensor& router_z_loss() const;

  /// The load of the last forward(). Throws Error without MoeLayerOptions::record_load.
  const ExpertLoad& load() const;

  /// After each optimiser step: a sigmoid router then moves its bias against the load of the training passes since the
  /// step before. Other routers keep no such state.
  void end_update();

 private:
  struct State;
  std::unique_ptr<State> state_;
};
TORCH_MODULE(MoeLayer);

}  // namespace v0
}  // namespace polymoe
