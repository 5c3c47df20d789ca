#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

/// English segments and their translations into many languages, held compactly: there are millions over all languages.
namespace polymoe {

/// Numbers the English segments, in whatever order they come.
class EnglishTable {
 public:
  /// The row of a segment; a new one for a new text. Thread-safe.
  std::uint32_t row_of(const std::string& english);

  std::size_t size() const { return texts_.size(); }
  const std::string& text(std::uint32_t row) const { return *texts_[row]; }

 private:
  std::mutex mutex_;
  std::unordered_map<std::string, std::uint32_t> rows_;
  std::vector<const std::string*> texts_;  // keys of rows_, which do not move
};

/// The translations into one language.
class Translations {
 public:
  /// False, with nothing changed, if the row has a translation already.
  bool add(std::uint32_t row, std::string_view text);

  std::size_t size() const { return cells_.size(); }

  /// Index i holds the translation of row i, empty where there is none; valid until the next add().
  std::vector<std::string_view> by_row(std::size_t rows) const;

 private:
  struct Cell {
    std::uint32_t row;
    std::uint32_t size;
    std::size_t begin;  // in texts_
  };
  std::vector<Cell> cells_;
  std::string texts_;
  std::vector<bool> taken_;
};

inline constexpr std::array<const char*, 3> kSplitNames = {"train", "valid", "test"};

/// The rows of each split, indexed as kSplitNames. A segment's split follows from the hash of its split_key(). Sorted
/// by the hash of the text: the order is the same whatever was read first, and any first part of a file is a fair
/// sample.
std::array<std::vector<std::uint32_t>, 3> split_rows(const EnglishTable& english, std::int64_t valid_per_mille,
                                                     std::int64_t test_per_mille);

}  // namespace polymoe
