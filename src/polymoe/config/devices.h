#pragma once

#include <string_view>

#include "polymoe/config/words.h"

namespace polymoe {

/// Where a model lives.
enum class DeviceKind { kCpu, kCuda };
template <>
struct Words<DeviceKind> {
  static constexpr std::string_view kAll[] = {"cpu", "cuda"};
};

/// The number format of weights and activations in training.
enum class NumberFormat { kFloat32, kBFloat16, kFloat16 };
template <>
struct Words<NumberFormat> {
  static constexpr std::string_view kAll[] = {"float32", "bfloat16", "float16"};
};

/// Where a kind of state lives.
enum class Tier { kDevice, kHost, kFile };
template <>
struct Words<Tier> {
  static constexpr std::string_view kAll[] = {"device", "host", "file"};
};

}  // namespace polymoe
