#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "polymoe/data/dataset.h"
#include "polymoe/data/task.h"

namespace polymoe {

/// The lines of one file that may be used: not empty and not over a limit. One bit a line.
class UsableLines {
 public:
  /// Lines with 1 to `max_tokens` ids.
  UsableLines(const IdFile& file, std::int64_t max_tokens);

  /// Lines 64 * index .. 64 * index + 63, lowest bit first.
  std::uint64_t word(std::size_t index) const { return words_[index]; }
  std::size_t words() const { return words_.size(); }
  /// Lines with more ids.
  std::uint64_t too_long() const { return too_long_; }

 private:
  std::vector<std::uint64_t> words_;
  std::uint64_t too_long_ = 0;
};

/// The lines usable in both of two aligned files, by number. Only one count for each 512 lines is stored, so that
/// thousands of directions cost little beside the data.
class CommonLines {
 public:
  /// Both must outlive this object and cover the same number of lines.
  CommonLines(const UsableLines& a, const UsableLines& b);

  std::uint64_t count() const { return ranks_.back(); }
  /// The common line number `index` (from 0), index < count().
  std::uint64_t line(std::uint64_t index) const;

 private:
  std::uint64_t word(std::size_t index) const { return a_->word(index) & b_->word(index); }

  const UsableLines* a_;
  const UsableLines* b_;
  std::vector<std::uint64_t> ranks_;  // common lines before each block of words, and in all
};

/// The usable examples of one task and direction in one split over all corpora. For denoising both languages are the
/// same.
class ExampleSet {
 public:
  struct Part {
    const Dataset::Corpus* corpus;
    const IdFile* source;
    const IdFile* target;
    CommonLines lines;
    std::uint64_t first;  ///< number of its first example in the set
  };
  struct Place {
    const Part* part;
    std::uint64_t line;
  };

  std::uint64_t count() const { return count_; }
  /// Examples that have both sides, but one of them is over the limit.
  std::uint64_t too_long() const { return too_long_; }
  const std::vector<Part>& parts() const { return parts_; }
  /// Where example `index` stands, index < count().
  Place place(std::uint64_t index) const;

 private:
  friend class ExampleIndex;
  std::vector<Part> parts_;
  std::uint64_t count_ = 0;
  std::uint64_t too_long_ = 0;
};

/// Makes ExampleSets; keeps the usable lines of each file, which they share.
class ExampleIndex {
 public:
  /// `max_length` bounds source and target with all their tags and end marks. The dataset and this index must outlive
  /// the sets.
  ExampleIndex(const Dataset& dataset, std::string_view split, std::int64_t max_length);

  /// The pairs of a direction in the corpora of text, or in those of a task of the user's naming.
  ExampleSet examples(const Direction& direction, const std::string& task = {});

 private:
  const UsableLines& usable(const IdFile& file);

  const Dataset& dataset_;
  std::string split_;
  std::int64_t max_tokens_;
  std::map<const IdFile*, std::unique_ptr<UsableLines>> usable_;
};

/// Most tags and marks beside the tokens of a text: [task tag] [language tag] ... </s>.
inline constexpr std::int64_t kMostMarks = 3;

}  // namespace polymoe
