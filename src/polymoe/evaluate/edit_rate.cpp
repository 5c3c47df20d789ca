#include "polymoe/evaluate/edit_rate.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <optional>
#include <tuple>
#include <vector>

namespace polymoe {
namespace {

// Tercom's limits, and sacreBLEU's of the shifts tried.
constexpr std::size_t kLongestRun = 10;
constexpr std::size_t kFarthestShift = 50;
constexpr std::size_t kMostShifts = 1000;
constexpr std::int64_t kBeam = 25;

using Words = std::vector<std::uint64_t>;
using WordSpan = std::span<const std::uint64_t>;

/// How a cell of the table of edit distances is reached: by its diagonal neighbour (a word kept or replaced), the one
/// above (a word of the hypothesis deleted), or the one before (a word of the reference inserted).
enum class Step : std::uint8_t { kKeep, kReplace, kDelete, kInsert };

struct Cell {
  std::uint32_t distance = UINT32_MAX / 2;  // outside the beam: more than any text needs
  Step step = Step::kKeep;
};

/// Where the words of the reference lie in the hypothesis, and which words of either are in error.
struct Alignment {
  std::vector<std::int64_t> place;  // [reference]; -1: before the first word
  std::vector<bool> reference_errors, hypothesis_errors;
};

/// Edit distances between a reference and hypotheses of one length, without shifts. Row i of the table is about the
/// first i words of the hypothesis; a cell (i, j) is looked at only within a beam around j = i * reference /
/// hypothesis.
class EditTable {
 public:
  EditTable(WordSpan reference, std::size_t hypothesis_length) : reference_(reference) {
    const std::size_t width = reference.size() + 1;
    const double ratio =
        hypothesis_length > 0 ? static_cast<double>(reference.size()) / static_cast<double>(hypothesis_length) : 1;
    // Lengths so different that rows would not overlap need a wider one.
    const std::int64_t beam = static_cast<double>(kBeam) < ratio / 2
                                  ? static_cast<std::int64_t>(std::ceil(ratio / 2 + static_cast<double>(kBeam)))
                                  : kBeam;
    rows_.push_back({0, std::vector<Cell>(width)});
    for (std::size_t j = 0; j < width; ++j) rows_[0].cells[j] = {static_cast<std::uint32_t>(j), Step::kInsert};
    for (std::size_t i = 1; i <= hypothesis_length; ++i) {
      const auto diagonal = static_cast<std::int64_t>(std::floor(static_cast<double>(i) * ratio));
      const auto begin = static_cast<std::size_t>(std::max<std::int64_t>(0, diagonal - beam));
      const std::size_t end =
          i == hypothesis_length ? width : std::min(width, static_cast<std::size_t>(diagonal + beam));
      rows_.push_back({begin, std::vector<Cell>(end - begin)});
    }
    tried_ = rows_;
  }

  /// Fills the table for a hypothesis and returns its distance.
  std::uint32_t fill(WordSpan hypothesis) { return fill(hypothesis, rows_, rows_, 0); }

  /// The distance of a hypothesis that begins with the same `same` words as the one of fill().
  std::uint32_t distance(WordSpan hypothesis, std::size_t same) { return fill(hypothesis, rows_, tried_, same); }

  /// The alignment with the hypothesis of fill().
  Alignment align() const {
    const std::size_t length = rows_.size() - 1;
    Alignment alignment{std::vector<std::int64_t>(reference_.size()), std::vector<bool>(reference_.size()),
                        std::vector<bool>(length)};
    std::size_t i = length, j = reference_.size();
    while (i > 0 || j > 0) {
      const Step step = rows_[i].at(j).step;
      if (step != Step::kDelete) {
        --j;
        alignment.place[j] = static_cast<std::int64_t>(i) - 1;
        alignment.reference_errors[j] = step != Step::kKeep;
      }
      if (step != Step::kInsert) {
        --i;
        alignment.hypothesis_errors[i] = step != Step::kKeep;
      }
    }
    return alignment;
  }

 private:
  struct Row {
    std::size_t begin;
    std::vector<Cell> cells;

    Cell at(std::size_t j) const { return j < begin || j - begin >= cells.size() ? Cell{} : cells[j - begin]; }
  };

  /// Fills `rows` from `first` on, which follows on row `first` of `known`.
  std::uint32_t fill(WordSpan hypothesis, const std::vector<Row>& known, std::vector<Row>& rows, std::size_t first) {
    for (std::size_t i = first + 1; i < rows.size(); ++i) {
      fill_row(hypothesis[i - 1], i == first + 1 ? known[first] : rows[i - 1], rows[i]);
    }
    return (first + 1 < rows.size() ? rows : known).back().cells.back().distance;
  }

  /// Of equal distances the diagonal wins, then the deletion: it decides where shifts are looked for.
  void fill_row(std::uint64_t word, const Row& above, Row& row) const {
    for (std::size_t k = 0; k < row.cells.size(); ++k) {
      const std::size_t j = row.begin + k;
      Cell best;
      const auto take = [&best](std::uint32_t distance, Step step) {
        if (distance < best.distance) best = {distance, step};
      };
      if (j > 0) {
        const bool same = word == reference_[j - 1];
        take(above.at(j - 1).distance + (same ? 0 : 1), same ? Step::kKeep : Step::kReplace);
      }
      take(above.at(j).distance + 1, Step::kDelete);
      if (k > 0) take(row.cells[k - 1].distance + 1, Step::kInsert);
      row.cells[k] = best;
    }
  }

