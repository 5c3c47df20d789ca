#include "polymoe/decode/translator.h"
#include "polymoe/config/sections.h"
#include "polymoe/config/validate.h"

#include <string_view>
#include <type_traits>
#include <utility>

#include "polymoe/base/error.h"
#include "polymoe/config/merge.h"
#include "polymoe/tensor/torch_headers.h"
#include "polymoe/text/text_encoding.h"

// The public names below are those of other headers, in an inline namespace: from there on, they mean both.
namespace polymoe {
using DecodingTranslator = Translator;
using TermGlossary = Glossary;
}  // namespace polymoe

#include "polymoe/api/option_names.h"

namespace polymoe {
namespace {

// Set as if by keys of a configuration, so that the ranges and messages are the same.
DecodeOptions decode_options(const v0::SearchOptions& search) {
  DecodeOptions options;
  std::vector<Section> sections = sections_of(options);
  visit_search_options(search, [&]<typename T>(std::string_view name, const T& value) {
    std::string text;
    if constexpr (std::is_same_v<T, bool>) {
      text = value ? "always" : "never";  // protect
    } else if constexpr (std::is_enum_v<T>) {
      text = word_of(value);
    } else {
      text = fmt::format("{}", value);
    }
    set_option(sections, fmt::format("decode.{}", name), text);
  });
  validate(options);
  return options;
}

DecodingTranslator load(const std::filesystem::path& model, const v0::TranslatorOptions& options) {
  const DecodeOptions search = decode_options(options.search);
  constexpr std::int64_t kMostThreads = 4096;
  if (options.threads < 0 || options.threads > kMostThreads) {
    fail("{} threads; give 0 for as many as there are, or up to {}", options.threads, kMostThreads);
  }
  const ComputingThreads threads(options.threads > 0 ? static_cast<int>(options.threads) : at::get_num_threads());
  return DecodingTranslator::load(model, options.vocabulary, search, word_of(options.precision),
                                  word_of(options.device), options.verify ? Check::kValues : Check::kHeaders);
}

void check_texts(std::span<const std::string> texts, const char* what) {
  for (std::size_t i = 0; i < texts.size(); ++i) {
    const TextFault fault = find_text_fault(texts[i]);
    if (!fault.message.empty()) fail("{} {}: {}", what, i + 1, fault.message);
  }
}

}  // namespace

struct v0::Glossary::State {
  TermGlossary terms;
};

v0::Glossary v0::Glossary::load(const std::filesystem::path& path) {
  Glossary glossary;
  glossary.state_ = std::make_shared<State>(State{TermGlossary::load(path)});
  return glossary;
}

v0::Glossary v0::Glossary::parse(std::string_view text, const std::string& name) {
  Glossary glossary;
  glossary.state_ = std::make_shared<State>(State{TermGlossary::parse(text, name)});
  return glossary;
}

std::size_t v0::Glossary::size() const { return state_ ? state_->terms.size() : 0; }

struct v0::Translator::State {
  State(DecodingTranslator loaded, bool draws) : translator(std::move(loaded)), samples(draws) {}
  DecodingTranslator translator;
  bool samples;
};

v0::Translator::Translator(const std::filesystem::path& model, const TranslatorOptions& options)
    : state_(std::make_shared<State>(load(model, options), options.search.temperature > 0)) {}
v0::Translator::Translator() = default;
v0::Translator::~Translator() = default;
v0::Translator::Translator(Translator&&) noexcept = default;
v0::Translator& v0::Translator::operator=(Translator&&) noexcept = default;

std::vector<v0::Translation> v0::Translator::translate(std::span<const std::string> lines,
                                                       std::string_view source_language,
                                                       std::string_view target_language,
                                                       const RequestOptions& options) const {
  if (!options.prefixes.empty() && options.prefixes.size() != lines.size()) {
    fail("{} prefixes for {} lines; give one for each line, an empty one for none", options.prefixes.size(),
         lines.size());
  }
  check_texts(lines, "line");
  check_texts(options.prefixes, "prefix");
  check_texts(options.forbidden, "forbidden phrase");
  if (state_->samples && !options.glossary.empty()) {
    fail("a glossary needs beam search, but temperature asks for samples; leave one of them out");
  }
  TextDemands demands{.prefixes = options.prefixes,
                      .word_scores = options.word_scores,
                      .alignments = options.alignments,
                      .replace_unknowns = options.replace_unknowns,
                      .stop = options.stop};
  if (options.glossary.state_) demands.glossary = &options.glossary.state_->terms;
  std::shared_ptr<const ForbiddenPhrases> forbidden;
  if (!options.forbidden.empty()) {
    forbidden = state_->translator.forbid(options.forbidden, std::string(target_language));
    demands.forbidden = forbidden.get();
  }
  if (options.on_partial) {
    demands.partial = [&](const PartialText& text) {
      options.on_partial({text.sentence, text.text, text.added, text.complete});
    };
  }
  std::vector<Translation> translations(lines.size());
  const auto note_loss = [&](const LossySource& lost) {
    translations[lost.sentence].unknown_tokens = lost.unknown;
    translations[lost.sentence].read_whole = lost.read == lost.tokens;
  };
  const auto results = state_->translator.translate(lines, std::string(source_language), std::string(target_language),
                                                    {}, options.task, note_loss, demands);
  for (std::size_t i = 0; i < lines.size(); ++i) {
    for (const auto& result : results[i]) {
      translations[i].hypotheses.push_back({result.text, result.score, result.log_probability, result.cut_off,
                                            result.unmet_terms, result.keeps_placeholders, result.forbidden_phrases,
                                            result.word_scores, result.alignment});
    }
  }
  return translations;
}

v0::Translation v0::Translator::translate(const std::string& line, std::string_view source_language,
                                          std::string_view target_language, const RequestOptions& options) const {
  return std::move(translate({&line, 1}, source_language, target_language, options).front());
}

std::future<std::vector<v0::Translation>> v0::Translator::translate_async(std::vector<std::string> lines,
                                                                          std::string source_language,
                                                                          std::string target_language,
                                                                          RequestOptions options) const {
  Translator own;
  own.state_ = state_;
  return std::async(std::launch::async,
                    [own = std::move(own), lines = std::move(lines), source = std::move(source_language),
                     target = std::move(target_language),
                     options = std::move(options)] { return own.translate(lines, source, target, options); });
}

std::vector<v0::TranslationScore> v0::Translator::score(std::span<const std::string> lines,
                                                        std::span<const std::string> translations,
                                                        std::string_view source_language,
                                                        std::string_view target_language, std::string_view task,
                                                        const std::stop_token& stop) const {
  if (lines.size() != translations.size()) {
    fail("{} translations of {} lines; give one of each line", translations.size(), lines.size());
  }
  check_texts(lines, "line");
  check_texts(translations, "translation");
  std::vector<TranslationScore> scores;
  for (auto& result : state_->translator.score(lines, translations, std::string(source_language),
                                               std::string(target_language), task, {}, stop)) {
    scores.push_back({result.log_probability, result.score, std::move(result.word_scores)});
  }
  return scores;
}

bool v0::Translator::is_trained(std::string_view source_language, std::string_view target_language,
                                std::string_view task) const {
  return state_->translator.is_trained(std::string(source_language), std::string(target_language), task);
}

const std::vector<std::string>& v0::Translator::languages() const {
  return state_->translator.vocabulary().languages();
}

}  // namespace polymoe
