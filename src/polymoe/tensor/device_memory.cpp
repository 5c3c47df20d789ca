#include "polymoe/tensor/device_memory.h"

#include <algorithm>
#include <mutex>
#include <numeric>
#include <string>
#include <unordered_map>
#include <vector>

#include <c10/core/Allocator.h>
#include <c10/util/ThreadLocalDebugInfo.h>

#include "polymoe/base/error.h"

namespace polymoe {
namespace {

constexpr std::array<const char*, kNumMemoryKinds> kNames{"activations", "parameters", "gradients", "optimizer"};
// What helps against each.
constexpr std::array<const char*, kNumMemoryKinds> kRemedies{
    "parallel.recompute or a smaller train.max-tokens", "parallel.zero-stage 3 with offload.parameters",
    "parallel.zero-stage 2 with offload.gradients", "offload.optimizer host or file"};

thread_local MemoryKind current_kind = MemoryKind::kActivations;
thread_local bool current_on_host = false;

std::string gigabytes(std::int64_t bytes) { return fmt::format("{:.3f} GB", static_cast<double>(bytes) / 1e9); }

// "optimizer 0.800 GB, parameters 0.200 GB": the largest first.
std::string consumers(const MemoryBytes& bytes, const std::vector<std::size_t>& order) {
  std::string text;
  for (const std::size_t kind : order) {
    if (bytes[kind] > 0) text += fmt::format("{}{} {}", text.empty() ? "" : ", ", kNames[kind], gigabytes(bytes[kind]));
  }
  return text;
}

}  // namespace

const char* memory_kind_name(MemoryKind kind) { return kNames[static_cast<std::size_t>(kind)]; }

std::int64_t total_of(const MemoryBytes& bytes) { return std::accumulate(bytes.begin(), bytes.end(), std::int64_t{0}); }

// LibTorch's allocators report to whatever a thread has for its profiler.
class DeviceMemory::Account : public c10::MemoryReportingInfoBase {
 public:
  Account(const at::Device& device, std::int64_t device_budget, std::int64_t host_budget)
      : device_(device), device_budget_(device_budget), host_budget_(host_budget) {}

  void reportMemoryUsage(void* address, std::int64_t size, std::size_t /*total*/, std::size_t /*reserved*/,
                         c10::Device device) override {
    const std::lock_guard lock(mutex_);  // a delayed update has a thread of its own
    if (size > 0) {
      const bool on_host = device.type() != device_.type() || (device_.is_cpu() && current_on_host);
      add(address, {size, current_kind, on_host});
    } else {
      remove(address);
    }
  }
  bool memoryProfilingEnabled() const override { return true; }

  MemoryBytes now{}, peak{};
  std::int64_t host_now = 0, host_peak = 0;

 private:
  struct Block {
    std::int64_t size;
    MemoryKind kind;
    bool on_host;
  };

  void add(void* address, const Block& block) {
    remove(address);  // freed where nobody told, on a thread without the account
    blocks_[address] = block;
    if (block.on_host) {
      host_now += block.size;
      host_peak = std::max(host_peak, host_now);
      if (host_budget_ > 0 && host_now > host_budget_) {
        remove(address);  // nobody gets it
        throw Error(fmt::format("train.host-memory: over {}", gigabytes(host_budget_)), {},
                    "move more to files with offload.*: file, or use more processes with parallel.zero-stage");
      }
      return;
    }
    now[static_cast<std::size_t>(block.kind)] += block.size;
    if (total_of(now) > total_of(peak)) peak = now;
    if (device_budget_ > 0 && total_of(now) > device_budget_) fail_over_budget(address);
  }

  void remove(void* address) {
    const auto found = blocks_.find(address);
    if (found == blocks_.end()) return;  // made before the account
    const Block& block = found->second;
    (block.on_host ? host_now : now[static_cast<std::size_t>(block.kind)]) -= block.size;
    blocks_.erase(found);
  }

  [[noreturn]] void fail_over_budget(void* address) {
    std::vector<std::size_t> order(kNumMemoryKinds);
    std::iota(order.begin(), order.end(), std::size_t{0});
    std::sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return now[a] > now[b]; });
    const std::string takes = consumers(now, order);
    remove(address);  // nobody gets it
    throw Error(fmt::format("train.device-memory: over {}: {}", gigabytes(device_budget_), takes), {},
                fmt::format("try {}; or {}", kRemedies[order[0]], kRemedies[order[1]]));
  }

  std::mutex mutex_;
  at::Device device_;
  std::int64_t device_budget_, host_budget_;
  std::unordered_map<void*, Block> blocks_;
};

class DeviceMemory::Guard {
 public:
  explicit Guard(const std::shared_ptr<Account>& account) : guard_(c10::DebugInfoKind::PROFILER_STATE, account) {}

 private:
  c10::DebugInfoGuard guard_;
};

DeviceMemory::DeviceMemory(const at::Device& device, std::int64_t device_budget, std::int64_t host_budget)
    : account_(std::make_shared<Account>(device, device_budget, host_budget)),
      guard_(std::make_unique<Guard>(account_)) {}
DeviceMemory::~DeviceMemory() = default;

const MemoryBytes& DeviceMemory::now() const { return account_->now; }
std::int64_t DeviceMemory::host_now() const { return account_->host_now; }
const MemoryBytes& DeviceMemory::peak() const { return account_->peak; }
std::int64_t DeviceMemory::host_peak() const { return account_->host_peak; }

MemoryScope::MemoryScope(MemoryKind kind, bool on_host) : kind_before_(current_kind), on_host_before_(current_on_host) {
  current_kind = kind;
  current_on_host = on_host;
}
MemoryScope::~MemoryScope() {
  current_kind = kind_before_;
  current_on_host = on_host_before_;
}

}  // namespace polymoe
