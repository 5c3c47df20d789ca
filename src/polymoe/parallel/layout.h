#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "polymoe/comm/communicator.h"

namespace polymoe {

struct ModelOptions;
struct ParallelOptions;

/// How many ways each axis cuts. The world is data x expert x tensor processes.
struct Degrees {
  std::int64_t data = 1;
  std::int64_t expert = 1;
  std::int64_t tensor = 1;

  std::int64_t world() const { return data * expert * tensor; }
};

/// The degrees that `options` ask for on `world` processes, with data = 0 meaning what the other two leave. Throws
/// Error with the key for degrees whose product is not the world, that do not divide the experts, the heads or the
/// feed-forward width, or that the model has nothing to cut for. Allocates nothing.
Degrees resolve_degrees(const ParallelOptions& options, const ModelOptions& model, std::int64_t world);

/// Makes the group over the devices of the members of a group over their host memory.
using DeviceGroup = std::function<std::unique_ptr<Communicator>(Communicator& host)>;

/// Where this process stands, and its groups: the only place that turns degrees into groups. Ranks count data slowest
/// and tensor fastest: rank = (data * E + expert) * M + tensor, M the tensor degree.
class ParallelLayout {
 public:
  /// Checks as resolve_degrees() does, then makes the groups; all members of `world` call it together. `world` works in
  /// host memory and must outlive the layout. Without `device_group` all groups work there too.
  ParallelLayout(const ParallelOptions& options, const ModelOptions& model, Communicator& world,
                 const DeviceGroup& device_group = {});

  const Degrees& degrees() const { return degrees_; }
  std::int64_t data_rank() const { return data_rank_; }
  std::int64_t expert_rank() const { return expert_rank_; }
  std::int64_t tensor_rank() const { return tensor_rank_; }
  /// This process's place among those that read different micro-batches: data_rank * E + expert_rank.
  std::int64_t data_parallel_rank() const { return data_rank_ * degrees_.expert + expert_rank_; }
  std::int64_t data_parallel_size() const { return degrees_.data * degrees_.expert; }

  /// All processes, in host memory whatever the device: for decisions and numbers to log.
  Communicator& world() const { return world_; }
  /// Slices of one model: same data and expert rank.
  Communicator& tensor_group() const { return *tensor_; }
  /// Tokens travel here: same data and tensor rank.
  Communicator& expert_group() const { return *expert_; }
  /// Copies (or shards) of the dense parameters: same tensor rank.
  Communicator& dense_group() const { return *dense_; }
  /// Copies (or shards) of this process's experts: same expert rank, and the same tensor rank where experts are sliced.
  Communicator& expert_data_group() const { return *expert_data_; }
  /// All of these.
  std::vector<Communicator*> groups() const {
    return {&world_, tensor_.get(), expert_.get(), dense_.get(), expert_data_.get()};
  }

 private:
  Degrees degrees_;
  std::int64_t data_rank_ = 0;
  std::int64_t expert_rank_ = 0;
  std::int64_t tensor_rank_ = 0;
  Communicator& world_;
  std::vector<std::unique_ptr<Communicator>> host_groups_;  // that the groups on devices stand on
  std::unique_ptr<Communicator> tensor_, expert_, dense_, expert_data_;
};

}  // namespace polymoe
