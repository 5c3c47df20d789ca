#pragma once

#include <string_view>

#include "polymoe/config/words.h"
#include "polymoe/translator.h"

/// The options of translators by name: those of a configuration's section `decode`, and how a model is loaded.
namespace polymoe {

template <>
struct Words<v0::Precision> {
  static constexpr std::string_view kAll[] = {"auto", "float32", "bfloat16", "float16", "int8", "int4"};
};
template <>
struct Words<v0::Device> {
  static constexpr std::string_view kAll[] = {"cpu", "cuda"};
};
template <>
struct Words<v0::LineSplitting> {
  static constexpr std::string_view kAll[] = {"never", "long", "always"};
};

/// Of options that are on or off, which `protect` names otherwise.
inline constexpr std::string_view kSwitchWords[] = {"false", "true", "never", "always"};

/// Calls visit(name, option) for each. `search`: SearchOptions, const or not.
template <typename Search, typename Visit>
void visit_search_options(Search& search, const Visit& visit) {
  visit("beam-size", search.beam_size);
  visit("n-best", search.n_best);
  visit("min-length", search.min_length);
  visit("length-penalty", search.length_penalty);
  visit("max-length-factor", search.max_length_factor);
  visit("max-length-offset", search.max_length_offset);
  visit("no-repeat-ngram", search.no_repeat_ngram);
  visit("repetition-penalty", search.repetition_penalty);
  visit("max-tokens", search.max_tokens);
  visit("temperature", search.temperature);
  visit("top-k", search.top_k);
  visit("top-p", search.top_p);
  visit("seed", search.seed);
  visit("protect", search.protect);
  visit("split-sentences", search.split);
}

/// The same for all.
template <typename Visit>
void visit_options(v0::TranslatorOptions& options, const Visit& visit) {
  visit("vocabulary", options.vocabulary);
  visit("precision", options.precision);
  visit("device", options.device);
  visit("threads", options.threads);
  visit("verify", options.verify);
  visit_search_options(options.search, visit);
}

}  // namespace polymoe