  WordSpan reference_;
  std::vector<Row> rows_, tried_;
};

/// A run of words that the hypothesis has at one place and the reference at another.
struct Run {
  std::size_t from, to, length;
};

/// Calls visit(run) for each run, until it returns false.
template <typename Visit>
void visit_runs(WordSpan hypothesis, WordSpan reference, Visit visit) {
  for (std::size_t from = 0; from < hypothesis.size(); ++from) {
    const std::size_t begin = from > kFarthestShift ? from - kFarthestShift : 0;
    const std::size_t end = std::min(reference.size(), from + kFarthestShift + 1);
    for (std::size_t to = begin; to < end; ++to) {
      const std::size_t most = std::min({kLongestRun, hypothesis.size() - from, reference.size() - to});
      for (std::size_t length = 1; length <= most; ++length) {
        if (hypothesis[from + length - 1] != reference[to + length - 1]) break;
        if (!visit(Run{from, to, length})) return;
      }
    }
  }
}

/// The words with the run of them at `from` moved in front of the one at `target`. A target within the run moves it
/// by as much, as far as there are words.
Words shift_words(WordSpan words, const Run& run, std::size_t target) {
  Words shifted(words.begin(), words.end());
  const auto at = [&shifted](std::size_t i) { return shifted.begin() + static_cast<std::ptrdiff_t>(i); };
  const std::size_t end = run.from + run.length;
  if (target < run.from) {
    std::rotate(at(target), at(run.from), at(end));
  } else {
    std::rotate(at(run.from), at(end), at(target > end ? target : std::min(target + run.length, shifted.size())));
  }
  return shifted;
}

class ShiftSearch {
 public:
  ShiftSearch(WordSpan hypothesis, WordSpan reference)
      : words_(hypothesis.begin(), hypothesis.end()), reference_(reference), table_(reference, hypothesis.size()) {}

  std::uint64_t count_edits() {
    std::uint64_t shifts = 0;
    distance_ = table_.fill(words_);
    while (shift_once()) ++shifts;
    return shifts + distance_;
  }

 private:
  struct Shift {
    std::tuple<std::int64_t, std::size_t, std::int64_t, std::int64_t> rank;  // edits saved, length, -from, -target
    Words words;
  };

  /// Makes the shift that saves most edits. Of equal ones the longest, then that of the first run, then the one to the
  /// first target. False where none saves any or too many were tried.
  bool shift_once() {
    const Alignment alignment = table_.align();
    std::optional<Shift> best;
    visit_runs(words_, reference_, [&](const Run& run) {
      if (is_misplaced(run, alignment)) try_targets(run, alignment, best);
      return tried_ < kMostShifts;
    });
    if (tried_ >= kMostShifts || !best || std::get<0>(best->rank) <= 0) return false;
    words_ = std::move(best->words);
    distance_ = table_.fill(words_);
    return true;
  }

  /// Whether neither the run nor its place in the reference is right already, and the place is outside the run.
  static bool is_misplaced(const Run& run, const Alignment& alignment) {
    const auto has_error = [&run](const std::vector<bool>& errors, std::size_t begin) {
      const auto first = errors.begin() + static_cast<std::ptrdiff_t>(begin);
      return std::find(first, first + static_cast<std::ptrdiff_t>(run.length), true) !=
             first + static_cast<std::ptrdiff_t>(run.length);
    };
    if (!has_error(alignment.hypothesis_errors, run.from) || !has_error(alignment.reference_errors, run.to))
      return false;
    const std::int64_t place = alignment.place[run.to], from = static_cast<std::int64_t>(run.from);
    return place < from || place >= from + static_cast<std::int64_t>(run.length);
  }

  /// Tries the run behind each place that the word before it or one of its own has in the hypothesis.
  void try_targets(const Run& run, const Alignment& alignment, std::optional<Shift>& best) {
    std::optional<std::size_t> previous;
    for (std::size_t offset = 0; offset <= run.length; ++offset) {
      const std::size_t word = run.to + offset;  // one more than the word of the reference
      const std::size_t target = word == 0 ? 0 : static_cast<std::size_t>(alignment.place[word - 1] + 1);
      if (target == previous) continue;
      previous = target;
      Words words = shift_words(words_, run, target);
      const std::int64_t saved =
          static_cast<std::int64_t>(distance_) - table_.distance(words, std::min(run.from, target));
      ++tried_;
      const auto rank =
          std::make_tuple(saved, run.length, -static_cast<std::int64_t>(run.from), -static_cast<std::int64_t>(target));
      if (!best || rank > best->rank) best = Shift{rank, std::move(words)};
    }
  }

  Words words_;
  WordSpan reference_;
  EditTable table_;
  std::uint32_t distance_ = 0;
  std::size_t tried_ = 0;
};

}  // namespace

std::uint64_t count_edits(std::span<const std::uint64_t> hypothesis, std::span<const std::uint64_t> reference) {
  if (reference.empty()) return hypothesis.size();
  return ShiftSearch(hypothesis, reference).count_edits();
}

}  // namespace polymoe
