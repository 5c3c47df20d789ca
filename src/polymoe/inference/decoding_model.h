#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include <ATen/core/Tensor.h>

namespace polymoe {

/// Sentences of one batch while they are translated: what the encoder made of them, and the keys and values of what
/// their hypotheses have read. All sentences have equally many hypotheses, which lie together.
class DecodingState {
 public:
  virtual ~DecodingState() = default;

  /// Each hypothesis reads its token of `ids` [hypotheses]. -> the log probabilities of what comes next, [hypotheses,
  /// vocabulary] float32. The caller may change them; the next step() may use their memory again.
  virtual at::Tensor step(const std::vector<std::int32_t>& ids) = 0;

  /// Keeps these sentences, in this order, and for each of them, in order, as many of its hypotheses as it had; some
  /// may be kept several times. `hypotheses` and `sentences` are rows of what step() had.
  virtual void select(const std::vector<std::int64_t>& hypotheses, const std::vector<std::int64_t>& sentences) = 0;

  /// From now on step() keeps what attention() gives, where the model has it (DecodingModel::gives_attention()).
  virtual void keep_attention() {}
  /// How much each hypothesis of the last step() attended to each token of its source: the mean over the heads of the
  /// layer that aligns best, [hypotheses][source tokens]. Rows are step()'s.
  virtual std::vector<std::vector<float>> attention() const { return {}; }
};

/// A model as a search sees it.
class DecodingModel {
 public:
  virtual ~DecodingModel() = default;

  /// The most tokens of a source, and of what is read while decoding.
  virtual std::int64_t max_positions() const = 0;

  virtual std::int64_t vocabulary() const = 0;
  /// Whether several threads may have states of it at the same time.
  virtual bool is_thread_safe() const { return false; }
  /// Whether its states have attention().
  virtual bool gives_attention() const { return false; }

  /// Encodes `sources`, ids with tags and end marks, each at least one, and prepares `beams` hypotheses of each. The
  /// model must outlive the state. Throws Error where a source is longer than max_positions().
  virtual std::unique_ptr<DecodingState> start(const std::vector<std::vector<std::int32_t>>& sources,
                                               std::int64_t beams) = 0;
};

}  // namespace polymoe
