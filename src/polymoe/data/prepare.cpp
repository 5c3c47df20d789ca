#include "polymoe/data/prepare.h"

#include <algorithm>
#include <chrono>
#include <deque>
#include <future>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <thread>
#include <utility>

#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

#include "polymoe/base/atomic_folder.h"
#include "polymoe/base/error.h"
#include "polymoe/base/files.h"
#include "polymoe/base/gzip_writer.h"
#include "polymoe/base/json_text.h"
#include "polymoe/base/path_kind.h"
#include "polymoe/base/remarks.h"
#include "polymoe/data/dataset.h"
#include "polymoe/data/id_file.h"
#include "polymoe/data/layout.h"
#include "polymoe/text/vocabulary.h"

namespace polymoe {
namespace {

namespace fs = std::filesystem;

/// Some rows of a corpus: the text and, once encoded, the ids of each language.
struct Chunk {
  struct Column {
    std::int32_t language = 0;  // index into Vocabulary::languages()
    std::vector<std::string> texts;
    std::vector<std::int32_t> ids;       // of all rows, one after the other
    std::vector<std::uint32_t> lengths;  // [rows]
    std::uint64_t too_long = 0;
    std::uint64_t unknown = 0;
    CharacterCounts characters;
  };
  std::vector<Column> columns;  // [languages]
  std::uint64_t rows = 0;
  std::uint64_t bytes = 0;
};

Chunk read_chunk(CorpusReader& reader, const Vocabulary& vocabulary) {
  constexpr std::uint64_t kBytes = std::uint64_t{1} << 18;  // enough work to hand to a thread
  Chunk chunk;
  for (const std::string& language : reader.languages()) {
    chunk.columns.emplace_back().language = vocabulary.language_index(language);
  }
  std::vector<std::string> segments;
  while (chunk.bytes < kBytes && reader.next(segments)) {
    for (std::size_t i = 0; i < segments.size(); ++i) {
      chunk.bytes += segments[i].size() + 1;
      chunk.columns[i].texts.push_back(std::move(segments[i]));
    }
    ++chunk.rows;
  }
  return chunk;
}

Chunk encode(const Vocabulary& vocabulary, std::int64_t max_length, Chunk chunk) {
  for (Chunk::Column& column : chunk.columns) {
    for (const std::string& text : column.texts) {
      const std::size_t before = column.ids.size();
      vocabulary.encode(text, column.language, column.ids);
      if (max_length > 0 && column.ids.size() - before > static_cast<std::uint64_t>(max_length)) {
        column.ids.resize(before);
        ++column.too_long;
      }
      column.characters.add(text);
      column.lengths.push_back(static_cast<std::uint32_t>(column.ids.size() - before));
    }
    column.unknown = static_cast<std::uint64_t>(std::count(column.ids.begin(), column.ids.end(), vocabulary.unk()));
  }
  return chunk;
}

/// Writes the files of one split, chunk by chunk.
class SplitWriter {
 public:
  SplitWriter(const fs::path& folder, const CorpusSpec& spec, std::int32_t vocabulary_size) {
    result_.corpus = spec.name;
    result_.split = spec.split;
    result_.task = spec.task;
    std::vector<std::string> columns = spec.languages;
    if (!spec.task.empty()) {
      result_.direction = {spec.languages.at(0), spec.languages.at(1)};
      columns = {task_source_column(spec.languages[0]), task_target_column(spec.languages[1])};
    }
    for (const std::string& column : columns) {
      result_.languages.emplace_back().name = column;
      ids_.push_back(std::make_unique<IdFileWriter>(folder / ids_name(spec.split, column), vocabulary_size));
      if (keeps_text(spec.split)) texts_.emplace_back(folder / text_name(spec.split, column));
    }
  }

