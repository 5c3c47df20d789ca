#pragma once

#include <cstdint>

#include "polymoe/config/moe_options.h"
#include "polymoe/parallel/layout.h"

namespace polymoe {

/// Bytes of a number in float32.
inline constexpr std::int64_t kFloat = 4;

struct RunOptions;

/// Memory of activations of one micro-batch in one process, in bytes, by formula: what each module of src/nn keeps for
/// its backward, and what it makes for a while. Half of train.max-tokens are taken for source tokens and half for
/// target tokens; experts are taken to be loaded alike.
class Activations {
 public:
  Activations(const RunOptions& options, const Degrees& degrees);

  std::int64_t block_input() const { return tokens_ * row_; }
  // `experts`: of the block's layer; 0 for a dense one.

  /// What a block keeps from its forward to its backward, its input with it.
  std::int64_t kept(bool decoder, std::int64_t experts) const;
  /// Of that, with which experts its tokens are: kept where a block is computed anew too.
  std::int64_t routing(std::int64_t experts) const;
  /// What a block makes beside that, at most, in forward and in backward (without gradients of parameters).
  std::int64_t forward_work(std::int64_t experts) const;
  std::int64_t backward_work(std::int64_t experts) const;
  /// Rows under way between experts, in both buffers.
  std::int64_t exchanged(std::int64_t experts) const;
  /// The loss in forward, with the gradient of the embedding that it makes on the way; and in backward.
  std::int64_t loss_forward() const;
  std::int64_t loss_backward() const;
  /// Embedded tokens of both sides, and what the last norms keep.
  std::int64_t outside() const;

 private:
  struct Rows {
    std::int64_t slots;      // rows of experts here
    std::int64_t exchanged;  // rows that leave
    std::int64_t gate;       // bytes that the gate keeps
  };
  Rows rows_of(std::int64_t experts) const;
  std::int64_t assignments(std::int64_t experts) const;
  std::int64_t feed_forward_kept(std::int64_t experts) const;

  MoeOptions moe_;
  Degrees degrees_;
  std::int64_t expert_slices_;
  std::int64_t element_;     // bytes
  std::int64_t tokens_;      // of one side
  std::int64_t row_;         // bytes of a token's state
  std::int64_t heads_;       // bytes of a token's state in this process's slice
  std::int64_t inner_;       // bytes of a token's feed-forward activations in this slice
  std::int64_t inner_kept_;  // of them, how many are kept
  std::int64_t expert_inner_, expert_inner_kept_;
  std::int64_t shared_kept_;  // of shared experts, and their result
  std::int64_t vocabulary_;   // entries here
  bool on_gpu_;
  std::int64_t width_;
};

}  // namespace polymoe
