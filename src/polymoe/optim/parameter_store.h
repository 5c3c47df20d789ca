#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <ATen/core/Tensor.h>

#include "polymoe/config/devices.h"
#include "polymoe/nn/parameter_module.h"
#include "polymoe/tensor/buffer.h"
#include "polymoe/tensor/file_tier.h"

namespace polymoe {

/// Where one parameter lies in the flat buffers of its unit. Each begins at a multiple of a cache line, so that kernels
/// see aligned rows.
constexpr std::int64_t kParameterAlignment = 16;  // elements
struct FlatParameter {
  std::string name;
  at::Tensor parameter;     ///< the module's; a view of the unit's `values`
  ParameterSpec spec;       ///< what it is
  std::int64_t offset = 0;  ///< in elements
  std::int64_t size = 0;
};

/// Name of what lies outside of blocks.
constexpr char kOutsideBlocks[] = "embeddings";

/// The parameters of one block of the model, all of one element type, in flat buffers: the unit in which optimiser
/// state is kept and sharded. Dense and expert parameters are never in one unit.
///
/// Over several processes that hold the same parameters, each may keep one of `shards` equal parts of what an update
/// needs: [shard * shard_size(), (shard + 1) * shard_size()) of the flat order. With one shard the part is everything.
struct ParameterUnit {
  std::string name;       ///< of the block, e.g. "encoder.layers.3"; or kOutsideBlocks
  bool in_block = false;  ///< whether it is a block's
  bool experts = false;
  std::vector<FlatParameter> parameters;
  std::int64_t size = 0;  ///< with padding; `shards` divides it
  std::int64_t shards = 1;
  std::int64_t shard = 0;
  /// Sharding::stage. With one shard there is nothing to share out; then it is 3 where parameters, or else 2 where
  /// gradients live in another tier and come to the device for a block's work alone, else 0.
  std::int64_t stage = 0;

  at::Tensor values;                 ///< [size], the parameters' element type
  at::Tensor gradients;              ///< [size] float32 sums of what was collected; bfloat16 with narrow_gradients
  bool gradients_are_stale = false;  ///< they are of an update before: what is collected next replaces them
  at::Tensor own_values;      ///< [shard size], the own part of `values`; a view of it unless parameters are sharded
  at::Tensor master;          ///< [shard size] float32 weights: `own_values` itself where that is float32
  at::Tensor own_gradients;   ///< [shard size] of the type of `gradients`; with one shard `gradients` itself
  at::Tensor late_gradients;  ///< [shard size] float32; those of the batch before, for a delayed update; else undefined
  at::Tensor first_moments;   ///< [shard size] float32
  at::Tensor second_moments;  ///< [shard size] float32
  at::Tensor averages;        ///< [shard size] float32, moving average of `master`; undefined where none is kept

  std::int64_t shard_size() const { return size / shards; }
};

/// What of a unit's buffers the copies of a parameter share out (ZeRO, Rajbhandari et al. 2020).
struct Sharding {
  std::int64_t stage = 0;  ///< 0 nothing, 1 optimiser state, 2 gradients too, 3 parameters too
  std::int64_t dense_shards = 1, dense_shard = 0;
  std::int64_t expert_shards = 1, expert_shard = 0;
};

/// Where what an update needs lives between its uses.
struct Tiers {
  Tier optimizer = Tier::kDevice;     ///< moments, and master weights where they are apart
  Tier gradients = Tier::kDevice;     ///< own_gradients; stage 2 or 3 only
  Tier parameters = Tier::kDevice;    ///< own_values; stage 3 only
  bool keeps_late_gradients = false;  ///< for DelayedUpdate: late_gradients on the host, and master weights apart
  bool averages = false;              ///< whether a moving average of the master weights is kept, beside the moments
  /// An update collects a unit's gradients once, and no other copy adds to them: they are kept in bfloat16 where the
  /// parameters are, which is half of the memory and of its traffic, and exact. Stage 0 only, with all on the device.
  bool narrow_gradients = false;
  std::filesystem::path folder;  ///< for Tier::kFile
};

/// The units of `module`'s parameters, in the order of the model: one for each BlockModule, split in dense and expert
/// parameters and by element type, and one for the rest, kOutsideBlocks. They are laid out, and without buffers.
std::vector<ParameterUnit> make_units(const torch::nn::Module& module, const Sharding& sharding, const Tiers& tiers);

/// Bytes that a store holds in memory at present, by kind, and in files.
struct StoreBytes {
  std::int64_t values = 0;
  std::int64_t gradients = 0;
  std::int64_t master = 0;   ///< where it is not `values` itself
  std::int64_t moments = 0;  ///< and averages
  std::int64_t files = 0;

  std::int64_t total() const { return values + gradients + master + moments; }
};

/// All parameters of a model, as units, in the order of the model. Every parameter becomes a view of its unit's values.
/// A float32 parameter's gradient is a view of the unit's gradients, so backward accumulates straight into the flat
/// buffer; gradients of lower precision are added by collect_gradients().
class ParameterStore {
 public:
  /// Gives a parameter its first values.
  using Initializer = std::function<void(const FlatParameter&)>;

  /// Takes over `module`'s parameters, with the values they have, or those that `initialize` gives them. In the second
  /// case they need not have memory before, and one unit at a time has where parameters are sharded. The module must
  /// not be moved or converted afterwards.
  explicit ParameterStore(torch::nn::Module& module, const Sharding& sharding = {}, const Tiers& tiers = {},
                          const Initializer& initialize = {});

  std::vector<ParameterUnit>& units() { return units_; }
  const std::vector<ParameterUnit>& units() const { return units_; }
  const Sharding& sharding() const { return sharding_; }
  /// Where buffers are that live in files; null where none does. What reads or writes master, own_values, own_gradients
  /// or moments goes through use_buffers() with it.
  FileTier* files() const { return files_.get(); }
  StoreBytes bytes() const;

  /// Lets the gradients of a unit begin at zero. Those of low precision do so when they are collected, which must
  /// happen before they are read.
  static void clear_gradients(ParameterUnit& unit);
  /// The same for all units, and sets the shards to zero.
  void zero_gradients();
  /// After a backward: adds low-precision gradients to the flat buffer.
  static void collect_gradients(ParameterUnit& unit);
  /// Copies the master weights to own_values where they are apart. (An update does so itself.)
  void round_masters();
  /// Whether the units have late_gradients.
  bool keeps_late_gradients() const { return !units_.empty() && units_.front().late_gradients.defined(); }
  /// Whether the units have averages.
  bool keeps_averages() const { return !units_.empty() && units_.front().averages.defined(); }
  /// The averages become the master weights; the constructor does so too.
  void start_averages();
  /// Exchanges averages and master weights, and rounds these. Twice is as if nothing had been, bit for bit.
  void swap_averages();

 private:
  void allocate(ParameterUnit& unit, const Tiers& tiers) const;
  std::int64_t move_to_files(ParameterUnit& unit, const Tiers& tiers);

  std::vector<ParameterUnit> units_;
  Sharding sharding_;
  std::unique_ptr<FileTier> files_;
};

/// The shape of `parameter`, as a view into one of the unit's [size] buffers.
at::Tensor view_in(const at::Tensor& buffer, const FlatParameter& parameter);

}  // namespace polymoe
