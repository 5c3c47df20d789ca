#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "polymoe/base/error.h"

/// Reading of text corpora, whatever they are stored in, as aligned lines: one string for each language.
namespace polymoe {

enum class CorpusKind {
  kFolder,       ///< one split of a corpus folder: corpus.json and SPLIT.LANG.gz; "" where a language lacks a line
  kFiles,        ///< parallel files, one segment a line
  kTsv,          ///< tab-separated columns, one for each language
  kJsonLines,    ///< one object a line: {"en": "...", "de": "..."}
  kMonolingual,  ///< one file of one language
};

/// One split of one corpus: what a CorpusReader opens.
struct CorpusSpec {
  std::string name;   ///< short, without '/'; unique for each split over one parse_corpora()
  std::string split;  ///< "train", "valid" or "test"
  CorpusKind kind = CorpusKind::kFiles;
  /// "": the languages' segments are translations of each other. Else: pairs of the task of this name, the first
  /// segment what the model reads and the second what it is to write; kFiles, kTsv or kJsonLines, with two languages,
  /// which may be the same.
  std::string task;
  std::vector<std::string> languages;  ///< codes, in the order of the segments that a reader gives
  std::vector<std::string> files;      ///< kFolder, kFiles, kMonolingual: one for each language; else just one
  std::vector<std::string> columns;    ///< kTsv: the language of each column, "" = ignored; kJsonLines: the key of each
                                       ///< language; else empty
  std::uint64_t lines = 0;             ///< in each file, as the folder's corpus.json says; 0: not known
  bool has_header = false;             ///< kTsv: the first line names the columns
};

/// The notation that parse_corpora() reads, for --help texts.
extern const char* const kCorpusNotation;

/// Turns command-line notations (see kCorpusNotation) into specs; a folder gives one for each of its splits,
/// monolingual files one for each language. Opens only what it must to know the languages: corpus.json, or the first
/// line of a TSV or JSON Lines file whose languages are not listed. Throws Error for a notation or file that cannot be
/// understood.
std::vector<CorpusSpec> parse_corpora(const std::vector<std::string>& notations);

/// Narrows a spec to the languages wanted, in the order the spec had; false if none is left, or not both of a task.
bool keep_languages(CorpusSpec& spec, const std::vector<std::string>& wanted);

/// A language code in the project's form: '-' becomes '_' ("pt-BR" -> "pt_BR"). Throws Error for anything that does not
/// look like a code (2 to 8 letters, then parts of letters and digits after '_' or '@').
std::string normalize_language(std::string_view code);

/// The name of a file of a corpus folder: "train.de.gz".
std::string corpus_file_name(std::string_view split, std::string_view language);

/// What happens to lines that cannot be used.
struct CorpusChecks {
  bool skip_bad = false;               ///< pass over bad lines and count them, instead of throwing an Error
  std::size_t max_line_bytes = 16384;  ///< a longer segment is bad
  /// Whether a segment counts as empty; without it, what shows nothing (see shows_nothing) does.
  std::function<bool(std::string_view)> is_empty = {};
};

/// What a reader has met so far, in lines of the corpus. Each line counts once, a bad one under its first fault:
/// lines = kept + absent + skipped().
struct CorpusReport {
  std::uint64_t lines = 0;      ///< read
  std::uint64_t kept = 0;       ///< given by next()
  std::uint64_t absent = 0;     ///< in a folder: lines that none of the spec's languages has, which is no fault
  std::uint64_t bad_utf8 = 0;   ///< not UTF-8
  std::uint64_t nul_bytes = 0;  ///< with a NUL byte
  std::uint64_t too_long = 0;   ///< a segment over max_line_bytes
  std::uint64_t empty = 0;      ///< a side without text (in JSON Lines: all sides)
  std::uint64_t malformed = 0;  ///< wrong number of columns; not a JSON object of strings, each key once
  std::uint64_t unpaired = 0;   ///< surplus lines of files that are longer than the shortest

  std::uint64_t skipped() const { return bad_utf8 + nul_bytes + too_long + empty + malformed + unpaired; }
  /// "29000 lines, 28990 kept; skipped: 8 empty, 2 too long".
  std::string summary() const;
};

/// Reads one split line by line, in constant memory; gzip is recognised by content. In a folder and in JSON Lines,
/// languages may be missing from a line; in the other kinds, and in pairs of a task, an empty side is a fault. A line
/// is given whole or not.
class CorpusReader {
 public:
  explicit CorpusReader(const CorpusSpec& spec, const CorpusChecks& checks = {});
  ~CorpusReader();
  CorpusReader(CorpusReader&&) noexcept;

  /// Fills `segments` with one trimmed string for each of languages(); "" = not available in that language. At least
  /// one is not empty. False at the end. Throws Error with file, line and remedy for a bad line, unless skip_bad is
  /// set; always for a file that cannot be read.
  bool next(std::vector<std::string>& segments);

  const std::vector<std::string>& languages() const;
  /// The place of the row that next() gave last, for messages.
  Where where() const;
  const CorpusReport& report() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace polymoe
