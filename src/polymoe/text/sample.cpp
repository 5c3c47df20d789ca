#include "polymoe/text/sample.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <set>

#include "polymoe/base/random.h"
#include "polymoe/base/remarks.h"
#include "polymoe/text/vocabulary.h"

namespace polymoe {
namespace {

using Counts = std::map<std::string, std::uint64_t>;

/// Calls `visit(language, sentence)` for every sentence of the train splits.
std::map<std::string, CorpusReport> for_each_sentence(
    const std::vector<CorpusSpec>& corpora, const CorpusChecks& checks, const std::string& stage,
    const ProgressSink& progress, const std::function<void(const std::string&, std::string&)>& visit) {
  std::map<std::string, CorpusReport> reports;
  constexpr std::uint64_t kProgressLines = 4096;
  Progress state{stage, 0, 0, "lines", "", false};
  std::vector<std::string> segments;
  for (const CorpusSpec& corpus : corpora) {
    if (corpus.split != "train") continue;
    CorpusReader reader(corpus, checks);
    while (reader.next(segments)) {
      for (std::size_t i = 0; i < segments.size(); ++i) {
        if (!segments[i].empty()) visit(reader.languages()[i], segments[i]);
      }
      if (++state.done % kProgressLines == 0 && progress) progress(state);
    }
    if (reader.report().skipped() > 0 || reader.report().kept == 0) reports[corpus.name] = reader.report();
  }
  state.finished = true;
  if (progress) progress(state);
  return reports;
}

}  // namespace

Counts sample_quotas(const Counts& available, std::uint64_t total, double temperature) {
  Counts quotas;
  Counts open = available;  // languages that can still take more than their share
  std::uint64_t left = total;
  for (;;) {
    double weight = 0;
    for (const auto& [language, count] : open) weight += std::pow(static_cast<double>(count), 1.0 / temperature);
    const auto share = [&](std::uint64_t count) {
      return static_cast<std::uint64_t>(static_cast<double>(left) *
                                        std::pow(static_cast<double>(count), 1.0 / temperature) / weight);
    };
    Counts full;
    for (const auto& [language, count] : open) {
      if (share(count) >= count) full[language] = count;
    }
    if (full.empty()) {
      for (const auto& [language, count] : open) quotas[language] = share(count);
      return quotas;
    }
    for (const auto& [language, count] : full) {
      quotas[language] = count;
      left -= count;
      open.erase(language);
    }
  }
}

Sample sample_sentences(const std::vector<CorpusSpec>& corpora, const CorpusChecks& checks,
                        const SampleOptions& options, const ProgressSink& progress) {
  Sample sample;
  sample.reports = for_each_sentence(corpora, checks, "count", progress,
                                     [&](const std::string& language, const std::string& sentence) {
                                       const bool learnable = can_be_learned_from(sentence);
                                       sample.available[language] += learnable ? 1 : 0;
                                       sample.unlearned[language] += learnable ? 0 : 1;
                                       sample.characters[language].add(sentence);
                                     });
  const bool any = std::any_of(sample.available.begin(), sample.available.end(),
                               [](const auto& language) { return language.second > 0; });
  if (!any) {
    throw Error("the corpora hold no sentence in a split named 'train'", {},
                "give at least one corpus with text to learn from");
  }
  sample.taken =
      sample_quotas(sample.available, static_cast<std::uint64_t>(options.max_sentences), options.temperature);

  // Selection sampling (Knuth, The Art of Computer Programming, volume 2, algorithm 3.4.2S): each sentence is taken
  // with probability (still wanted) / (still to come), which gives exactly the quota, all subsets equally likely.
  Counts seen, chosen;
  for_each_sentence(corpora, checks, "sample", progress, [&](const std::string& language, std::string& sentence) {
    if (!can_be_learned_from(sentence)) return;
    const RandomStream random(options.seed, fnv1a("vocabulary sample"), fnv1a(language));
    const std::uint64_t index = seen[language]++;
    const std::uint64_t available = sample.available[language];
    if (index >= available) return;  // the file grew since it was counted
    if (random.below(index, available - index) < sample.taken[language] - chosen[language]) {
      ++chosen[language];
      sample.sentences.push_back(std::move(sentence));
    }
  });
  for (const auto& [language, count] : sample.available) {
    if (chosen[language] < sample.taken[language]) {
      throw Error(
          fmt::format("the text of {} cannot be read twice: it gives fewer sentences the second time", language), {},
          "give files, not pipes, that nothing writes meanwhile");
    }
    sample.languages.push_back(language);
  }
  return sample;
}

void remark_left_out(const Sample& sample, const std::vector<CorpusSpec>& corpora) {
  std::set<std::string> told;
  for (const CorpusSpec& corpus : corpora) {
    const Where where{corpus.files.empty() ? "" : corpus.files.front(), 0};
    const auto report = corpus.split == "train" ? sample.reports.find(corpus.name) : sample.reports.end();
    if (report != sample.reports.end() && report->second.kept == 0) {
      remark(fmt::format("{} train gives no sentence ({})", corpus.name, report->second.summary()), where,
             "is it the right file? leave it out, or mend its lines");
    } else if (report != sample.reports.end()) {
      remark(fmt::format("{} train: {}", corpus.name, report->second.summary()));
    }
    for (const std::string& language : corpus.languages) {
      if (sample.available.contains(language) || !told.insert(language).second) continue;
      remark(fmt::format("no train split holds a sentence of '{}', so that the vocabulary is without this language",
                         language),
             where, "name a corpus of it with the split train");
    }
  }
  for (const auto& [language, count] : sample.unlearned) {
    if (count == 0) continue;
    remark(
        fmt::format("{} sentences of {} are not learned from: they hold U+2585, which SentencePiece keeps for itself",
                    count, language));
  }
}

}  // namespace polymoe
