#include "polymoe/polymoe.h"

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <cstring>
#include <exception>
#include <filesystem>
#include <iterator>
#include <memory>
#include <span>
#include <stop_token>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include <fmt/ranges.h>

#include "polymoe/api/option_names.h"
#include "polymoe/base/error.h"
#include "polymoe/translator.h"
#include "polymoe/version.h"

struct polymoe_options {
  polymoe::TranslatorOptions options;
};
struct polymoe_translator {
  polymoe::Translator translator;
};
struct polymoe_glossary {
  polymoe::Glossary glossary;
};
struct polymoe_canceller {
  std::stop_source source;
};
struct polymoe_results {
  std::vector<polymoe::Translation> translations;
};

namespace polymoe {
namespace {

struct LastError {
  std::string message;
  bool cancelled = false;
};
thread_local LastError last_error;

// What `call` returns, or `failed` where it throws.
template <typename Result, typename Call>
Result guarded(Result failed, const Call& call) noexcept {
  last_error.message.clear();
  last_error.cancelled = false;
  try {
    return call();
  } catch (const Cancelled& cancelled) {
    last_error.cancelled = true;
    last_error.message = cancelled.what();
  } catch (const std::exception& error) {
    last_error.message = error.what();
  } catch (...) {
    last_error.message = "an unknown error";
  }
  return failed;
}

const char* given(const char* text, const char* what) {
  if (text == nullptr) fail("{} is NULL", what);
  return text;
}

template <typename T>
const T& given(const T* object, const char* what) {
  if (object == nullptr) fail("{} is NULL", what);
  return *object;
}

std::vector<std::string> texts_of(const char* const* texts, std::size_t count, const char* what) {
  std::vector<std::string> all;
  if (count > 0) given(texts, what);
  for (std::size_t i = 0; i < count; ++i) all.emplace_back(given(texts[i], what));
  return all;
}

[[noreturn]] void refuse(std::string_view name, std::string_view value) {
  fail("the option {} cannot be '{}'", name, value);
}

template <typename T>
void parse_option(std::string_view name, std::string_view value, T& option) {
  if constexpr (std::is_same_v<T, std::filesystem::path>) {
    option = value;
  } else if constexpr (std::is_same_v<T, bool>) {
    const auto& words = kSwitchWords;
    const auto* const found = std::find(std::begin(words), std::end(words), value);
    if (found == std::end(words)) refuse(name, value);
    option = (found - std::begin(words)) % 2 == 1;
  } else if constexpr (std::is_enum_v<T>) {
    const std::vector<std::string> words = words_of<T>();
    const auto found = std::find(words.begin(), words.end(), value);
    if (found == words.end()) fail("the option {} is one of {}, not '{}'", name, fmt::join(words, ", "), value);
    option = static_cast<T>(found - words.begin());
  } else {
    const auto [end, problem] = std::from_chars(value.data(), value.data() + value.size(), option);
    if (problem != std::errc{} || end != value.data() + value.size()) refuse(name, value);
  }
}

RequestOptions request_options(const polymoe_request& request, std::size_t lines) {
  RequestOptions options;
  if (request.task != nullptr) options.task = request.task;
  if (request.prefixes != nullptr) options.prefixes = texts_of(request.prefixes, lines, "a prefix");
  if (request.glossary != nullptr) options.glossary = request.glossary->glossary;
  options.forbidden = texts_of(request.forbidden, request.num_forbidden, "a forbidden phrase");
  options.replace_unknowns = request.replace_unknowns != 0;
  options.word_scores = request.word_scores != 0;
  options.alignments = request.alignments != 0;
  if (request.canceller != nullptr) options.stop = request.canceller->source.get_token();
  if (request.on_partial != nullptr) {
    options.on_partial = [tell = request.on_partial, user = request.user](const PartialTranslation& partial) {
      const std::string text(partial.text);
      tell(user, partial.line, text.c_str(), text.size() - partial.added.size(), partial.complete ? 1 : 0);
    };
  }
  return options;
}

// The request with zeros where the caller's version has no members yet.
polymoe_request whole_request(const polymoe_request* request) {
  polymoe_request whole{};
  if (request == nullptr) return whole;
  if (request->size < sizeof(request->size) || request->size > sizeof whole) {
    fail(
        "a request of {} bytes, but this version's are {}; begin with `polymoe_request request = {{.size = sizeof "
        "request}}`",
        request->size, sizeof whole);
  }
  std::memcpy(&whole, request, request->size);
  return whole;
}

const Hypothesis* hypothesis_of(const polymoe_results* results, std::size_t line, std::size_t rank) {
  if (rank >= polymoe_num_translations(results, line)) return nullptr;
  return &results->translations[line].hypotheses[rank];
}

template <typename T>
const T* items_of(std::span<const T> items, std::size_t* count) {
  if (count != nullptr) *count = items.size();
  return items.empty() ? nullptr : items.data();
}

}  // namespace
}  // namespace polymoe

