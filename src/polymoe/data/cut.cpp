#include "polymoe/data/cut.h"

#include <algorithm>
#include <cmath>
#include <tuple>

namespace polymoe {
namespace {

struct Key {
  std::int32_t first;   // target length, then strip
  std::int32_t second;  // source length
  std::uint64_t tie;
  std::size_t index;

  bool operator<(const Key& other) const {
    return std::tie(first, second, tie) < std::tie(other.first, other.second, other.tie);
  }
};

}  // namespace

std::vector<std::size_t> order_by_lengths(const std::vector<Lengths>& examples, std::int64_t max_tokens,
                                          const RandomStream& ties) {
  std::vector<Key> keys(examples.size());
  std::int64_t total = 0;
  for (std::size_t i = 0; i < examples.size(); ++i) {
    keys[i] = {examples[i].target, examples[i].source, ties.bits(i), i};
    total += examples[i].source + examples[i].target;
  }
  std::sort(keys.begin(), keys.end());

  // Square tiles would need the root of the number of micro-batches. The two lengths of a translation go together,
  // which makes a strip short; 1.4 times as many padded least on real text (Multi30k, four budgets and window sizes).
  const double batches = static_cast<double>(total) / static_cast<double>(max_tokens);
  const std::int64_t strips = std::max<std::int64_t>(1, std::llround(1.4 * std::sqrt(batches)));
  std::int64_t before = 0;
  for (Key& key : keys) {
    const std::int64_t tokens = key.first + key.second;
    const std::int64_t strip = before * strips / total;
    before += tokens;
    key.first = static_cast<std::int32_t>(strip);
    if (strip % 2 == 1) key.second = -key.second;
  }
  std::sort(keys.begin(), keys.end());
  std::vector<std::size_t> order;
  order.reserve(keys.size());
  for (const Key& key : keys) order.push_back(key.index);
  return order;
}

std::vector<std::size_t> cut_by_tokens(const std::vector<Lengths>& examples, std::int64_t max_tokens) {
  std::vector<std::size_t> ends;
  std::int64_t rows = 0, source = 0, target = 0;
  for (std::size_t i = 0; i < examples.size(); ++i) {
    const std::int64_t new_source = std::max<std::int64_t>(source, examples[i].source);
    const std::int64_t new_target = std::max<std::int64_t>(target, examples[i].target);
    if (rows > 0 && (rows + 1) * (new_source + new_target) > max_tokens) {
      ends.push_back(i);
      rows = 1;
      source = examples[i].source;
      target = examples[i].target;
    } else {
      ++rows;
      source = new_source;
      target = new_target;
    }
  }
  if (rows > 0) ends.push_back(examples.size());
  return ends;
}

}  // namespace polymoe
