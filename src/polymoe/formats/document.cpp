#include "polymoe/formats/document.h"

#include <algorithm>
#include <array>
#include <filesystem>

#include "polymoe/base/error.h"
#include "polymoe/base/log.h"
#include "polymoe/base/quote.h"
#include "polymoe/formats/pairs.h"
#include "polymoe/text/flores_names.h"
#include "polymoe/text/known_names.h"
#include "polymoe/text/language_names.h"
#include "polymoe/text/text_encoding.h"

namespace polymoe {
namespace {

struct FormatName {
  DocumentFormat format;
  const char* name;
  std::array<const char*, 3> extensions;
};

constexpr std::array<FormatName, 9> kFormats = {{
    {DocumentFormat::kText, "text", {".txt", "", ""}},
    {DocumentFormat::kTsv, "tsv", {".tsv", "", ""}},
    {DocumentFormat::kJsonLines, "jsonl", {".jsonl", ".ndjson", ""}},
    {DocumentFormat::kPo, "po", {".po", ".pot", ""}},
    {DocumentFormat::kSrt, "srt", {".srt", "", ""}},
    {DocumentFormat::kVtt, "vtt", {".vtt", "", ""}},
    {DocumentFormat::kTmx, "tmx", {".tmx", "", ""}},
    {DocumentFormat::kXliff, "xliff", {".xliff", ".xlf", ""}},
    {DocumentFormat::kHtml, "html", {".html", ".htm", ".xhtml"}},
}};

std::string lower(std::string_view text) {
  std::string result(text);
  for (char& c : result) c = static_cast<char>(c >= 'A' && c <= 'Z' ? c | 0x20 : c == '-' ? '_' : c);
  return result;
}

/// Whether a language is another, or one of the two is a variant of the other; both in lower case.
bool is_variant(const std::string& a, const std::string& b) {
  return a == b || a.starts_with(b + "_") || (b.starts_with(a + "_") && !a.empty());
}

MoCatalog translations_of(DocumentFormat format, const std::string& bytes, const DocumentContext& context,
                          bool unreviewed) {
  if (format == DocumentFormat::kPo) return read_po_translations(bytes, context, unreviewed);
  if (format == DocumentFormat::kTmx) return read_tmx_translations(bytes, context);
  if (format == DocumentFormat::kXliff) return read_xliff_translations(bytes, context, unreviewed);
  throw Error(fmt::format("files of the format {} hold no pairs of texts to take out", name_of(format)),
              {context.path, 0}, "give .po, .tmx or .xliff files; tables are corpora as they are, see docs/corpora.md");
}

}  // namespace

const std::vector<std::string>& document_format_names() {
  static const std::vector<std::string> kNames = [] {
    std::vector<std::string> names;
    for (const FormatName& format : kFormats) names.emplace_back(format.name);
    return names;
  }();
  return kNames;
}

const char* name_of(DocumentFormat format) { return kFormats.at(static_cast<std::size_t>(format)).name; }

std::string extension_of(const std::string& path) { return lower(std::filesystem::path(path).extension().string()); }

DocumentFormat parse_document_format(std::string_view name, const std::string& path) {
  const std::string extension = extension_of(path);
  if (name == "auto" && extension == ".gz") {
    const DocumentFormat inner = parse_document_format(name, std::filesystem::path(path).replace_extension());
    if (inner == DocumentFormat::kText) return inner;
    throw Error(fmt::format("is compressed; of the format {}, files are read as they are", name_of(inner)), {path, 0},
                fmt::format("unpack it first: gunzip {}", path));
  }
  for (const FormatName& format : kFormats) {
    const bool by_extension =
        name == "auto" && !extension.empty() &&
        std::find(format.extensions.begin(), format.extensions.end(), extension) != format.extensions.end();
    if (name == format.name || by_extension) return format.format;
  }
  if (name == "auto") return DocumentFormat::kText;
  throw Error(fmt::format("there is no format {}", in_quotes(name)), {}, known_names(name, document_format_names()));
}

std::unique_ptr<Document> read_document(DocumentFormat format, const std::string& bytes,
                                        const DocumentContext& context) {
  switch (format) {
    case DocumentFormat::kText:
      break;
    case DocumentFormat::kTsv:
      return read_tsv_document(bytes, context);
    case DocumentFormat::kJsonLines:
      return read_json_lines_document(bytes, context);
    case DocumentFormat::kPo:
      return read_po_document(bytes, context);
    case DocumentFormat::kSrt:
    case DocumentFormat::kVtt:
      return read_subtitles(bytes, context, format == DocumentFormat::kVtt);
    case DocumentFormat::kTmx:
      return read_tmx_document(bytes, context);
    case DocumentFormat::kXliff:
      return read_xliff_document(bytes, context);
    case DocumentFormat::kHtml:
      return read_html_document(bytes, context);
  }
  return read_text_document(bytes, context);
}

MoCatalog read_translations(DocumentFormat format, const std::string& bytes, const DocumentContext& context,
                            bool unreviewed) {
  MoCatalog catalog = translations_of(format, bytes, context, unreviewed);
  for (const auto& [what, count] : catalog.passed_over) log_info("{}: {} {}", context.path, count, what);
  return catalog;
}

void check_document_text(std::string_view bytes, const std::string& path) {
  std::uint64_t number = 1;
  for (std::size_t begin = 0; begin < bytes.size(); ++number) {
    const std::size_t end = std::min(bytes.find('\n', begin), bytes.size());
    check_text(bytes.substr(begin, end - begin), {path, number});
    begin = end + 1;
  }
}

bool means_language(std::string_view name, std::string_view language) {
  const std::string own = lower(name);
  if (is_variant(own, lower(language))) return true;
  std::string locale(name);
  std::replace(locale.begin(), locale.end(), '-', '_');
  const std::string code = language_of_locale(locale);
  if (code == language) return true;
  // What has other names itself is a language of its own: "zh_TW" is no variant of "zho_Hans", also called "zh".
  const bool is_own = !other_names_of(code).empty();
  for (const std::string& other : other_names_of(language)) {
    if (other == code || lower(other) == own || (!is_own && is_variant(own, lower(other)))) return true;
  }
  return false;
}

std::size_t index_of_language(const std::vector<std::string>& names, std::string_view language) {
  const auto is_same = [&](const std::string& name) { return lower(name) == lower(language); };
  auto found = std::find_if(names.begin(), names.end(), is_same);
  if (found == names.end()) {
    found = std::find_if(names.begin(), names.end(), [&](const auto& name) { return means_language(name, language); });
  }
  return static_cast<std::size_t>(found - names.begin());
}

LanguagePlaces places_of_languages(const std::vector<std::string>& names, std::string_view source,
                                   std::string_view target) {
  LanguagePlaces places{index_of_language(names, source), index_of_language(names, target)};
  if (places.source != places.target || places.source == names.size()) return places;
  // A relative of both. It is the target's where it has exactly its name, else the source's.
  const bool is_target = lower(names[places.target]) == lower(target);
  std::vector<std::string> others = names;
  others[places.source].clear();
  (is_target ? places.source : places.target) = index_of_language(others, is_target ? source : target);
  return places;
}

std::string xml_language(std::string_view language) {
  std::string name(language.substr(0, language.find('@')));
  std::replace(name.begin(), name.end(), '_', '-');
  return name;
}

}  // namespace polymoe