using polymoe::given;
using polymoe::guarded;

extern "C" {

const char* polymoe_library_version(void) { return polymoe::version(); }
const char* polymoe_last_error(void) { return polymoe::last_error.message.c_str(); }
int polymoe_was_cancelled(void) { return polymoe::last_error.cancelled ? 1 : 0; }

polymoe_options* polymoe_options_new(void) {
  return guarded<polymoe_options*>(nullptr, [] { return new polymoe_options; });
}

int polymoe_options_set(polymoe_options* options, const char* name, const char* value) {
  return guarded(-1, [&] {
    given(options, "options");
    const std::string_view wanted = given(name, "the name"), text = given(value, "the value");
    bool found = false;
    polymoe::visit_options(options->options, [&](std::string_view own, auto& option) {
      if (own != wanted) return;
      found = true;
      polymoe::parse_option(wanted, text, option);
    });
    if (!found) polymoe::fail("there is no option '{}'", wanted);
    return 0;
  });
}

void polymoe_options_free(polymoe_options* options) { delete options; }

polymoe_translator* polymoe_load(const char* model, const polymoe_options* options) {
  return guarded<polymoe_translator*>(nullptr, [&] {
    const polymoe::TranslatorOptions defaults;
    return new polymoe_translator{
        polymoe::Translator(given(model, "the model"), options == nullptr ? defaults : options->options)};
  });
}

void polymoe_translator_free(polymoe_translator* translator) { delete translator; }

const char* polymoe_language(const polymoe_translator* translator, size_t index) {
  return guarded<const char*>(nullptr, [&]() -> const char* {
    const auto& languages = given(translator, "the translator").translator.languages();
    return index < languages.size() ? languages[index].c_str() : nullptr;
  });
}

int polymoe_is_trained(const polymoe_translator* translator, const char* source_language, const char* target_language,
                       const char* task) {
  return guarded(-1, [&] {
    const bool is_trained = given(translator, "the translator")
                                .translator.is_trained(given(source_language, "the source language"),
                                                       given(target_language, "the target language"),
                                                       task == nullptr ? "translation" : task);
    return is_trained ? 1 : 0;
  });
}

polymoe_glossary* polymoe_glossary_load(const char* path) {
  return guarded<polymoe_glossary*>(
      nullptr, [&] { return new polymoe_glossary{polymoe::Glossary::load(given(path, "the path"))}; });
}

polymoe_glossary* polymoe_glossary_parse(const char* text) {
  return guarded<polymoe_glossary*>(
      nullptr, [&] { return new polymoe_glossary{polymoe::Glossary::parse(given(text, "the text"))}; });
}

void polymoe_glossary_free(polymoe_glossary* glossary) { delete glossary; }

polymoe_canceller* polymoe_canceller_new(void) {
  return guarded<polymoe_canceller*>(nullptr, [] { return new polymoe_canceller; });
}

void polymoe_cancel(polymoe_canceller* canceller) {
  if (canceller != nullptr) canceller->source.request_stop();
}

void polymoe_canceller_free(polymoe_canceller* canceller) { delete canceller; }

polymoe_results* polymoe_translate(const polymoe_translator* translator, const char* const* lines, size_t count,
                                   const char* source_language, const char* target_language,
                                   const polymoe_request* request) {
  return guarded<polymoe_results*>(nullptr, [&] {
    const polymoe_request whole = polymoe::whole_request(request);
    return new polymoe_results{given(translator, "the translator")
                                   .translator.translate(polymoe::texts_of(lines, count, "a line"),
                                                         given(source_language, "the source language"),
                                                         given(target_language, "the target language"),
                                                         polymoe::request_options(whole, count))};
  });
}

polymoe_results* polymoe_score_translations(const polymoe_translator* translator, const char* const* lines,
                                            const char* const* translations, size_t count, const char* source_language,
                                            const char* target_language, const polymoe_request* request) {
  return guarded<polymoe_results*>(nullptr, [&] {
    const polymoe::RequestOptions asked = polymoe::request_options(polymoe::whole_request(request), 0);
    std::vector<std::string> texts = polymoe::texts_of(translations, count, "a translation");
    auto scores = given(translator, "the translator")
                      .translator.score(polymoe::texts_of(lines, count, "a line"), texts,
                                        given(source_language, "the source language"),
                                        given(target_language, "the target language"), asked.task, asked.stop);
    auto results = std::make_unique<polymoe_results>();
    for (std::size_t i = 0; i < count; ++i) {
      polymoe::Hypothesis scored{.text = std::move(texts[i]),
                                 .score = scores[i].score,
                                 .log_probability = scores[i].log_probability,
                                 .word_scores = std::move(scores[i].word_scores)};
      results->translations.push_back({.hypotheses = {std::move(scored)}});
    }
    return results.release();
  });
}

void polymoe_results_free(polymoe_results* results) { delete results; }

size_t polymoe_num_lines(const polymoe_results* results) {
  return results == nullptr ? 0 : results->translations.size();
}

size_t polymoe_num_translations(const polymoe_results* results, size_t line) {
  return line < polymoe_num_lines(results) ? results->translations[line].hypotheses.size() : 0;
}

const char* polymoe_text(const polymoe_results* results, size_t line, size_t rank) {
  const polymoe::Hypothesis* found = polymoe::hypothesis_of(results, line, rank);
  return found == nullptr ? nullptr : found->text.c_str();
}

double polymoe_score(const polymoe_results* results, size_t line, size_t rank) {
  const polymoe::Hypothesis* found = polymoe::hypothesis_of(results, line, rank);
  return found == nullptr ? 0.0 : found->score;
}

double polymoe_log_probability(const polymoe_results* results, size_t line, size_t rank) {
  const polymoe::Hypothesis* found = polymoe::hypothesis_of(results, line, rank);
  return found == nullptr ? 0.0 : found->log_probability;
}

const double* polymoe_word_scores(const polymoe_results* results, size_t line, size_t rank, size_t* count) {
  const polymoe::Hypothesis* found = polymoe::hypothesis_of(results, line, rank);
  return found == nullptr ? polymoe::items_of<double>({}, count) : polymoe::items_of<double>(found->word_scores, count);
}

const float* polymoe_alignment(const polymoe_results* results, size_t line, size_t rank, size_t word, size_t* count) {
  const polymoe::Hypothesis* found = polymoe::hypothesis_of(results, line, rank);
  const bool is_there = found != nullptr && word < found->alignment.size();
  return is_there ? polymoe::items_of<float>(found->alignment[word], count) : polymoe::items_of<float>({}, count);
}

int polymoe_cut_off(const polymoe_results* results, size_t line, size_t rank) {
  const polymoe::Hypothesis* found = polymoe::hypothesis_of(results, line, rank);
  return found != nullptr && found->cut_off ? 1 : 0;
}

int polymoe_keeps_placeholders(const polymoe_results* results, size_t line, size_t rank) {
  const polymoe::Hypothesis* found = polymoe::hypothesis_of(results, line, rank);
  return found != nullptr && found->keeps_placeholders ? 1 : 0;
}

size_t polymoe_unmet_terms(const polymoe_results* results, size_t line, size_t rank) {
  const polymoe::Hypothesis* found = polymoe::hypothesis_of(results, line, rank);
  return found == nullptr ? 0 : found->unmet_terms;
}

size_t polymoe_forbidden_phrases(const polymoe_results* results, size_t line, size_t rank) {
  const polymoe::Hypothesis* found = polymoe::hypothesis_of(results, line, rank);
  return found == nullptr ? 0 : found->forbidden_phrases;
}

size_t polymoe_unknown_tokens(const polymoe_results* results, size_t line) {
  return line < polymoe_num_lines(results) ? results->translations[line].unknown_tokens : 0;
}

int polymoe_read_whole(const polymoe_results* results, size_t line) {
  return line < polymoe_num_lines(results) && results->translations[line].read_whole ? 1 : 0;
}

}  // extern "C"
