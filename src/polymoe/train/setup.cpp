#include "polymoe/train/setup.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "polymoe/base/error.h"
#include "polymoe/base/log.h"
#include "polymoe/base/memory.h"
#include "polymoe/comm/hosts.h"
#include "polymoe/plan/check.h"
#include "polymoe/tensor/device.h"
#include "polymoe/tensor/torch_headers.h"

namespace polymoe {
namespace {

template <typename Make>
auto made_together(Communicator& world, const Make& make) {
  std::optional<decltype(make())> made;
  run_collectively(world, [&] { made.emplace(make()); });
  return std::move(*made);
}

std::int64_t to_bytes(double gigabytes) { return static_cast<std::int64_t>(gigabytes * 1e9); }

RunOptions prepare_options(const RunOptions& given) {
  if (given.data.path.empty()) fail("data.path: name the folder that `polymoe prepare` made");
  if (given.train.output.empty()) fail("train.output: name the folder for checkpoints and metrics");
  if (given.train.threads > 0) at::set_num_threads(static_cast<int>(given.train.threads));
  return given;
}

// Completes the options with what the data say of the model.
Dataset open_dataset(RunOptions& options, bool verify) {
  Dataset opened(options.data.path);
  if (verify) opened.verify();
  const std::int64_t vocabulary = opened.vocabulary().size();
  if (options.model.vocabulary != 0 && options.model.vocabulary != vocabulary) {
    fail("model.vocabulary: {} given, but the dataset's vocabulary has {} entries; leave the key out",
         options.model.vocabulary, vocabulary);
  }
  options.model.vocabulary = vocabulary;
  options.model.max_positions = std::max(options.model.max_positions, options.data.max_length + 2);
  return opened;
}

BatchStream open_stream(const Dataset& dataset, const RunOptions& options) {
  return {dataset, options.data, options.train.max_tokens, static_cast<std::uint64_t>(options.train.seed)};
}

}  // namespace

TrainSetup::TrainSetup(const RunOptions& given, Communicator& all)
    : world(all),
      options(made_together(world, [&] { return prepare_options(given); })),
      memory(open_device(options.train.device, options.train.deterministic), to_bytes(options.train.device_memory),
             to_bytes(options.train.host_memory)),
      dataset(made_together(world, [&] { return open_dataset(options, options.train.verify && world.rank() == 0); })),
      stream(made_together(world, [&] { return open_stream(dataset, options); })) {}

void check_fits(const RunOptions& options, Communicator& world) {
  const std::int64_t here = processes_here(world);
  run_collectively(world, [&] {
    MemoryLimits limits{to_bytes(options.train.device_memory), to_bytes(options.train.host_memory)};
    if (options.train.device == DeviceKind::kCpu) limits.together = available_bytes() / here;
    const std::string warning =
        check_memory(options, resolve_degrees(options.parallel, options.model, world.size()), limits);
    if (!warning.empty()) log_warning("{}", warning);
  });
}

std::vector<Direction> training_directions(const BatchStream& stream) {
  std::vector<Direction> directions;
  for (const BatchStream::Share& share : stream.shares()) {
    if (share.task == Task::kTranslation) directions.push_back(share.direction);
  }
  return directions;
}

}  // namespace polymoe
