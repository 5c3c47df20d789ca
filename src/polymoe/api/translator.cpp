#include "polymoe/decode/translator.h"

#include <utility>

#include "polymoe/config/merge.h"
#include "polymoe/config/words.h"
#include "polymoe/tensor/torch_headers.h"

// The public names below are those of decode/translator.h, in an inline namespace: from there on, they mean both.
namespace polymoe {
using DecodingTranslator = Translator;
}  // namespace polymoe

#include "polymoe/translator.h"

namespace polymoe {

template <>
struct Words<v0::Precision> {
  static constexpr std::string_view kAll[] = {"float32", "bfloat16", "float16", "int8"};
};
template <>
struct Words<v0::Device> {
  static constexpr std::string_view kAll[] = {"cpu", "cuda"};
};

namespace {

// Set as if by keys of a configuration, so that the ranges and messages are the same.
DecodeOptions decode_options(const v0::SearchOptions& search) {
  DecodeOptions options;
  std::vector<Section> sections = sections_of(options);
  const auto set = [&](const std::string& key, auto value) {
    set_option(sections, "decode." + key, fmt::format("{}", value));
  };
  set("beam-size", search.beam_size);
  set("n-best", search.n_best);
  set("length-penalty", search.length_penalty);
  set("max-length-factor", search.max_length_factor);
  set("max-length-offset", search.max_length_offset);
  set("no-repeat-ngram", search.no_repeat_ngram);
  set("repetition-penalty", search.repetition_penalty);
  set("max-tokens", search.max_tokens);
  validate(options);
  return options;
}

DecodingTranslator load(const std::filesystem::path& model, const v0::TranslatorOptions& options) {
  const DecodeOptions search = decode_options(options.search);
  if (options.threads < 0) fail("{} threads; give 0 for as many as there are, or more", options.threads);
  if (options.threads > 0) at::set_num_threads(static_cast<int>(options.threads));
  return DecodingTranslator::load(model, options.vocabulary, search, word_of(options.precision),
                                  word_of(options.device), options.verify ? Check::kValues : Check::kHeaders);
}

}  // namespace

struct v0::Translator::State {
  explicit State(DecodingTranslator loaded) : translator(std::move(loaded)) {}
  DecodingTranslator translator;
};

v0::Translator::Translator(const std::filesystem::path& model, const TranslatorOptions& options)
    : state_(std::make_unique<State>(load(model, options))) {}
v0::Translator::~Translator() = default;
v0::Translator::Translator(Translator&&) noexcept = default;
v0::Translator& v0::Translator::operator=(Translator&&) noexcept = default;

std::vector<v0::Translation> v0::Translator::translate(std::span<const std::string> lines,
                                                       std::string_view source_language,
                                                       std::string_view target_language, std::string_view task) {
  std::vector<Translation> translations(lines.size());
  const auto note_loss = [&](const LossySource& lost) { translations[lost.sentence].unknown_tokens = lost.unknown; };
  const auto results = state_->translator.translate(lines, std::string(source_language), std::string(target_language),
                                                    {}, task, note_loss);
  for (std::size_t i = 0; i < lines.size(); ++i) {
    for (const auto& result : results[i]) {
      translations[i].hypotheses.push_back({result.text, result.score, result.cut_off});
    }
  }
  return translations;
}

v0::Translation v0::Translator::translate(const std::string& line, std::string_view source_language,
                                          std::string_view target_language, std::string_view task) {
  return std::move(translate({&line, 1}, source_language, target_language, task).front());
}

const std::vector<std::string>& v0::Translator::languages() const {
  return state_->translator.vocabulary().languages();
}

}  // namespace polymoe
