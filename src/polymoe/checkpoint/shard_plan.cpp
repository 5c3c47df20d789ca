#include "polymoe/checkpoint/shard_plan.h"

#include <span>
#include <string_view>
#include <utility>

#include <ATen/core/Tensor.h>
#include <ATen/ops/empty.h>
#include <fmt/format.h>

#include "polymoe/base/error.h"
#include "polymoe/base/files.h"
#include "polymoe/base/quote.h"
#include "polymoe/base/random.h"

namespace polymoe {
namespace {

/// Splits tensors, in their order, at the limit.
std::vector<std::vector<TensorSpec>> split(const std::vector<TensorPart>& parts, std::uint64_t limit) {
  std::vector<std::vector<TensorSpec>> shards(1);
  std::uint64_t used = 0;
  for (const TensorPart& part : parts) {
    const std::uint64_t bytes = tensor_bytes(part.spec);
    if (!shards.back().empty() && (used > limit || bytes > limit - used)) {
      shards.emplace_back();
      used = 0;
    }
    shards.back().push_back(part.spec);
    used += bytes;
  }
  return shards;
}

/// Two sums over runs that tell whether they cover a tensor exactly once: the elements, and a hash of each end minus
/// one of each begin. Where every element is covered once, each end but the last cancels with another run's begin,
/// whatever the cut; a run that is missing, given twice or misplaced leaves hashes over.
struct Coverage {
  std::int64_t elements = 0;
  std::int64_t boundaries = 0;
};

/// Sums of so many bits do not overflow 64 bits in any group of processes.
constexpr std::uint64_t kBoundaryMask = (std::uint64_t{1} << 48) - 1;

Coverage coverage_of(const std::vector<Run>& runs) {
  std::uint64_t elements = 0, boundaries = 0;
  for (const Run& run : runs) {
    elements += static_cast<std::uint64_t>(run.count);
    boundaries += mix_bits(static_cast<std::uint64_t>(run.logical + run.count)) -
                  mix_bits(static_cast<std::uint64_t>(run.logical));
  }
  return {static_cast<std::int64_t>(elements), static_cast<std::int64_t>(boundaries & kBoundaryMask)};
}

void check_coverage(const TensorSpec& spec, const Coverage& sum) {
  const Coverage whole = coverage_of({{0, 0, num_elements(spec)}});
  if (sum.elements != whole.elements) {
    fail("tensor {}: the processes together hold {} elements to write, the tensor has {}", in_quotes(spec.name),
         sum.elements, whole.elements);
  }
  if ((static_cast<std::uint64_t>(sum.boundaries) & kBoundaryMask) != static_cast<std::uint64_t>(whole.boundaries)) {
    fail("tensor {}: some of its elements would be written twice and others by no process", in_quotes(spec.name));
  }
}

}  // namespace

std::vector<PlannedShard> plan_shards(const TensorGroups& groups, std::uint64_t shard_bytes) {
  std::vector<PlannedShard> shards;
  for (const auto& [group, parts] : groups) {
    std::map<std::string_view, const TensorPart*> by_name;
    for (const TensorPart& part : parts) by_name.emplace(part.spec.name, &part);
    const std::vector<std::vector<TensorSpec>> files = split(parts, shard_bytes);
    for (std::size_t i = 0; i < files.size(); ++i) {
      PlannedShard shard;
      shard.group = group;
      shard.file = fmt::format("{}-{:05}-of-{:05}.safetensors", group, i + 1, files.size());
      shard.layout =
          lay_out_safetensors(files[i], {{"format", "pt"}});  // readers of the PyTorch world ask for this word
      for (const TensorSpec& spec : shard.layout.tensors) shard.parts.push_back(by_name.at(spec.name));
      shards.push_back(std::move(shard));
    }
  }
  return shards;
}

void check_plans(Communicator& group, const std::vector<PlannedShard>& shards) {
  std::uint32_t fingerprint = 0;
  std::vector<const TensorPart*> parts;
  for (const PlannedShard& shard : shards) {
    fingerprint = crc32_of(std::as_bytes(std::span(shard.file)), fingerprint);
    fingerprint = crc32_of(std::as_bytes(std::span(shard.layout.header)), fingerprint);
    parts.insert(parts.end(), shard.parts.begin(), shard.parts.end());
  }
  const std::vector<std::string> plans = all_gather_texts(group, std::to_string(fingerprint));
  for (std::size_t rank = 1; rank < plans.size(); ++rank) {
    if (plans[rank] == plans[0]) continue;
    fail("ranks 0 and {} of group {} were given different tensors to write", rank, in_quotes(group.name()));
  }

  const at::Tensor sums = at::empty({static_cast<std::int64_t>(parts.size()), 2}, c10::kLong);
  auto* next = sums.mutable_data_ptr<std::int64_t>();
  for (const TensorPart* part : parts) {
    const Coverage own = coverage_of(part->runs);
    *next++ = own.elements;
    *next++ = own.boundaries;
  }
  group.all_reduce(sums);
  const auto* sum = sums.const_data_ptr<std::int64_t>();
  for (std::size_t i = 0; i < parts.size(); ++i) check_coverage(parts[i]->spec, {sum[2 * i], sum[2 * i + 1]});
}

}  // namespace polymoe
