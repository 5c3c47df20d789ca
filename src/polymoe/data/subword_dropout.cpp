#include "polymoe/data/subword_dropout.h"

#include <string_view>
#include <unordered_map>
#include <utility>

namespace polymoe {

SubwordDropout::SubwordDropout(const Vocabulary& vocabulary, double rate, std::int64_t max_tokens)
    : rate_(rate), max_tokens_(static_cast<std::size_t>(max_tokens)) {
  std::unordered_map<std::string_view, std::int32_t> ids;
  for (std::int32_t id = 0; id < vocabulary.size(); ++id) {
    if (const std::string_view piece = vocabulary.text_piece(id); !piece.empty()) ids.emplace(piece, id);
  }
  first_.reserve(static_cast<std::size_t>(vocabulary.size()) + 1);
  for (std::int32_t id = 0; id < vocabulary.size(); ++id) {
    first_.push_back(splits_.size());
    const std::string_view piece = vocabulary.text_piece(id);
    for (std::size_t at = 1; at < piece.size(); ++at) {
      const auto left = ids.find(piece.substr(0, at)), right = ids.find(piece.substr(at));
      if (left != ids.end() && right != ids.end()) splits_.emplace_back(left->second, right->second);
    }
  }
  first_.push_back(splits_.size());
}

void SubwordDropout::apply(std::vector<std::int32_t>& ids, const RandomStream& random) const {
  const std::vector<std::int32_t> whole = std::move(ids);
  ids.clear();
  std::size_t tokens = whole.size();
  std::uint64_t number = 0;
  std::vector<std::int32_t> left;  // of the token at hand, its next part last
  for (const std::int32_t token : whole) {
    left.assign(1, token);
    while (!left.empty()) {
      const std::int32_t id = left.back();
      left.pop_back();
      const std::size_t first = first_[static_cast<std::size_t>(id)];
      const std::size_t choices = first_[static_cast<std::size_t>(id) + 1] - first;
      if (choices == 0 || tokens >= max_tokens_ || random.uniform(number++) >= rate_) {
        ids.push_back(id);
        continue;
      }
      const Halves& halves = splits_[first + random.below(number++, choices)];
      left.push_back(halves.second);
      left.push_back(halves.first);
      ++tokens;
    }
  }
}

}  // namespace polymoe
