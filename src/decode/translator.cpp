#include "decode/translator.h"

#include <algorithm>
#include <numeric>
#include <utility>

#include "base/error.h"
#include "checkpoint/model_checkpoint.h"
#include "data/task.h"
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

}  // namespace

SearchSymbols search_symbols(const Vocabulary& vocabulary, const Frame& frame) {
  SearchSymbols symbols;
  symbols.end = vocabulary.eos();
  symbols.forced = frame.target_head;
  for (std::int32_t id = 0; id < vocabulary.size(); ++id) {
    const bool unwanted = vocabulary.is_special(id) || id == vocabulary.unk();
    if (unwanted && id != vocabulary.eos()) symbols.forbidden.push_back(id);
  }
  return symbols;
}

Translator::Translator(std::shared_ptr<DecodingModel> model, Vocabulary vocabulary, const DecodeOptions& options)
    : model_(std::move(model)), vocabulary_(std::move(vocabulary)), options_(options) {
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
                                                            const LossSink& lost) {
  const Task task = parse_task(task_name, vocabulary_);
  const std::int32_t source_language = vocabulary_.language_index(source);
  const Frame frame = make_frame(vocabulary_, task, source_language, vocabulary_.language_index(target));
  const SearchSymbols symbols = search_symbols(vocabulary_, frame);
  const std::int64_t max_positions = model_->max_positions();

  std::vector<std::vector<std::int32_t>> sources;
  std::vector<std::size_t> order;
  for (const std::string& sentence : sentences) {
    LossySource found{.sentence = sources.size()};
    if (!vocabulary_.is_empty(sentence)) order.push_back(sources.size());
    sources.push_back(make_source(vocabulary_, sentence, frame, source_language, max_positions, found));
    if ((found.read < found.tokens || found.unknown > 0) && lost) lost(found);
  }
  std::stable_sort(order.begin(), order.end(),
                   [&](std::size_t a, std::size_t b) { return sources[a].size() > sources[b].size(); });

  std::vector<std::vector<Translation>> results(sentences.size());
  for (std::size_t i = 0; i < results.size(); ++i) results[i].resize(1);
  Progress report{"translate", 0, order.size(), "sentences", "", false};
  for (std::size_t first = 0; first < order.size();) {
    // Sorted from long to short: the first sentence of a batch sets its width.
    const auto width = static_cast<std::int64_t>(sources[order[first]].size());
    const auto room = static_cast<std::size_t>(std::max<std::int64_t>(1, options_.max_tokens / width));
    const std::size_t end = std::min(order.size(), first + room);
    std::vector<std::vector<std::int32_t>> batch;
    for (std::size_t i = first; i < end; ++i) batch.push_back(sources[order[i]]);
    const std::vector<std::int32_t> first_ids(batch.size(), frame.start);
    const auto hypotheses = beam_search(*model_, batch, first_ids, symbols, options_);
    for (std::size_t i = first; i < end; ++i) {
      auto& translations = results[order[i]];
      translations.clear();
      for (const Hypothesis& h : hypotheses[i - first])
        translations.push_back({vocabulary_.decode(h.ids), h.score, h.cut_off});
    }
    first = end;
    report.done = end;
    report.finished = end == order.size();
    if (progress) progress(report);
  }
  return results;
}

}  // namespace polymoe