  void add(const Chunk& chunk) {
    for (std::size_t i = 0; i < chunk.columns.size(); ++i) {
      const Chunk::Column& column = chunk.columns[i];
      PreparedSplit::Language& counts = result_.languages[i];
      std::span<const std::int32_t> ids = column.ids;
      for (const std::uint32_t length : column.lengths) {
        ids_[i]->add(ids.first(length));
        ids = ids.subspan(length);
        if (length > 0) ++counts.segments;
      }
      counts.tokens += column.ids.size();
      counts.too_long += column.too_long;
      counts.unknown += column.unknown;
      counts.characters.add(column.characters);
      if (texts_.empty()) continue;
      for (const std::string& text : column.texts) texts_[i].write(text + "\n");
    }
  }

  PreparedSplit finish(const CorpusReport& report) {
    for (const auto& file : ids_) file->commit();
    for (GzipWriter& file : texts_) file.commit();
    result_.report = report;
    return std::move(result_);
  }

 private:
  PreparedSplit result_;
  std::vector<std::unique_ptr<IdFileWriter>> ids_;
  std::vector<GzipWriter> texts_;
};

/// Shows lines done, and megabytes of text a second beside them.
class Meter {
 public:
  Meter(const std::vector<CorpusSpec>& corpora, const ProgressSink& sink) : sink_(sink) {
    const bool known = std::all_of(corpora.begin(), corpora.end(), [](const auto& spec) { return spec.lines > 0; });
    for (const CorpusSpec& spec : corpora) progress_.total += known ? spec.lines : 0;
  }

  void add(const Chunk& chunk) {
    progress_.done += chunk.rows;
    bytes_ += chunk.bytes;
    show();
  }

  void finish() {
    progress_.finished = true;
    show();
  }

 private:
  void show() {
    if (!sink_) return;
    const std::chrono::duration<double> elapsed = std::chrono::steady_clock::now() - start_;
    progress_.detail = fmt::format("{:.1f} MB/s", static_cast<double>(bytes_) / 1e6 / std::max(elapsed.count(), 1e-3));
    sink_(progress_);
  }

