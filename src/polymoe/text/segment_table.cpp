#include "polymoe/text/segment_table.h"

#include <algorithm>
#include <utility>

#include "polymoe/base/random.h"
#include "polymoe/text/segment_cleaning.h"

namespace polymoe {

std::uint32_t EnglishTable::row_of(const std::string& english) {
  const std::lock_guard lock(mutex_);
  const auto [entry, is_new] = rows_.try_emplace(english, static_cast<std::uint32_t>(texts_.size()));
  if (is_new) texts_.push_back(&entry->first);
  return entry->second;
}

bool Translations::add(std::uint32_t row, std::string_view text) {
  if (row >= taken_.size()) taken_.resize(row + row / 2 + 1);
  if (taken_[row]) return false;
  taken_[row] = true;
  cells_.push_back({row, static_cast<std::uint32_t>(text.size()), texts_.size()});
  texts_ += text;
  return true;
}

std::vector<std::string_view> Translations::by_row(std::size_t rows) const {
  std::vector<std::string_view> views(rows);
  for (const Cell& cell : cells_) views[cell.row] = std::string_view(texts_).substr(cell.begin, cell.size);
  return views;
}

std::array<std::vector<std::uint32_t>, 3> split_rows(const EnglishTable& english, std::int64_t valid_per_mille,
                                                     std::int64_t test_per_mille) {
  constexpr std::size_t kTrain = 0, kValid = 1, kTest = 2;  // indices into kSplitNames
  std::vector<std::pair<std::uint64_t, std::uint32_t>> order;
  order.reserve(english.size());
  for (std::uint32_t row = 0; row < english.size(); ++row) order.emplace_back(mix_bits(fnv1a(english.text(row))), row);
  std::sort(order.begin(), order.end(), [&](const auto& a, const auto& b) {
    return a.first != b.first ? a.first < b.first : english.text(a.second) < english.text(b.second);
  });
  std::array<std::vector<std::uint32_t>, 3> splits;
  for (const auto& [hash, row] : order) {
    const auto draw = static_cast<std::int64_t>(fnv1a(split_key(english.text(row))) % 1000);
    const bool test = draw < test_per_mille;
    const bool valid = !test && draw < test_per_mille + valid_per_mille;
    splits[test ? kTest : valid ? kValid : kTrain].push_back(row);
  }
  return splits;
}

}  // namespace polymoe
