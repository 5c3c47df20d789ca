#pragma once

#include <array>
#include <cstdint>

#include "polymoe/inference/aligned_array.h"

namespace polymoe {

/// What the products of one batch need in passing. Buffers grow to what the largest product wants and stay.
class Workspace {
 public:
  enum Use { kStates, kNormed, kQueries, kAttended, kInner, kGates, kGathered, kExpertOutputs, kLogits, kUses };

  /// Room for `count` floats; what it had before may be lost. Each use has its own.
  float* floats(Use use, std::int64_t count) { return grown(floats_.at(use), count); }
  /// Room for the 8-bit values of the rows of a product, for their scales and what corrects their sums.
  std::uint8_t* bytes(std::int64_t count) { return grown(bytes_, count); }
  std::int8_t* signed_bytes(std::int64_t count) { return grown(signed_bytes_, count); }
  float* scales(std::int64_t count) { return grown(scales_, count); }
  std::int32_t* corrections(std::int64_t count) { return grown(corrections_, count); }

 private:
  template <typename T>
  static T* grown(AlignedArray<T>& buffer, std::int64_t count) {
    if (buffer.size() < count) buffer = AlignedArray<T>(count);
    return buffer.data();
  }

  std::array<AlignedArray<float>, kUses> floats_;
  AlignedArray<std::uint8_t> bytes_;
  AlignedArray<std::int8_t> signed_bytes_;
  AlignedArray<float> scales_;
  AlignedArray<std::int32_t> corrections_;
};

}  // namespace polymoe
