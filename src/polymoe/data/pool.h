#pragma once

#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "polymoe/data/batch.h"
#include "polymoe/data/dataset.h"
#include "polymoe/data/examples.h"
#include "polymoe/data/frame.h"
#include "polymoe/data/mixture.h"
#include "polymoe/data/noise.h"
#include "polymoe/data/subword_dropout.h"
#include "polymoe/data/task.h"

namespace polymoe {

struct DataOptions;

/// The examples of one task and direction, dealt out by draw number: every `examples().count()` draws are one epoch, a
/// new pseudo-random order of all of them. What a draw gives is a pure function of (pool, seed, draw).
class Pool {
 public:
  Pool(const Vocabulary& vocabulary, Task task, Direction direction, ExampleSet examples, const NoiseOptions& noise,
       std::uint64_t seed, std::shared_ptr<const SubwordDropout> dropout = nullptr);

  /// One example by its whereabouts and lengths, marks included: enough to batch it.
  struct Draw {
    std::uint64_t number;
    ExampleSet::Place place;
    std::int32_t source_length;
    std::int32_t target_length;
  };
  Draw draw(std::uint64_t number) const;
  /// The example at `place`, as if draw `number` had given it.
  Draw draw_at(std::uint64_t number, const ExampleSet::Place& place) const;
  /// The example itself; its lengths are those of the draw.
  Example materialize(const Draw& draw) const;

  Task task() const { return task_; }
  const Direction& direction() const { return direction_; }
  const ExampleSet& examples() const { return examples_; }

  /// Sets the share of all draws of the stream.
  void set_share(ShareCurve share) { share_ = std::move(share); }
  const ShareCurve& share() const { return share_; }
  /// How many of the stream's first `draws` examples are from this pool: the sum of its share, rounded up or down.
  std::uint64_t draws_before(std::uint64_t draws) const { return share_.draws_before(draws, phase_); }

 private:
  RandomStream noise_numbers(std::uint64_t number) const;
  /// Appends the tokens of one side of an example, with subword dropout where there is any.
  void read(const Draw& draw, const IdFile& side, std::vector<std::int32_t>& tokens) const;
  std::int64_t length(const Draw& draw, const IdFile& side) const;

  Task task_;
  Direction direction_;
  ExampleSet examples_;
  NoiseOptions noise_;
  std::shared_ptr<const SubwordDropout> dropout_;  // null: none
  std::uint64_t seed_;
  std::uint64_t name_;  // hash of task and direction: numbers of one pool do not depend on which others there are
  ShareCurve share_;
  std::uint64_t
      phase_;  // [0, 2^ShareCurve::kBits): where in its step the pool starts, so that rare ones do not come together
  std::int32_t source_language_;
  std::int32_t target_language_;
  Frame frame_;
  std::int32_t mask_;
};

/// The pools of a training run with their shares: task weights and schedule, and within a task size^(1/temperature).
/// Throws Error for unknown directions and tasks, and where a task or a direction that is named has no usable example.
std::vector<Pool> make_pools(const Dataset& dataset, ExampleIndex& index, const DataOptions& options,
                             std::uint64_t seed);

}  // namespace polymoe
