#include "polymoe/serve/api.h"

#include <algorithm>
#include <utility>

#include <fmt/core.h>
#include <nlohmann/json.hpp>

#include "polymoe/base/error.h"
#include "polymoe/base/json_text.h"
#include "polymoe/base/quote.h"
#include "polymoe/formats/document.h"
#include "polymoe/formats/fill.h"
#include "polymoe/formats/text_layout.h"
#include "polymoe/serve/api_error.h"
#include "polymoe/serve/detect.h"

namespace polymoe {
namespace {

using OrderedJson = nlohmann::ordered_json;
using Deadline = Batcher::Clock::time_point;

std::string dump(const OrderedJson& json) { return dump_any_json(json) + "\n"; }

/// Whether two keys are equal, in a time that does not tell where they differ.
bool same_key(const std::string& a, const std::string& b) {
  unsigned difference = a.size() == b.size() ? 0 : 1;
  for (std::size_t i = 0; i < a.size(); ++i) {
    difference |= static_cast<unsigned char>(a[i]) ^ static_cast<unsigned char>(b[b.empty() ? 0 : i % b.size()]);
  }
  return difference == 0;
}

/// What a served model calls it; empty where none has it.
std::string served_name(const DetectedLanguage& detected, const ModelSet& models) {
  const std::string name = models.language_named(detected.code);
  return name.empty() ? models.language_named(detected.own_code) : name;
}

OrderedJson detected_json(const DetectedLanguage& detected, const ModelSet& models) {
  const std::string served = served_name(detected, models);
  return {{"confidence", detected.confidence}, {"language", served.empty() ? detected.code : served}};
}

/// The language of a text among those that are served.
DetectedLanguage detect_source(const std::string& text, const ModelSet& models) {
  const std::vector<DetectedLanguage> detected = detect_languages(text);
  for (const DetectedLanguage& language : detected) {
    if (!served_name(language, models).empty()) return language;
  }
  if (detected[0].code == "und") throw ApiError(kBadRequest, "the language cannot be told; name it in \"source\"");
  throw ApiError(kBadRequest, fmt::format("the text seems to be in '{}', which is not supported; name the language in "
                                          "\"source\" if it is another",
                                          detected[0].code));
}

/// A segment is one line to a model, which nothing interrupts while it is translated.
void check_segments(const Document& document, std::size_t max_bytes) {
  for (const Segment& segment : document.segments()) {
    const std::size_t bytes = text_of(segment.spans).size();
    if (bytes <= max_bytes) continue;
    throw ApiError(kTooLarge, fmt::format("line {}: {} bytes of text in one segment; it may hold {}", segment.line,
                                          bytes, max_bytes));
  }
}

/// The document's lines by way of the batches of other requests; gives warnings.
std::vector<std::string> fill(Document& document, const Route& route, Deadline deadline) {
  const auto translate = [&](const std::vector<std::string>& lines) {
    std::vector<LineTranslation> translations;
    for (LineAnswer& answer : route.batcher->run({route.source, route.target, 1, true}, lines, deadline)) {
      translations.push_back({std::move(answer.texts.front()), answer.read_whole && answer.ended, answer.unknown,
                              answer.keeps_placeholders});
    }
    return translations;
  };
  const FillReport report = fill_document(document, translate);
  std::vector<std::string> warnings;
  if (report.left() + report.unknown + report.broken > 0) warnings.push_back(report.summary());
  for (const auto& [what, count] : document.passed_over()) warnings.push_back(fmt::format("{} {}", count, what));
  return warnings;
}

}  // namespace

void Api::set_models(std::shared_ptr<ModelSet> models) {
  const std::lock_guard lock(mutex_);
  models_.swap(models);
}

void Api::set_keys(std::set<std::string> keys) {
  const std::lock_guard lock(mutex_);
  keys_ = std::move(keys);
}

std::shared_ptr<ModelSet> Api::models() {
  const std::lock_guard lock(mutex_);
  return models_;
}

void Api::check_key(const std::string& key, const std::string& header_key) {
  const std::lock_guard lock(mutex_);
  if (keys_.empty()) return;
  bool known = false;
  for (const std::string& good : keys_) known = known || same_key(good, key) || same_key(good, header_key);
  if (known) return;
  throw ApiError(kForbidden, key.empty() && header_key.empty() ? "an API key is needed, in the field \"api_key\""
                                                               : "the API key is not known");
}

ApiResponse Api::translate(const ApiRequest& request) {
  const TranslateRequest asked = read_translate_request(request.content_type, request.body, options_.limits);
  check_key(asked.api_key, request.key);
  const Deadline deadline = Batcher::Clock::now() + options_.timeout;
  const std::shared_ptr<ModelSet> models = this->models();
  std::vector<Route> routes;
  OrderedJson detected = OrderedJson::array();
  for (const std::string& text : asked.texts) {
    std::string source = asked.source;
    if (source == "auto") {
      const DetectedLanguage language = detect_source(text, *models);
      source = served_name(language, *models);
      detected.push_back(detected_json(language, *models));
    }
    routes.push_back(models->find(source, asked.target, asked.model));
  }

  std::vector<Translated> translated = translate_all(asked, routes, deadline);
  OrderedJson answer, texts = OrderedJson::array(), alternatives = OrderedJson::array(),
                      warnings = OrderedJson::array();
  for (Translated& one : translated) {
    texts.push_back(one.texts.front());
    alternatives.push_back(std::vector<std::string>(one.texts.begin() + 1, one.texts.end()));
    for (const std::string& warning : one.warnings) warnings.push_back(warning);
  }
  answer["translatedText"] = asked.is_list ? texts : texts[0];
  if (asked.source == "auto") answer["detectedLanguage"] = asked.is_list ? detected : detected[0];
  if (asked.alternatives > 0) answer["alternatives"] = asked.is_list ? alternatives : alternatives[0];
  if (!warnings.empty()) answer["warnings"] = warnings;
  return {.body = dump(answer)};
}

std::vector<Api::Translated> Api::translate_all(const TranslateRequest& request, const std::vector<Route>& routes,
                                                Deadline deadline) {
  if (!request.is_html) return translate_lines(request, routes, deadline);
  std::vector<Translated> all;
  for (std::size_t i = 0; i < request.texts.size(); ++i) {
    const auto document =
        read_document(DocumentFormat::kHtml, request.texts[i], {"q", routes[i].source, routes[i].target});
    std::vector<std::string> warnings = fill(*document, routes[i], deadline);
    all.push_back({{document->text()}, std::move(warnings)});
  }
  return all;
}

std::vector<Api::Translated> Api::translate_lines(const TranslateRequest& request, const std::vector<Route>& routes,
                                                  Deadline deadline) {
  // The lines of all texts of a direction go together.
  std::vector<TextLayout> layouts;
  std::vector<std::vector<LineAnswer>> answers(request.texts.size());
  for (const std::string& text : request.texts) layouts.emplace_back(text, LineEnds::kSeparate);
  std::vector<bool> done(routes.size());
  for (std::size_t first = 0; first < routes.size(); ++first) {
    if (done[first]) continue;
    const Route& route = routes[first];
    std::vector<std::string> lines;
    std::vector<std::size_t> members;
    for (std::size_t i = first; i < routes.size(); ++i) {
      if (done[i] || routes[i].batcher != route.batcher || routes[i].source != route.source) continue;
      done[i] = true;
      members.push_back(i);
      lines.insert(lines.end(), layouts[i].lines().begin(), layouts[i].lines().end());
    }
    std::vector<LineAnswer> found =
        route.batcher->run({route.source, route.target, request.alternatives + 1}, std::move(lines), deadline);
    std::size_t next = 0;
    for (const std::size_t i : members) {
      for (std::size_t line = 0; line < layouts[i].lines().size(); ++line) {
        answers[i].push_back(std::move(found[next++]));
      }
    }
  }
  std::vector<Translated> all;
  for (std::size_t i = 0; i < layouts.size(); ++i) all.push_back(join(layouts[i], answers[i]));
  return all;
}

Api::Translated Api::join(const TextLayout& layout, const std::vector<LineAnswer>& answers) {
  Translated translated;
  std::size_t choices = answers.empty() ? 1 : answers[0].texts.size();
  for (std::size_t i = 0; i < answers.size(); ++i) {
    choices = std::min(choices, answers[i].texts.size());
    if (!answers[i].read_whole) {
      throw ApiError(kBadRequest, fmt::format("the text {} is longer than the model reads; send it in parts",
                                              in_quotes(layout.lines()[i])));
    }
    if (answers[i].unknown > 0) {
      translated.warnings.push_back(fmt::format("the model does not know {} of the tokens of {}", answers[i].unknown,
                                                in_quotes(layout.lines()[i])));
    }
    if (!answers[i].keeps_placeholders) {
      translated.warnings.push_back(fmt::format(
          "the translation of {} does not hold its placeholders and tags once each", in_quotes(layout.lines()[i])));
    }
    if (!answers[i].ended) {
      translated.warnings.push_back(
          fmt::format("the translation of {} does not end by itself and was cut", in_quotes(layout.lines()[i])));
    }
  }
  for (std::size_t choice = 0; choice < choices; ++choice) {
    std::vector<std::string> lines;
    for (const LineAnswer& answer : answers) lines.push_back(answer.texts[choice]);
    translated.texts.push_back(layout.join(lines));
  }
  return translated;
}

ApiResponse Api::detect(const ApiRequest& request) {
  const DetectRequest asked = read_detect_request(request.content_type, request.body, options_.limits);
  check_key(asked.api_key, request.key);
  const std::shared_ptr<ModelSet> models = this->models();
  OrderedJson answer = OrderedJson::array();
  for (const DetectedLanguage& language : detect_languages(asked.text)) {
    answer.push_back(detected_json(language, *models));
  }
  return {.body = dump(answer)};
}

ApiResponse Api::languages() {
  OrderedJson answer = OrderedJson::array();
  for (const ModelSet::Language& language : models()->languages()) {
    answer.push_back({{"code", language.code}, {"name", language_title(language.code)}, {"targets", language.targets}});
  }
  return {.body = dump(answer)};
}

ApiResponse Api::translate_file(const ApiRequest& request) {
  const auto field = [&](const char* name) {
    const auto found = request.fields.find(name);
    return found == request.fields.end() ? std::string() : found->second;
  };
  check_key(field("api_key"), request.key);
  if (request.file_name.empty()) {
    throw ApiError(kBadRequest, "the form (multipart/form-data) has no file named \"file\"");
  }
  if (field("source").empty() || field("target").empty()) {
    throw ApiError(kBadRequest, "the fields \"source\" and \"target\" are needed");
  }
  if (field("source") == "auto") throw ApiError(kBadRequest, "name the language of the file in \"source\"");
  const std::shared_ptr<ModelSet> models = this->models();
  const Route route = models->find(field("source"), field("target"), field("model"));
  const std::string name = safe_file_name(request.file_name);
  const auto document =
      read_document(parse_document_format("auto", name), request.file, {name, route.source, route.target});
  check_segments(*document, options_.limits.max_characters);
  const std::vector<std::string> warnings = fill(*document, route, Batcher::Clock::now() + options_.timeout);
  const std::string token = files_.add({fmt::format("{}.{}", route.target, name), document->text()});
  OrderedJson answer = {{"translatedFileUrl", fmt::format("{}/download_file/{}", request.base, token)}};
  if (!warnings.empty()) answer["warnings"] = warnings;
  return {.body = dump(answer)};
}

ApiResponse Api::download(const std::string& token) {
  const auto file = files_.find(token);
  if (!file) throw ApiError(kNotFound, "there is no such file, or no longer");
  return {.body = file->content,
          .content_type = "application/octet-stream",
          .headers = {{"Content-Disposition", "attachment; filename=\"" + file->name + "\""}}};
}

ApiResponse Api::settings() {
  bool needs_key = false;
  {
    const std::lock_guard lock(mutex_);
    needs_key = !keys_.empty();
  }
  const OrderedJson answer = {{"apiKeys", needs_key},
                              {"keyRequired", needs_key},
                              {"charLimit", options_.limits.max_characters},
                              {"batchLimit", options_.limits.max_texts},
                              {"filesTranslation", true},
                              {"models", models()->names()}};
  return {.body = dump(answer)};
}

ApiResponse Api::metrics() {
  const std::shared_ptr<ModelSet> models = this->models();
  return {.body = metrics_.text(models->names(), models->queued()), .content_type = "text/plain; version=0.0.4"};
}

}  // namespace polymoe
