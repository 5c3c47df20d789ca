#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "polymoe/formats/document.h"
#include "polymoe/formats/fill.h"

namespace polymoe::testing {

/// Translates each line by itself.
inline TranslateLines each_line(std::function<std::string(const std::string&)> translate) {
  return [translate = std::move(translate)](const std::vector<std::string>& lines) {
    std::vector<LineTranslation> translations;
    for (const std::string& line : lines) translations.push_back({translate(line), true});
    return translations;
  };
}

/// Puts "de:" before each line.
inline TranslateLines marks_lines() {
  return each_line([](const std::string& line) { return "de:" + line; });
}

/// Reads, fills and writes a document from English to German.
inline std::string translate_text(DocumentFormat format, const std::string& text, const TranslateLines& translate,
                                  FillReport* report = nullptr) {
  const auto document = read_document(format, text, {"file", "en", "de"});
  const FillReport filled = fill_document(*document, translate);
  if (report != nullptr) *report = filled;
  return document->text();
}

}  // namespace polymoe::testing
