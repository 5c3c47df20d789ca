#include "polymoe/text/corpus.h"

#include <algorithm>
#include <utility>

#include "polymoe/base/utf8.h"
#include "polymoe/text/corpus_rows.h"
#include "polymoe/text/text_encoding.h"

namespace polymoe {
namespace {

void trim(std::string& text) {
  constexpr std::string_view kBlanks = " \t\r";
  const std::size_t end = text.find_last_not_of(kBlanks);
  text.resize(end == std::string::npos ? 0 : end + 1);
  text.erase(0, std::min(text.find_first_not_of(kBlanks), text.size()));
}

}  // namespace

struct CorpusReader::State {
  CorpusSpec spec;
  CorpusChecks checks;
  std::unique_ptr<RowSource> rows;
  CorpusReport report;

  /// Counts a bad row where that is asked for, else throws.
  void reject(std::uint64_t& counter, const std::string& message, std::size_t language, const std::string& remedy) {
    if (!checks.skip_bad) throw Error(message, rows->where(language), remedy);
    ++counter;
  }

  /// False for a row that cannot be used.
  bool accept(std::vector<std::string>& segments) {
    const bool may_lack =
        spec.task.empty() && (spec.kind == CorpusKind::kFolder || spec.kind == CorpusKind::kJsonLines);
    bool any = false;
    for (std::size_t i = 0; i < segments.size(); ++i) {
      std::string& segment = segments[i];
      trim(segment);
      if (checks.is_empty ? checks.is_empty(segment) : shows_nothing(segment)) segment.clear();
      any = any || !segment.empty();
      if (segment.size() > checks.max_line_bytes) {
        reject(report.too_long,
               fmt::format("segment of {} bytes; at most {} are allowed", segment.size(), checks.max_line_bytes), i,
               "split it, or have bad lines skipped (--skip-bad)");
        return false;
      }
      if (const TextFault fault = find_text_fault(segment); !fault.message.empty()) {
        reject(fault.kind == TextFault::Kind::kNulByte ? report.nul_bytes : report.bad_utf8, fault.message, i,
               fault.remedy + "; or have bad lines skipped (--skip-bad)");
        return false;
      }
      if (segment.empty() && !may_lack) {
        reject(report.empty, fmt::format("no text for '{}'", spec.languages[i]), i,
               "remove the line from all languages, or have bad lines skipped (--skip-bad)");
        return false;
      }
    }
    if (any) return true;
    if (spec.kind == CorpusKind::kFolder) {
      ++report.absent;
    } else {
      reject(report.empty, "no text in any of the languages", 0,
             "are the keys those of the corpus? or skip bad lines (--skip-bad)");
    }
    return false;
  }
};

CorpusReader::CorpusReader(const CorpusSpec& spec, const CorpusChecks& checks) : state_(std::make_unique<State>()) {
  state_->spec = spec;
  state_->checks = checks;
  state_->rows = open_rows(spec);
}

CorpusReader::~CorpusReader() = default;
CorpusReader::CorpusReader(CorpusReader&&) noexcept = default;

bool CorpusReader::next(std::vector<std::string>& segments) {
  State& s = *state_;
  segments.resize(s.spec.languages.size());
  std::string fault;
  for (;;) {
    const RowSource::Found found = s.rows->next(segments, fault);
    if (found == RowSource::Found::kEnd) return false;
    ++s.report.lines;
    switch (found) {
      case RowSource::Found::kMalformed:
        s.reject(s.report.malformed, fault, 0, "repair the line, or have bad lines skipped (--skip-bad)");
        break;
      case RowSource::Found::kUnpaired:
        // A folder's files were written together: where they differ in length, one of them is damaged.
        if (s.spec.kind == CorpusKind::kFolder) throw Error(fault, s.rows->where(0), "make the corpus again");
        s.reject(
            s.report.unpaired, fault, 0,
            "parallel files need the same number of lines; repair them, or have surplus lines skipped (--skip-bad)");
        break;
      default:
        if (!s.accept(segments)) break;
        ++s.report.kept;
        return true;
    }
  }
}

const std::vector<std::string>& CorpusReader::languages() const { return state_->spec.languages; }
Where CorpusReader::where() const { return state_->rows->where(0); }
const CorpusReport& CorpusReader::report() const { return state_->report; }

std::string CorpusReport::summary() const {
  std::string text = fmt::format("{} lines, {} kept", lines, kept);
  const std::pair<std::uint64_t, const char*> reasons[] = {{bad_utf8, "not UTF-8"},  {nul_bytes, "with NUL bytes"},
                                                           {too_long, "too long"},   {empty, "empty"},
                                                           {malformed, "malformed"}, {unpaired, "unpaired"}};
  const char* separator = "; skipped: ";
  for (const auto& [count, reason] : reasons) {
    if (count == 0) continue;
    text += fmt::format("{}{} {}", separator, count, reason);
    separator = ", ";
  }
  return text;
}

}  // namespace polymoe
