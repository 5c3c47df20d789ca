#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "polymoe/data/task.h"

namespace polymoe {

struct DataOptions;

/// How often something is drawn: its share of the draws, which runs straight from point to point and stays after the
/// last. How many of the first x draws it has is the integral, in whole numbers, so every process and every resumed run
/// computes the same.
class ShareCurve {
 public:
  static constexpr int kBits = 40;  ///< shares are in units of 2^-kBits

  ShareCurve() = default;
  /// `points` rise from 0, each at most kLastPoint; shares[i] is that at points[i].
  ShareCurve(std::vector<std::uint64_t> points, std::vector<std::uint64_t> shares);

  /// floor(integral of the share over the first `draws` + phase), phase in units of 2^-kBits below 1.
  std::uint64_t draws_before(std::uint64_t draws, std::uint64_t phase) const;

  /// The share at the first draw.
  double first() const;

  static constexpr std::uint64_t kLastPoint = std::uint64_t{1} << 40;  ///< keeps the integral within 128 bits

 private:
  std::vector<std::uint64_t> points_{0};
  std::vector<std::uint64_t> shares_{0};
  std::vector<unsigned __int128> before_{0};  // the integral up to each point, in units of half a share's
};

/// How the tasks share the draws: data.task-schedule at its points, between them straight lines.
struct Mixture {
  std::vector<std::uint64_t> points;           ///< in draws; the first is 0
  std::map<Task, std::vector<double>> shares;  ///< [points]; at each point they sum to 1
};

/// The weight that `options` give a task, by its name: the largest, where a schedule changes it. Throws Error for lists
/// that cannot be read.
double largest_weight(const DataOptions& options, const std::string& task);

/// `examples` are the tasks that have any, with how many. Throws Error for weights and schedules that name no known
/// task, and where at some point all weights are 0.
Mixture make_mixture(const DataOptions& options, const std::map<Task, std::uint64_t>& examples,
                     const Vocabulary& vocabulary);

}  // namespace polymoe
