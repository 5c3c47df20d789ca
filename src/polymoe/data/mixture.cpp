#include "polymoe/data/mixture.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <set>

#include "polymoe/base/error.h"
#include "polymoe/base/quote.h"
#include "polymoe/config/data_options.h"

namespace polymoe {
namespace {

// The weight of a task over the draws: straight lines between points, the first and the last value beyond them.
using WeightCurve = std::map<std::uint64_t, double>;

template <typename Number>
bool parse_number(std::string_view text, Number& number) {
  const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), number);
  return code == std::errc() && end == text.data() + text.size();
}

[[noreturn]] void fail_item(const char* key, const std::string& item, const char* form) {
  throw Error(fmt::format("data.{}: {} is not {}", key, in_quotes(item), form), {},
              "weights are numbers from 0 to 1e6, examples whole numbers up to 1e12");
}

[[noreturn]] void fail_twice(const char* key, const std::string& what) {
  throw Error(fmt::format("data.{}: two weights for {}", key, what), {}, "leave one of them");
}

double parse_weight(std::string_view text, const char* key, const std::string& item, const char* form) {
  double weight = 0;
  if (!parse_number(text, weight) || !(weight >= 0) || weight > 1e6) fail_item(key, item, form);
  return weight;
}

// Of the tasks that the options name.
std::map<std::string, WeightCurve> named_weights(const DataOptions& options) {
  std::map<std::string, WeightCurve> curves{{"translation", {{0, options.translation_weight}}},
                                            {"denoising", {{0, options.denoising_weight}}}};
  for (const std::string& item : options.task_weights) {
    const char* const form = "TASK=WEIGHT";
    const std::size_t equals = item.find('=');
    if (equals == std::string::npos || equals == 0) fail_item("task-weights", item, form);
    const std::string task = item.substr(0, equals);
    if (task == "translation" || task == "denoising") {
      throw Error(fmt::format("data.task-weights: {} has a key of its own", task), {},
                  fmt::format("set data.{}-weight", task));
    }
    const double weight = parse_weight(std::string_view(item).substr(equals + 1), "task-weights", item, form);
    if (!curves.emplace(task, WeightCurve{{0, weight}}).second) fail_twice("task-weights", task);
  }
  std::map<std::string, WeightCurve> scheduled;
  for (const std::string& item : options.task_schedule) {
    const char* const form = "TASK=WEIGHT@EXAMPLES";
    const std::size_t equals = item.find('='), at = item.rfind('@');
    if (equals == std::string::npos || equals == 0 || at == std::string::npos || at < equals) {
      fail_item("task-schedule", item, form);
    }
    const std::string_view text = item;
    std::uint64_t point = 0;
    if (!parse_number(text.substr(at + 1), point) || point > ShareCurve::kLastPoint) {
      fail_item("task-schedule", item, form);
    }
    const double weight = parse_weight(text.substr(equals + 1, at - equals - 1), "task-schedule", item, form);
    const std::string task = item.substr(0, equals);
    if (!scheduled[task].emplace(point, weight).second) {
      fail_twice("task-schedule", fmt::format("{} after {} examples", task, point));
    }
  }
  for (auto& [task, curve] : scheduled) curves[task] = std::move(curve);
  return curves;
}

double weight_at(const WeightCurve& curve, std::uint64_t point) {
  const auto after = curve.lower_bound(point);
  if (after == curve.end()) return curve.rbegin()->second;
  if (after == curve.begin() || after->first == point) return after->second;
  const auto before = std::prev(after);
  const double way = static_cast<double>(point - before->first) / static_cast<double>(after->first - before->first);
  return before->second + way * (after->second - before->second);
}

double largest_of(const WeightCurve& curve) {
  double largest = 0;
  for (const auto& [point, weight] : curve) largest = std::max(largest, weight);
  return largest;
}

// Tasks of the data that the options do not name weigh as much as translation does by default.
WeightCurve curve_of(const std::map<std::string, WeightCurve>& curves, const std::string& task) {
  const auto found = curves.find(task);
  return found == curves.end() ? WeightCurve{{0, 1.0}} : found->second;
}

}  // namespace

ShareCurve::ShareCurve(std::vector<std::uint64_t> points, std::vector<std::uint64_t> shares)
    : points_(std::move(points)), shares_(std::move(shares)) {
  for (std::size_t i = 1; i < points_.size(); ++i) {
    const unsigned __int128 sum = shares_[i - 1] + shares_[i];
    before_.push_back(before_.back() + sum * (points_[i] - points_[i - 1]));
  }
}

std::uint64_t ShareCurve::draws_before(std::uint64_t draws, std::uint64_t phase) const {
  const auto after = std::upper_bound(points_.begin(), points_.end(), draws);
  const auto i = static_cast<std::size_t>(after - points_.begin()) - 1;
  const unsigned __int128 way = draws - points_[i];
  unsigned __int128 sum = before_[i] + 2 * way * shares_[i] + 2 * static_cast<unsigned __int128>(phase);
  if (i + 1 < points_.size()) {
    // The share has changed by (way / length) * change, half of that on average.
    const unsigned __int128 length = points_[i + 1] - points_[i];
    const bool rises = shares_[i + 1] >= shares_[i];
    const std::uint64_t change = rises ? shares_[i + 1] - shares_[i] : shares_[i] - shares_[i + 1];
    const unsigned __int128 product = way * way * change;
    sum = rises ? sum + product / length : sum - (product + length - 1) / length;
  }
  return static_cast<std::uint64_t>(sum >> (kBits + 1));
}

double ShareCurve::first() const { return std::ldexp(static_cast<double>(shares_.front()), -kBits); }

double largest_weight(const DataOptions& options, const std::string& task) {
  return largest_of(curve_of(named_weights(options), task));
}

Mixture make_mixture(const DataOptions& options, const std::map<Task, std::uint64_t>& examples,
                     const Vocabulary& vocabulary) {
  const std::map<std::string, WeightCurve> curves = named_weights(options);
  std::set<std::uint64_t> points{0};
  for (const auto& [name, curve] : curves) {
    const Task task = parse_task(name, vocabulary);
    for (const auto& [point, weight] : curve) points.insert(point);
    if (largest_of(curve) > 0 && !examples.contains(task)) {
      throw Error(fmt::format("the train split has no usable example of the task '{}'", name), {},
                  "prepare some, or give it the weight 0");
    }
  }
  const std::vector<std::string> names = task_names(vocabulary);
  // Sizes as parts of the largest one: their powers then do not overflow, whatever the temperature.
  std::uint64_t largest = 1;
  for (const auto& [task, count] : examples) {
    const bool is_drawn = largest_of(curve_of(curves, names.at(static_cast<std::size_t>(task)))) > 0;
    if (is_drawn) largest = std::max(largest, count);
  }
  Mixture mixture{{points.begin(), points.end()}, {}};
  for (const std::uint64_t point : mixture.points) {
    std::map<Task, double> weights;
    double sum = 0;
    for (const auto& [task, count] : examples) {
      double& weight = weights[task];
      weight = weight_at(curve_of(curves, names.at(static_cast<std::size_t>(task))), point);
      if (options.task_temperature > 0) {
        weight *= std::pow(static_cast<double>(count) / static_cast<double>(largest), 1.0 / options.task_temperature);
      }
      sum += weight;
    }
    if (!(sum > 0)) fail("data.task-weights and its like: after {} examples every task has the weight 0", point);
    for (const auto& [task, weight] : weights) mixture.shares[task].push_back(weight / sum);
  }
  return mixture;
}

}  // namespace polymoe
