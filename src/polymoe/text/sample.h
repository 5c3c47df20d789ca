#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "polymoe/base/progress.h"
#include "polymoe/text/character_counts.h"
#include "polymoe/text/corpus.h"

namespace polymoe {

/// How text for a vocabulary is drawn from corpora.
struct SampleOptions {
  std::int64_t max_sentences = 200'000;  ///< over all languages
  double temperature = 2.0;  ///< languages share in proportion to size^(1/temperature), up to what they have
  std::uint64_t seed = 1;
};

struct Sample {
  std::vector<std::string> languages;                 ///< sorted
  std::map<std::string, std::uint64_t> available;     ///< sentences, by language
  std::map<std::string, std::uint64_t> taken;         ///< sentences, by language
  std::map<std::string, std::uint64_t> unlearned;     ///< sentences that no vocabulary learns from, by language; not in
                                                      ///< the others
  std::map<std::string, CharacterCounts> characters;  ///< of all sentences, by language
  std::map<std::string, CorpusReport> reports;        ///< by corpus, of those that gave no sentence or skipped lines
  std::vector<std::string> sentences;
};

/// Draws sentences without replacement from the "train" splits of `corpora`. Reads everything twice, to count and to
/// draw, and holds nothing but the sample. Sentences that no vocabulary learns from (see can_be_learned_from) are left
/// out. Throws Error as CorpusReader does, when there is no sentence, and when the second reading gives fewer, as of a
/// pipe.
Sample sample_sentences(const std::vector<CorpusSpec>& corpora, const CorpusChecks& checks,
                        const SampleOptions& options, const ProgressSink& progress = {});

/// Tells what gave no sentence, or not all: corpora, skipped lines, languages that the vocabulary is then without.
void remark_left_out(const Sample& sample, const std::vector<CorpusSpec>& corpora);

/// Splits `total` over languages in proportion to available^(1/temperature); what a language cannot fill goes to the
/// others. Exposed for its tests.
std::map<std::string, std::uint64_t> sample_quotas(const std::map<std::string, std::uint64_t>& available,
                                                   std::uint64_t total, double temperature);

}  // namespace polymoe
