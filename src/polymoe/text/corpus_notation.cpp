#include <algorithm>
#include <array>
#include <filesystem>
#include <map>
#include <utility>

#include <nlohmann/json.hpp>

#include "polymoe/base/ascii.h"
#include "polymoe/base/files.h"
#include "polymoe/base/json_text.h"
#include "polymoe/base/path_kind.h"
#include "polymoe/base/quote.h"
#include "polymoe/text/corpus.h"
#include "polymoe/text/known_names.h"
#include "polymoe/text/language_names.h"
#include "polymoe/text/segment_table.h"
#include "polymoe/text/text_encoding.h"
#include "polymoe/text/vocabulary.h"

namespace polymoe {

namespace fs = std::filesystem;

const char* const kCorpusNotation =
    "How to name a corpus (gzip-compressed files are read as well as plain ones):\n"
    "  DIR                                a corpus folder, as made by 'polymoe corpus', with all its splits\n"
    "  SPLIT:files:en=FILE,de=FILE,...    parallel files, one segment a line\n"
    "  SPLIT:tsv:FILE:en,de,...           tab-separated columns; '-' passes over a column;\n"
    "                                     without the list, the first line names the columns\n"
    "  SPLIT:jsonl:FILE:en,de,...         one JSON object a line, {\"en\": \"...\", \"de\": \"...\"};\n"
    "                                     without the list, the first line's keys are the languages\n"
    "  SPLIT:mono:sw=FILE,...             text of one language, not aligned with any other\n"
    "  SPLIT:task:NAME:files:en=IN,en=OUT pairs of a task of your naming (summaries, say): what the model reads, then\n"
    "                                     what it is to write, each with its language\n"
    "  SPLIT:task:NAME:tsv:FILE:en,en     the same from two columns\n"
    "  SPLIT:task:NAME:jsonl:FILE:text=en,summary=en   the same from two keys\n"
    "SPLIT is train, valid or test. Example: train:files:en=data/train.en.gz,de=data/train.de.gz\n";

namespace {

std::vector<std::string> split_at(std::string_view text, char separator) {
  std::vector<std::string> parts;
  std::size_t begin = 0;
  for (std::size_t end; (end = text.find(separator, begin)) != std::string_view::npos; begin = end + 1) {
    parts.emplace_back(text.substr(begin, end - begin));
  }
  parts.emplace_back(text.substr(begin));
  return parts;
}

void check_split(const std::string& split, const Where& where = {}) {
  const std::vector<std::string> names(kSplitNames.begin(), kSplitNames.end());
  if (std::find(names.begin(), names.end(), split) != names.end()) return;
  throw Error(in_quotes(split) + " is not the name of a split", where, known_names(split, names));
}

/// Throws for a language that is named twice, which only the two sides of a task may be.
void add_language(CorpusSpec& spec, const std::string& language) {
  if (spec.task.empty() && std::find(spec.languages.begin(), spec.languages.end(), language) != spec.languages.end()) {
    throw Error(fmt::format("the language '{}' is named twice", language));
  }
  spec.languages.push_back(language);
}

/// A short name for a corpus of files: the file's own without language and extensions, or its folder's where that would
/// only repeat the split ("multi30k/train.en.gz").
std::string name_of_file(const fs::path& file, const CorpusSpec& spec) {
  fs::path name = file.filename();
  constexpr std::array<const char*, 5> kExtensions = {".gz", ".txt", ".tsv", ".jsonl", ".json"};
  const auto is_ending = [&](const std::string& extension) {
    return std::find(kExtensions.begin(), kExtensions.end(), extension) != kExtensions.end() ||
           std::any_of(spec.languages.begin(), spec.languages.end(),
                       [&](const std::string& language) { return extension == "." + language; });
  };
  while (is_ending(name.extension())) name = name.stem();
  std::string text = name;
  const std::string folder = fs::absolute(file).lexically_normal().parent_path().filename();
  if (text == spec.split && !folder.empty()) text = folder;
  std::replace_if(
      text.begin(), text.end(), [](char c) { return !ascii::is_alphanumeric(c) && c != '-' && c != '_'; }, '_');
  return text;
}

/// "en=FILE,de=FILE": adds languages and files.
void parse_files(std::string_view rest, CorpusSpec& spec) {
  for (const std::string& part : split_at(rest, ',')) {
    const std::size_t equals = part.find('=');
    if (equals == std::string::npos || equals + 1 == part.size()) {
      throw Error(in_quotes(part) + " is not LANGUAGE=FILE");
    }
    add_language(spec, read_language(part.substr(0, equals)));
    spec.files.push_back(part.substr(equals + 1));
  }
}

std::string first_line(const std::string& path) {
  LineReader reader(path);
  check_beginning(reader);
  std::string line;
  if (!reader.next(line)) throw Error("is empty", {path, 0});
  return line;
}

/// "FILE:en,de" or "FILE": the file, and the words of the list.
std::pair<std::string, std::vector<std::string>> file_and_list(std::string_view rest) {
  if (path_exists(fs::path(rest))) return {std::string(rest), {}};
  const std::size_t colon = rest.rfind(':');
  if (colon == std::string_view::npos) return {std::string(rest), {}};
  return {std::string(rest.substr(0, colon)), split_at(rest.substr(colon + 1), ',')};
}

void parse_tsv(std::string_view rest, CorpusSpec& spec) {
  auto [file, columns] = file_and_list(rest);
  spec.has_header = columns.empty();
  try {
    if (spec.has_header) columns = split_at(first_line(file), '\t');
    for (const std::string& column : columns) {
      const bool ignored = column.empty() || column == "-";
      spec.columns.push_back(ignored ? "" : read_language(column));
      if (!ignored) add_language(spec, spec.columns.back());
    }
  } catch (const Error& error) {
    if (!spec.has_header || !error.where().path.empty()) throw;
    throw Error(error.message(), {file, 1},
                "the first line must name the columns' languages; or list them after the file");
  }
  spec.files = {file};
}

/// The keys of a task, "text=en,summary=en": those of translations are languages and need no second name.
void parse_task_keys(const std::string& file, const std::vector<std::string>& keys, CorpusSpec& spec) {
  for (const std::string& key : keys) {
    const std::size_t equals = key.rfind('=');
    if (equals == std::string::npos || equals == 0) throw Error(in_quotes(key) + " is not KEY=LANGUAGE");
    spec.columns.push_back(key.substr(0, equals));
    add_language(spec, read_language(key.substr(equals + 1)));
  }
  spec.files = {file};
}

void parse_json_lines(std::string_view rest, CorpusSpec& spec) {
  auto [file, keys] = file_and_list(rest);
  const bool from_file = keys.empty();
  if (!spec.task.empty()) return parse_task_keys(file, keys, spec);
  if (from_file) {
    const nlohmann::json row = try_parse_json(first_line(file));
    if (!row.is_object()) throw Error("not a JSON object such as {\"en\": \"...\", \"de\": \"...\"}", {file, 1});
    for (const auto& [key, value] : row.items()) keys.push_back(key);
  }
  for (const std::string& key : keys) {
    try {
      add_language(spec, read_language(key));
    } catch (const Error& error) {
      if (!from_file) throw;
      throw Error(error.message(), {file, 1}, "list the keys that are languages after the file, e.g. ':en,de'");
    }
  }
  spec.columns = keys;
  spec.files = {file};
}

/// The specs of a corpus folder, one for each split.
std::vector<CorpusSpec> parse_folder(const fs::path& folder) {
  const fs::path description = folder / "corpus.json";
  if (!path_exists(description)) {
    throw Error("is not a corpus folder: it holds no corpus.json", {folder, 0},
                "give a folder made by 'polymoe corpus', or name files; see --help");
  }
  std::vector<CorpusSpec> specs;
  try {
    const nlohmann::json json = parse_json(read_file(description));
    std::string name = json.at("name").get<std::string>();
    std::replace_if(
        name.begin(), name.end(), [](char c) { return !ascii::is_alphanumeric(c) && c != '-' && c != '_'; }, '_');
    for (const auto& [split, lines] : json.at("splits").items()) {
      check_split(split, {description, 0});
      CorpusSpec spec;
      spec.name = name;
      spec.split = split;
      spec.kind = CorpusKind::kFolder;
      spec.lines = lines.get<std::uint64_t>();
      for (const std::string code : json.at("languages")) {
        add_language(spec, read_language(code));
        spec.files.push_back(folder / corpus_file_name(split, code));
      }
      if (spec.languages.empty()) throw Error("no languages");
      specs.push_back(std::move(spec));
    }
  } catch (const nlohmann::json::exception& error) {
    throw Error(fmt::format("not the description of a corpus: {}", error.what()), {description, 0},
                "make the corpus again");
  } catch (const Error& error) {
    if (!error.where().path.empty()) throw;
    throw Error(error.message(), {description, 0}, "make the corpus again");
  }
  if (specs.empty()) throw Error("lists no splits", {description, 0}, "make the corpus again");
  return specs;
}

/// What stands before the first ':' of `rest`, which loses it.
std::string take_part(std::string_view& rest, const std::string& notation) {
  const std::size_t colon = rest.find(':');
  if (colon == std::string_view::npos || colon + 1 == rest.size()) {
    throw Error(in_quotes(notation) + " is neither a folder nor SPLIT:KIND:FILES", {}, "see --help for the notation");
  }
  std::string part(rest.substr(0, colon));
  rest.remove_prefix(colon + 1);
  return part;
}

std::vector<CorpusSpec> parse_corpus(const std::string& notation) {
  if (is_folder(notation)) return parse_folder(notation);
  std::string_view rest = notation;
  CorpusSpec spec;
  spec.split = take_part(rest, notation);
  check_split(spec.split);
  std::string kind = take_part(rest, notation);
  if (kind == "task") {
    spec.task = take_part(rest, notation);
    check_task_name(spec.task);
    kind = take_part(rest, notation);
  }
  if (kind == "files" || (kind == "mono" && spec.task.empty())) {
    parse_files(rest, spec);
  } else if (kind == "tsv") {
    spec.kind = CorpusKind::kTsv;
    parse_tsv(rest, spec);
  } else if (kind == "jsonl") {
    spec.kind = CorpusKind::kJsonLines;
    parse_json_lines(rest, spec);
  } else {
    throw Error(fmt::format("unknown kind of corpus {} in {}", in_quotes(kind), in_quotes(notation)), {},
                spec.task.empty() ? "use files, tsv, jsonl, mono or task" : "pairs of a task are files, tsv or jsonl");
  }
  if (!spec.task.empty()) {
    if (spec.languages.size() != 2) {
      throw Error(
          fmt::format("{} has {} columns, but pairs of a task have two", in_quotes(notation), spec.languages.size()),
          {}, "name what the model reads and what it is to write, each with its language");
    }
    spec.name = fmt::format("{}.{}-{}", spec.task, spec.languages[0], spec.languages[1]);
    return {spec};
  }
  if (kind != "mono" && spec.languages.size() < 2) {
    throw Error(in_quotes(notation) + " has fewer than two languages", {},
                "text of one language is of the kind 'mono'");
  }
  if (spec.files[0].empty()) throw Error(in_quotes(notation) + " names no file");
  spec.name = name_of_file(spec.files[0], spec);
  if (kind != "mono") return {spec};
  std::vector<CorpusSpec> specs;
  for (std::size_t i = 0; i < spec.languages.size(); ++i) {
    CorpusSpec one;
    one.split = spec.split;
    one.kind = CorpusKind::kMonolingual;
    one.languages = {spec.languages[i]};
    one.files = {spec.files[i]};
    one.name = name_of_file(spec.files[i], one);
    specs.push_back(std::move(one));
  }
  return specs;
}

}  // namespace

std::string normalize_language(std::string_view code) {
  std::string normal(code);
  std::replace(normal.begin(), normal.end(), '-', '_');
  const std::size_t letters =
      static_cast<std::size_t>(std::find_if_not(normal.begin(), normal.end(), ascii::is_letter) - normal.begin());
  bool good = letters >= 2 && letters <= 8 && normal.size() <= 32;
  for (std::size_t i = letters; i < normal.size(); ++i) {
    const bool separator = normal[i] == '_' || normal[i] == '@';
    const bool last = i + 1 == normal.size();
    good = good && (separator ? !last && ascii::is_alphanumeric(normal[i + 1])
                              : i > letters && ascii::is_alphanumeric(normal[i]));
  }
  if (!good) throw Error(in_quotes(code) + " is not a language code", {}, "use codes such as en, de, zh_CN or pt_BR");
  return normal;
}

std::string corpus_file_name(std::string_view split, std::string_view language) {
  return fmt::format("{}.{}.gz", split, language);
}

bool keep_languages(CorpusSpec& spec, const std::vector<std::string>& wanted) {
  if (!spec.task.empty()) {
    return std::all_of(spec.languages.begin(), spec.languages.end(), [&](const std::string& language) {
      return std::find(wanted.begin(), wanted.end(), language) != wanted.end();
    });
  }
  CorpusSpec kept = spec;
  kept.languages.clear();
  const bool by_language = spec.files.size() == spec.languages.size() && spec.kind != CorpusKind::kTsv &&
                           spec.kind != CorpusKind::kJsonLines;
  if (by_language) kept.files.clear();
  if (spec.kind == CorpusKind::kJsonLines) kept.columns.clear();
  for (std::size_t i = 0; i < spec.languages.size(); ++i) {
    const std::string& language = spec.languages[i];
    if (std::find(wanted.begin(), wanted.end(), language) != wanted.end()) {
      kept.languages.push_back(language);
      if (by_language) kept.files.push_back(spec.files[i]);
      if (spec.kind == CorpusKind::kJsonLines) kept.columns.push_back(spec.columns[i]);
    } else if (spec.kind == CorpusKind::kTsv) {
      std::replace(kept.columns.begin(), kept.columns.end(), language, std::string());
    }
  }
  spec = std::move(kept);
  return !spec.languages.empty();
}

std::vector<CorpusSpec> parse_corpora(const std::vector<std::string>& notations) {
  std::vector<CorpusSpec> specs;
  std::map<std::pair<std::string, std::string>, int> seen;
  for (const std::string& notation : notations) {
    for (CorpusSpec& spec : parse_corpus(notation)) {
      const int times = ++seen[{spec.split, spec.name}];
      if (times > 1) spec.name += fmt::format("-{}", times);
      specs.push_back(std::move(spec));
    }
  }
  return specs;
}

}  // namespace polymoe
