#include "data/cut.h"

#include <algorithm>

namespace polymoe {

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
