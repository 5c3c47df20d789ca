#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "polymoe/comm/communicator.h"
#include "polymoe/optim/parameter_store.h"
#include "polymoe/parallel/layout.h"
#include "polymoe/tensor/host_copy.h"

namespace polymoe {

struct ParallelOptions;

/// The copies of each kind of parameter that a layout makes, and so the shards of ZeRO; this process has the first.
Sharding sharding_of(const ParallelOptions& options, const Degrees& degrees);
/// The same, with the shards of this process.
Sharding make_sharding(const ParallelOptions& options, const ParallelLayout& layout);

/// Keeps the copies of every parameter in step over an update: sums gradients, hands updated parameters on, and with
/// ZeRO stage 3 gathers parameters while a block needs them.
///
///   stage 0   gradients are summed over the copies (all-reduce) as each block finishes its last backward
///   stage 1   the same, but each copy gets its shard alone (reduce-scatter); updated shards are gathered
///   stage 2   reduce-scatter after each backward; a block's full gradients exist during its backward alone
///   stage 3   a block's parameters exist during its forward and its backward alone; the next block's are on the way
///             meanwhile
///
/// Call order: begin_update(); for each micro-batch begin_micro_batch(), for each block before_/after_forward() and
/// before_/after_backward(), end_micro_batch(); gradient_norm(); the optimiser, with all_gather() for each unit that it
/// has updated; end_all_gathers().
class ParameterSync {
 public:
  /// Reductions under way at a time, and copies to host memory: enough to overlap with backward, few enough to bound
  /// their buffers. The planner counts on it.
  static constexpr std::size_t kReductionsAtATime = 2;

  /// Both must outlive this.
  ParameterSync(ParameterStore& store, const ParallelLayout& layout);

  void begin_update();
  /// `last`: of this update, here. The parameters outside blocks are there from here to the end.
  void begin_micro_batch(bool last);
  /// After the last one the own gradients are final.
  void end_micro_batch();
  /// Around work without backward: validation, decoding.
  void begin_inference();
  void end_inference();

  // Around one block, named as its units are.
  void before_forward(const std::string& block);
  void after_forward(const std::string& block);
  void before_backward(const std::string& block);
  void after_backward(const std::string& block);

  /// The Euclidean norm of the gradient of the whole model: every element of every logical tensor counts once.
  double gradient_norm();
  /// After its update: begins to hand a unit's new parameters on to all copies.
  void all_gather(const ParameterUnit& unit);
  /// Waits until all that were begun have arrived.
  void end_all_gathers();
  /// Both, for all units.
  void all_gather_all();

  /// The elements [begin, end) of a unit's flat order that this process, among all that hold copies, answers for: in
  /// the gradient's norm and in checkpoints.
  std::pair<std::int64_t, std::int64_t> owned(const ParameterUnit& unit) const;
  /// The part of one parameter that this process answers for, from its first element; empty when begin == end.
  std::pair<std::int64_t, std::int64_t> owned(const ParameterUnit& unit, const FlatParameter& parameter) const;

 private:
  // The elements of a unit's flat order that owned() names, as few ranges as may be.
  std::vector<std::pair<std::int64_t, std::int64_t>> owned_ranges(const ParameterUnit& unit) const;

  struct Gather {
    ParameterUnit* unit;
    at::Tensor own;  // what is sent
    Pending pending;
  };
  struct Reduction {
    ParameterUnit* unit;
    at::Tensor target;  // where the own part arrives; undefined for an all-reduce
    Pending pending;    // null with one copy
  };

  struct Arrival {
    ParameterUnit* unit;
    HostCopy gradients;  // to be added to the own ones
  };

  Communicator& group_of(const ParameterUnit& unit) const;
  const std::vector<ParameterUnit*>& units_of(const std::string& block) const { return blocks_.at(block); }
  void prefetch(const std::string& block);
  void start_gather(const std::string& block);
  void finish_gather(const std::string& block);
  void release(const std::string& block);
  void start_reduction(ParameterUnit& unit);
  void add_to_own(ParameterUnit& unit, const at::Tensor& sum);
  void finish_reductions(std::size_t leave);
  void finish_arrivals(std::size_t leave);

  ParameterStore& store_;
  const ParallelLayout& layout_;
  std::int64_t stage_;
  std::map<std::string, std::vector<ParameterUnit*>> blocks_;
  std::vector<std::string> order_;                      // of blocks in forward
  std::map<std::string, std::vector<Gather>> gathers_;  // under way
  std::deque<Reduction> reductions_;                    // under way
  std::deque<Arrival> arrivals_;                        // on their way to other memory
  std::deque<Pending> all_gathers_;                     // under way
  bool last_micro_batch_ = false;
  std::string in_backward_;  // the block whose backward has begun and not ended
};

}  // namespace polymoe
