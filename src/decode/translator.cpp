#include "decode/translator.h"

#include <algorithm>
#include <numeric>
#include <utility>

#include "base/error.h"
#include "base/quote.h"
#include "base/utf8.h"
#include "checkpoint/model_checkpoint.h"
#include "data/task.h"
#include "decode/phrase_forms.h"
#include "inference/load.h"
#include "nn/torch_headers.h"

namespace polymoe {
namespace {

// A sentence as the model reads it, with tags and marks, cut to what the model can take; `lost` tells of what it does
// not read.
std::vector<std::int32_t> make_source(const Vocabulary& vocabulary, const std::string& text, const Frame& frame,
                                      std::int32_t source_language, std::int64_t max_positions, LossySource& lost) {
  std::vector<std::int32_t> ids = frame.source_head;
  const std::size_t tags = ids.size();
  vocabulary.encode(text, source_language, ids);
  lost.tokens = ids.size() - tags;
  const auto text_begin = ids.begin() + static_cast<std::ptrdiff_t>(tags);
  lost.unknown = static_cast<std::size_t>(std::count(text_begin, ids.end(), vocabulary.unk()));
  const std::size_t longest = static_cast<std::size_t>(max_positions) - frame.source_tail.size();
  if (ids.size() > longest) ids.resize(longest);
  lost.read = ids.size() - tags;
  ids.insert(ids.end(), frame.source_tail.begin(), frame.source_tail.end());
  return ids;
}

// Works are sorted by beam, then from long to short: the first one of a batch sets its width. Hypotheses beyond
// decode.beam-size take the room of sentences.
std::size_t end_of_batch(const std::vector<SentenceWork>& works, std::size_t first, const DecodeOptions& options) {
  const auto width = static_cast<std::int64_t>(works[first].source.size());
  const std::int64_t beams = works[first].beams;
  const auto room =
      static_cast<std::size_t>(std::max<std::int64_t>(1, options.max_tokens * options.beam_size / (width * beams)));
  std::size_t end = first;
  while (end < works.size() && end - first < room && works[end].beams == beams) ++end;
  return end;
}

}  // namespace

SearchSymbols search_symbols(const Vocabulary& vocabulary, const Frame& frame) {
  SearchSymbols symbols;
  symbols.end = vocabulary.eos();
  symbols.forced = frame.target_head;
  for (std::int32_t id = 0; id < vocabulary.size(); ++id) {
    const bool unwanted = vocabulary.is_special(id) || id == vocabulary.unk();
    if (unwanted && id != vocabulary.eos()) symbols.forbidden.push_back(id);
    if (!unwanted && shows_nothing(vocabulary.decode({id}))) symbols.blank.push_back(id);
  }
  return symbols;
}

Translator::Translator(std::shared_ptr<DecodingModel> model, Vocabulary vocabulary, const DecodeOptions& options)
    : model_(std::move(model)),
      vocabulary_(std::move(vocabulary)),
      symbols_(search_symbols(vocabulary_, {})),
      options_(options) {
  if (model_->vocabulary() != vocabulary_.size()) {
    fail("the vocabulary has {} entries, the model {}; name the model's own with --vocab", vocabulary_.size(),
         model_->vocabulary());
  }
}

Translator Translator::load(const std::filesystem::path& path, const std::filesystem::path& vocabulary,
                            const DecodeOptions& options, const std::string& precision, const std::string& device,
                            Check check) {
  const std::filesystem::path folder = resolve_checkpoint(path);
  const Checkpoint checkpoint = Checkpoint::open(folder, check);
  const std::filesystem::path file = vocabulary.empty() ? vocabulary_of(folder) : vocabulary;
  check_vocabulary(checkpoint, file);
  return {load_decoding_model(checkpoint, precision, device), Vocabulary::load(file), options};
}

std::vector<std::vector<Translation>> Translator::translate(std::span<const std::string> sentences,
                                                            const std::string& source, const std::string& target,
                                                            const ProgressSink& progress, std::string_view task_name,
                                                            const LossSink& lost, const TextDemands& demands) {
  const Task task = parse_task(task_name, vocabulary_);
  const std::int32_t source_language = vocabulary_.language_index(source);
  const std::int32_t target_language = vocabulary_.language_index(target);
  const Frame frame = make_frame(vocabulary_, task, source_language, target_language);
  SearchSymbols symbols = symbols_;
  symbols.forced = frame.target_head;
  const std::int64_t max_positions = model_->max_positions();

  std::vector<SentenceWork> works;
  for (std::size_t i = 0; i < sentences.size(); ++i) {
    if (vocabulary_.is_empty(sentences[i])) continue;
    LossySource found{.sentence = i};
    SentenceWork work{.sentence = i, .source = {}, .demands = {}};
    work.source = make_source(vocabulary_, sentences[i], frame, source_language, max_positions, found);
    if ((found.read < found.tokens || found.unknown > 0) && lost) lost(found);
    if (demands.glossary != nullptr) {
      work.demands.phrases = phrases_of(*demands.glossary, sentences[i], vocabulary_, target_language);
    }
    work.beams = beams_with_phrases(work.demands.phrases, options_.beam_size);
    works.push_back(std::move(work));
  }
  std::stable_sort(works.begin(), works.end(), [](const SentenceWork& a, const SentenceWork& b) {
    return a.beams != b.beams ? a.beams > b.beams : a.source.size() > b.source.size();
  });

  std::vector<std::vector<Translation>> results(sentences.size());
  for (std::size_t i = 0; i < results.size(); ++i) results[i].push_back({.text = sentences[i]});
  Progress report{"translate", 0, works.size(), "sentences", "", false};
  for (std::size_t first = 0; first < works.size();) {
    const std::size_t end = end_of_batch(works, first, options_);
    search(std::span(works).subspan(first, end - first), frame.start, symbols, results);
    first = end;
    report.done = end;
    report.finished = end == works.size();
    if (progress) progress(report);
  }
  return results;
}

void Translator::search(std::span<const SentenceWork> works, std::int32_t start, const SearchSymbols& symbols,
                        std::vector<std::vector<Translation>>& results) {
  std::vector<std::vector<std::int32_t>> sources;
  std::vector<Demands> demands;
  for (const SentenceWork& work : works) {
    sources.push_back(work.source);
    demands.push_back(work.demands);
  }
  DecodeOptions options = options_;
  options.beam_size = works.front().beams;
  const std::vector<std::int32_t> first_ids(sources.size(), start);
  const auto hypotheses = beam_search(*model_, sources, first_ids, symbols, options, {}, demands);
  for (std::size_t i = 0; i < works.size(); ++i) {
    std::vector<Translation>& translations = results[works[i].sentence];
    translations.clear();
    for (const Hypothesis& h : hypotheses[i]) {
      translations.push_back({one_line(vocabulary_.decode(h.ids)), h.score, h.cut_off, h.unmet});
    }
  }
}

}  // namespace polymoe
