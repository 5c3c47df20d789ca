#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "polymoe/config/model_options.h"
#include "polymoe/inference/packed_linear.h"

namespace polymoe {

/// Gives a weight by its logical name ("decoder.layers.0.self_attention.qkv.weight", one for each expert); undefined
/// where the model has none of that name.
using WeightReader = std::function<at::Tensor(const std::string& name)>;

/// The weight of a product: "weight" or "up_weight" and so on, `bias` likewise or empty, and scales where it is int8.
/// Throws Error where the model lacks it.
LinearWeight read_linear(const WeightReader& read, const std::string& weight, const std::string& bias);

/// Layer normalisation.
class PackedNorm {
 public:
  PackedNorm() = default;
  PackedNorm(const WeightReader& read, const std::string& name);
  /// x [rows, width] -> y, which may be x.
  void apply(const float* x, std::int64_t rows, float* y) const;

 private:
  AlignedArray<float> weight_, bias_;
};

/// The dense feed-forward block.
class PackedFeedForward {
 public:
  PackedFeedForward(const WeightReader& read, const std::string& up, const std::string& down, Activation activation,
                    WeightFormat format);
  /// Adds the block's output for x [rows, hidden] to y, which may be x.
  void add(const float* x, std::int64_t rows, float* y, Workspace& workspace) const;
  /// Writes it to y.
  void apply(const float* x, std::int64_t rows, float* y, Workspace& workspace) const;
  std::int64_t bytes() const { return up_.bytes() + down_.bytes(); }

 private:
  const float* inner(const float* x, std::int64_t rows, Workspace& workspace) const;

  Activation activation_;
  PackedLinear up_, down_;
};

/// The Mixture-of-Experts layer without a capacity: of the experts, those that some row chose compute.
class PackedMoe {
 public:
  /// `name` is that of the layer; `options` are the layer's own. Routers whose tokens choose experts only.
  PackedMoe(const WeightReader& read, const std::string& name, const ModelOptions& options, WeightFormats formats);
  /// Adds the layer's output for x [rows, hidden] to y, which may be x.
  void add(const float* x, std::int64_t rows, float* y, Workspace& workspace) const;
  std::int64_t bytes() const;

 private:
  struct Choice {
    std::int32_t expert;
    float weight;
  };
  std::vector<Choice> choose(const float* x, std::int64_t rows, Workspace& workspace) const;

  MoeOptions options_;
  PackedLinear gate_;        // float32 whatever the format: a choice is all or nothing
  std::vector<float> bias_;  // of the sigmoid router's choice; else empty
  std::vector<PackedFeedForward> experts_;
  std::optional<PackedFeedForward> shared_;
};

/// The second half of a layer: a norm and one of these two.
class PackedFeedForwardBlock {
 public:
  PackedFeedForwardBlock(const WeightReader& read, const std::string& name, const ModelOptions& options,
                         WeightFormats formats);
  /// x [rows, hidden], in place, residual and norm too.
  void apply(float* x, std::int64_t rows, std::int64_t hidden, Workspace& workspace) const;
  std::int64_t bytes() const { return ffn_ ? ffn_->bytes() : moe_->bytes(); }

 private:
  bool pre_norm_;
  PackedNorm norm_;
  std::optional<PackedFeedForward> ffn_;
  std::optional<PackedMoe> moe_;
};

/// x += f(norm(x)) where norms come before blocks, else x = norm(x + f(x)). `add(input)` adds f(input) to x; it reads
/// all of the input first, which may be x.
template <typename Add>
void apply_residual(float* x, std::int64_t rows, std::int64_t hidden, bool pre_norm, const PackedNorm& norm,
                    Workspace& workspace, const Add& add) {
  if (!pre_norm) {
    add(static_cast<const float*>(x));
    norm.apply(x, rows, x);
    return;
  }
  float* normed = workspace.floats(Workspace::kNormed, rows * hidden);
  norm.apply(x, rows, normed);
  add(static_cast<const float*>(normed));
}

}  // namespace polymoe
