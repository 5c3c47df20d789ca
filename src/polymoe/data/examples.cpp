#include "polymoe/data/examples.h"

#include <algorithm>
#include <bit>
#include <limits>

#include "polymoe/data/layout.h"

namespace polymoe {
namespace {

constexpr std::size_t kWordsOfBlock = 8;

}  // namespace

UsableLines::UsableLines(const IdFile& file, std::int64_t max_tokens) : words_((file.lines() + 63) / 64) {
  for (std::uint64_t line = 0; line < file.lines(); ++line) {
    const std::uint64_t length = file.length(line);
    if (length > static_cast<std::uint64_t>(max_tokens)) ++too_long_;
    if (length > 0 && length <= static_cast<std::uint64_t>(max_tokens)) words_[line / 64] |= 1ull << (line % 64);
  }
}

namespace {

/// Lines that both files have, of any length.
std::uint64_t count_common(const IdFile& a, const IdFile& b) {
  constexpr std::int64_t kAny = std::numeric_limits<std::int64_t>::max();
  const UsableLines of_a(a, kAny), of_b(b, kAny);
  return CommonLines(of_a, of_b).count();
}

}  // namespace

CommonLines::CommonLines(const UsableLines& a, const UsableLines& b) : a_(&a), b_(&b) {
  std::uint64_t count = 0;
  for (std::size_t i = 0; i < a.words(); ++i) {
    if (i % kWordsOfBlock == 0) ranks_.push_back(count);
    count += static_cast<std::uint64_t>(std::popcount(word(i)));
  }
  ranks_.push_back(count);
}

std::uint64_t CommonLines::line(std::uint64_t index) const {
  const auto block = std::upper_bound(ranks_.begin(), ranks_.end(), index) - ranks_.begin() - 1;
  std::uint64_t left = index - ranks_[static_cast<std::size_t>(block)];
  std::size_t at = static_cast<std::size_t>(block) * kWordsOfBlock;
  std::uint64_t bits = word(at);
  for (auto here = static_cast<std::uint64_t>(std::popcount(bits)); left >= here;
       here = static_cast<std::uint64_t>(std::popcount(bits))) {
    left -= here;
    bits = word(++at);
  }
  for (; left > 0; --left) bits &= bits - 1;
  return at * 64 + static_cast<std::uint64_t>(std::countr_zero(bits));
}

ExampleSet::Place ExampleSet::place(std::uint64_t index) const {
  const auto after = std::upper_bound(parts_.begin(), parts_.end(), index,
                                      [](std::uint64_t i, const Part& part) { return i < part.first; });
  const Part& part = *(after - 1);
  return {&part, part.lines.line(index - part.first)};
}

ExampleIndex::ExampleIndex(const Dataset& dataset, std::string_view split, std::int64_t max_length)
    : dataset_(dataset), split_(split), max_tokens_(std::max<std::int64_t>(0, max_length - kMostMarks)) {}

const UsableLines& ExampleIndex::usable(const IdFile& file) {
  std::unique_ptr<UsableLines>& lines = usable_[&file];
  if (lines == nullptr) lines = std::make_unique<UsableLines>(file, max_tokens_);
  return *lines;
}

ExampleSet ExampleIndex::examples(const Direction& direction, const std::string& task) {
  const bool is_text = task.empty();
  const std::string source_column = is_text ? direction.source : task_source_column(direction.source);
  const std::string target_column = is_text ? direction.target : task_target_column(direction.target);
  ExampleSet set;
  for (const Dataset::Corpus& corpus : dataset_.corpora()) {
    if (corpus.task != task) continue;
    const auto split = corpus.splits.find(split_);
    if (split == corpus.splits.end()) continue;
    const auto source = split->second.languages.find(source_column);
    const auto target = split->second.languages.find(target_column);
    if (source == split->second.languages.end() || target == split->second.languages.end()) continue;
    CommonLines lines(usable(source->second), usable(target->second));
    const std::uint64_t count = lines.count();
    if (usable(source->second).too_long() + usable(target->second).too_long() > 0) {
      set.too_long_ += count_common(source->second, target->second) - count;
    }
    if (count == 0) continue;
    set.parts_.push_back({&corpus, &source->second, &target->second, std::move(lines), set.count_});
    set.count_ += count;
  }
  return set;
}

}  // namespace polymoe
