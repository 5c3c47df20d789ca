#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "polymoe/formats/segment.h"

/// Files that people translate: the text is taken out, translated, and put back, with all else as it was.
namespace polymoe {

enum class DocumentFormat { kText, kTsv, kJsonLines, kPo, kSrt, kVtt, kTmx, kXliff, kHtml };

/// The names of all formats, as a command line has them: "text", "tsv", "jsonl", ...
const std::vector<std::string>& document_format_names();
const char* name_of(DocumentFormat format);

/// The format of a name of document_format_names(); for "auto" that of the file's extension, kText where it says
/// nothing. Throws Error for another name, and for "auto" where the extension says that another format than text is
/// compressed ("de.po.gz").
DocumentFormat parse_document_format(std::string_view name, const std::string& path);

/// The extension of a file's name, ".html" say, in lower case.
std::string extension_of(const std::string& path);

/// What a document is translated from and to, and how messages name it.
struct DocumentContext {
  std::string path;    ///< for messages; and ".xhtml" says that HTML is XML
  std::string source;  ///< languages, as the vocabulary names them
  std::string target;
};

class Document {
 public:
  virtual ~Document() = default;

  /// What is to be translated, in the order of the document. Texts that have a translation already are not among them.
  const std::vector<Segment>& segments() const { return segments_; }

  /// What was passed over, with the number of each kind: "messages that are translated already".
  const std::map<std::string, std::uint64_t>& passed_over() const { return passed_over_; }

  /// Puts the translation of a segment into its place: its tags are those of the segment, each once and well-formed.
  /// Where the format refuses it, the place stays as it was, and the reason is returned; else "".
  virtual std::string fill(std::size_t segment, const std::vector<Span>& translation) = 0;

  /// The whole file, with what was filled.
  virtual std::string text() = 0;

 protected:
  std::vector<Segment> segments_;
  std::map<std::string, std::uint64_t> passed_over_;
};

/// Reads a document. Throws Error, with file and line, for bytes that are no such document.
std::unique_ptr<Document> read_document(DocumentFormat format, const std::string& bytes,
                                        const DocumentContext& context);

/// Throws Error, with the line, for text that is not UTF-8 or holds NUL bytes.
void check_document_text(std::string_view bytes, const std::string& path);

/// Whether a document's own name of a language ("de-AT", "DE") means `language`, or the language it is a variant of;
/// also by another usual name ("zh-Hans" for "zh_CN", "de" for "deu_Latn").
bool means_language(std::string_view name, std::string_view language);

/// The first of a document's names that is `language` itself, else the first that means it; names.size(): none does.
std::size_t index_of_language(const std::vector<std::string>& names, std::string_view language);

/// Where among `names` both languages of a translation are; the number of names where one is not. One name is not both.
struct LanguagePlaces {
  std::size_t source, target;
};
LanguagePlaces places_of_languages(const std::vector<std::string>& names, std::string_view source,
                                   std::string_view target);

/// A language as XML files name it: "pt-BR" for "pt_BR".
std::string xml_language(std::string_view language);

/// One for each format.
std::unique_ptr<Document> read_text_document(const std::string& bytes, const DocumentContext& context);
std::unique_ptr<Document> read_tsv_document(const std::string& bytes, const DocumentContext& context);
std::unique_ptr<Document> read_json_lines_document(const std::string& bytes, const DocumentContext& context);
std::unique_ptr<Document> read_po_document(const std::string& bytes, const DocumentContext& context);
std::unique_ptr<Document> read_subtitles(const std::string& bytes, const DocumentContext& context, bool is_vtt);
std::unique_ptr<Document> read_tmx_document(const std::string& bytes, const DocumentContext& context);
std::unique_ptr<Document> read_xliff_document(const std::string& bytes, const DocumentContext& context);
std::unique_ptr<Document> read_html_document(const std::string& bytes, const DocumentContext& context);

}  // namespace polymoe
