#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>

#include <c10/core/Device.h>

namespace polymoe {

/// What memory is for. Whatever is not the state of a training is an activation: what forward keeps for backward,
/// gradients of activations, messages under way.
enum class MemoryKind { kActivations, kParameters, kGradients, kOptimizer };
inline constexpr std::size_t kNumMemoryKinds = 4;
const char* memory_kind_name(MemoryKind kind);

/// Bytes by kind.
using MemoryBytes = std::array<std::int64_t, kNumMemoryKinds>;
std::int64_t total_of(const MemoryBytes& bytes);

/// Counts the memory of tensors that this thread makes, as long as it exists, and holds it to a budget. So a machine
/// behaves like one with a smaller device. On the CPU, where device and host share their memory, what is made within a
/// MemoryScope of the host is the host's. One for each thread at a time; tensors should be made after it. Over a budget
/// the tensor that is being made throws Error, which names what takes most, and what would help.
class DeviceMemory {
 public:
  /// Budgets in bytes; 0: no limit.
  DeviceMemory(const at::Device& device, std::int64_t device_budget, std::int64_t host_budget);
  ~DeviceMemory();
  DeviceMemory(const DeviceMemory&) = delete;
  DeviceMemory& operator=(const DeviceMemory&) = delete;

  /// Held at present.
  const MemoryBytes& now() const;
  std::int64_t host_now() const;
  /// The most held at a time, and what it was made of.
  const MemoryBytes& peak() const;
  std::int64_t host_peak() const;

 private:
  class Account;
  class Guard;

  std::shared_ptr<Account> account_;
  std::unique_ptr<Guard> guard_;
};

/// Until its end, what this thread makes is of this kind.
class MemoryScope {
 public:
  explicit MemoryScope(MemoryKind kind, bool on_host = false);
  ~MemoryScope();
  MemoryScope(const MemoryScope&) = delete;
  MemoryScope& operator=(const MemoryScope&) = delete;

 private:
  MemoryKind kind_before_;
  bool on_host_before_;
};

}  // namespace polymoe