  const ProgressSink& sink_;
  Progress progress_{"prepare", 0, 0, "lines", "", false};
  std::uint64_t bytes_ = 0;
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

PreparedSplit prepare_split(const CorpusSpec& spec, const PrepareOptions& options, const Vocabulary& vocabulary,
                            const fs::path& folder, std::size_t threads, Meter& meter) {
  fs::create_directories(folder);
  CorpusChecks checks = options.checks;
  checks.is_empty = [&vocabulary](std::string_view text) { return vocabulary.is_empty(text); };
  CorpusReader reader(spec, checks);
  SplitWriter writer(folder, spec, vocabulary.size());

  // This thread reads and writes, the others encode; a chunk waits for those before it, so order is kept.
  std::deque<std::future<Chunk>> in_work;
  for (bool at_end = false; !at_end || !in_work.empty();) {
    while (!at_end && in_work.size() <= threads) {
      Chunk chunk = read_chunk(reader, vocabulary);
      at_end = chunk.rows == 0;
      if (at_end) break;
      in_work.push_back(std::async(std::launch::async, [&vocabulary, &options, chunk = std::move(chunk)]() mutable {
        return encode(vocabulary, options.max_length, std::move(chunk));
      }));
    }
    if (in_work.empty()) break;
    const Chunk done = in_work.front().get();
    in_work.pop_front();
    writer.add(done);
    meter.add(done);
  }
  return writer.finish(reader.report());
}

nlohmann::ordered_json describe(const std::vector<PreparedSplit>& splits, const Vocabulary& vocabulary,
                                std::uint32_t checksum) {
  nlohmann::ordered_json description;
  description["format"] = kFormat;
  description["vocabulary"] = {{"size", vocabulary.size()}, {"checksum", checksum}};
  description["corpora"] = nlohmann::ordered_json::array();
  for (const PreparedSplit& split : splits) {
    nlohmann::ordered_json& corpora = description["corpora"];
    auto corpus =
        std::find_if(corpora.begin(), corpora.end(), [&](const auto& c) { return c["name"] == split.corpus; });
    if (corpus == corpora.end()) {
      nlohmann::ordered_json entry = {{"name", split.corpus}};
      if (!split.task.empty()) {
        entry["task"] = split.task;
        entry["source"] = split.direction.source;
        entry["target"] = split.direction.target;
      }
      entry["splits"] = nlohmann::ordered_json::object();
      corpora.push_back(std::move(entry));
      corpus = corpora.end() - 1;
    }
    nlohmann::ordered_json languages = nlohmann::ordered_json::object();
    for (const auto& language : split.languages) {
      languages[language.name] = {{"segments", language.segments}, {"tokens", language.tokens}};
    }
    (*corpus)["splits"][split.split] = {{"lines", split.report.kept}, {"languages", languages}};
  }
  return description;
}

/// The corpora with the vocabulary's names of their languages.
std::vector<CorpusSpec> with_known_languages(std::vector<CorpusSpec> corpora, const Vocabulary& vocabulary) {
  for (CorpusSpec& spec : corpora) {
    std::set<std::string> seen;
    for (std::string& language : spec.languages) {
      const std::string given = language;
      language = vocabulary.languages().at(static_cast<std::size_t>(vocabulary.language_index(given)));
      if (!seen.insert(language).second && spec.task.empty()) {
        throw Error(fmt::format("the language '{}' is there twice, as '{}' too", language, given),
                    {spec.files.empty() ? "" : spec.files.front(), 0});
      }
    }
  }
  return corpora;
}

void check_before(const PrepareOptions& options, const Vocabulary& vocabulary) {
  if (options.corpora.empty()) fail("a dataset needs at least one corpus");
  for (const CorpusSpec& spec : options.corpora) {
    check_path_part(spec.name, spec.files.empty() ? "" : spec.files.front());
    check_path_part(spec.split, spec.files.empty() ? "" : spec.files.front());
    if (!spec.task.empty()) vocabulary.task_tag(spec.task);
  }
  if (path_exists(options.out) && !path_exists(options.out / kDescriptionName) &&
      !(is_folder(options.out) && fs::is_empty(options.out))) {
    throw Error("exists and is no dataset, so it is left alone", {options.out, 0}, "give another folder");
  }
  if (path_exists(options.out / kDescriptionName)) remark("an older dataset, which is replaced", {options.out, 0});
}

/// Tells what gave nothing: a corpus, which it returns, or a language of it, which in folders is no fault.
bool remark_empty(const PreparedSplit& split, const CorpusSpec& spec) {
  const std::string name = split.corpus + " " + split.split;
  std::vector<std::string> empty;
  for (const auto& language : split.languages) {
    if (language.segments == 0) empty.push_back(language.name);
  }
  const Where where{spec.files.empty() ? "" : spec.files.front(), 0};
  if (empty.size() == split.languages.size()) {
    remark(fmt::format("{} gives no segment ({})", name, split.report.summary()), where,
           "is it the right file? leave it out, or mend its lines");
    return true;
  }
  if (!empty.empty() && spec.kind != CorpusKind::kFolder) {
    remark(fmt::format("{} gives no segment of {}", name, fmt::join(empty, ", ")), where,
           "are its keys and columns the right ones?");
  }
  return false;
}

/// Throws Error where there are corpora to train with, but nothing in them.
void check_train(const std::vector<PreparedSplit>& splits, const std::vector<CorpusSpec>& corpora) {
  std::vector<std::string> empty;
  for (const PreparedSplit& split : splits) {
    if (split.split != "train") continue;
    for (const auto& language : split.languages) {
      if (language.segments > 0) return;
    }
    empty.push_back(fmt::format("{} ({})", split.corpus, split.report.summary()));
  }
  if (empty.empty()) return;
  const auto first =
      std::find_if(corpora.begin(), corpora.end(), [](const auto& spec) { return spec.split == "train"; });
  throw Error(fmt::format("the train split holds no segment: {}", fmt::join(empty, ", ")),
              {first->files.empty() ? "" : first->files.front(), 0}, "give a corpus with text to train with");
}

void remark_left_out(const std::vector<PreparedSplit>& splits, const PrepareOptions& options) {
  check_train(splits, options.corpora);
  for (std::size_t i = 0; i < splits.size(); ++i) {
    const PreparedSplit& split = splits[i];
    const std::string name = split.corpus + " " + split.split;
    const bool is_told = remark_empty(split, options.corpora[i]);
    if (split.report.skipped() > 0 && !is_told) remark(fmt::format("{}: {}", name, split.report.summary()));
    std::vector<std::string> too_long;
    for (const auto& language : split.languages) {
      if (language.too_long > 0) too_long.push_back(fmt::format("{} of {}", language.too_long, language.name));
    }
    if (too_long.empty()) continue;
    remark(fmt::format("{}: segments over {} tokens are left out: {}", name, options.max_length,
                       fmt::join(too_long, ", ")));
  }
}

/// Fills in what the vocabulary cannot write, and tells it, by language over all splits.
void remark_lost(std::vector<PreparedSplit>& splits, const Vocabulary& vocabulary) {
  std::map<std::string, CharacterCounts> characters;
  std::map<std::string, std::pair<std::uint64_t, std::uint64_t>> tokens;  // unknown and all
  for (PreparedSplit& split : splits) {
    for (auto& column : split.languages) {
      column.unwritable = count_unwritable(column.characters, vocabulary);
      const std::string language = split.task.empty() ? column.name : split.task + ":" + column.name;
      characters[language].add(column.characters);
      tokens[language].first += column.unknown;
      tokens[language].second += column.tokens;
    }
  }
  remark_unwritable(characters, vocabulary);
  for (const auto& [language, counts] : tokens) {
    const auto& [unknown, all] = counts;
    const double share = static_cast<double>(unknown) / static_cast<double>(std::max<std::uint64_t>(all, 1));
    if (unknown == 0) continue;
    remark(fmt::format("<unk>, text that the vocabulary does not know: {} of the {} tokens of {} ({:.3g} %)", unknown,
                       all, language, 100 * share),
           {},
           share > kMostUnknown ? "learn a vocabulary from text of this kind, a larger one, or one with --byte-fallback"
                                : "where it matters, learn the vocabulary with --byte-fallback");
  }
}

}  // namespace

std::vector<PreparedSplit> prepare(const PrepareOptions& given, const ProgressSink& progress) {
  const Vocabulary vocabulary = Vocabulary::load(given.vocabulary);
  PrepareOptions options = given;
  options.corpora = with_known_languages(options.corpora, vocabulary);
  check_before(options, vocabulary);
  const std::size_t threads = options.threads > 0 ? static_cast<std::size_t>(options.threads)
                                                  : std::max(1u, std::thread::hardware_concurrency());
  AtomicFolder folder(options.out);
  Meter meter(options.corpora, progress);
  std::vector<PreparedSplit> splits;
  for (const CorpusSpec& spec : options.corpora) {
    splits.push_back(prepare_split(spec, options, vocabulary, folder.temporary() / spec.name, threads, meter));
  }
  meter.finish();
  remark_left_out(splits, options);
  remark_lost(splits, vocabulary);

  const std::string model = read_file(options.vocabulary);
  write_file(folder.temporary() / kVocabularyName, model);
  const std::uint32_t checksum = crc32_of(std::as_bytes(std::span(model)));
  write_file(folder.temporary() / kDescriptionName, dump_json(describe(splits, vocabulary, checksum), 2) + "\n");
  Dataset(folder.temporary()).verify();
  folder.commit();
  return splits;
}

}  // namespace polymoe
