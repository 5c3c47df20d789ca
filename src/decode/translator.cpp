#include "decode/translator.h"

#include <algorithm>
#include <numeric>
#include <utility>

#include "base/error.h"
#include "checkpoint/model_checkpoint.h"
#include "data/batch.h"
#include "data/task.h"
#include "nn/device.h"
#include "nn/torch_headers.h"

namespace polymoe {
namespace {

// A sentence as the model reads it, with tags and marks, cut to what the model can take; `lost` tells of what it does
// not read.
Example make_source(const Vocabulary& vocabulary, const std::string& text, const Frame& frame,
                    std::int32_t source_language, std::int64_t max_positions, LossySource& lost) {
  Example example;
  example.start = frame.start;
  example.source = frame.source_head;
  const std::size_t tags = example.source.size();
  vocabulary.encode(text, source_language, example.source);
  lost.tokens = example.source.size() - tags;
  const auto text_begin = example.source.begin() + static_cast<std::ptrdiff_t>(tags);
  lost.unknown = static_cast<std::size_t>(std::count(text_begin, example.source.end(), vocabulary.unk()));
  const std::size_t longest = static_cast<std::size_t>(max_positions) - frame.source_tail.size();
  if (example.source.size() > longest) example.source.resize(longest);
  lost.read = example.source.size() - tags;
  example.source.insert(example.source.end(), frame.source_tail.begin(), frame.source_tail.end());
  example.target = frame.target_tail;
  return example;
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

Translator::Translator(EncoderDecoder model, Vocabulary vocabulary, const DecodeOptions& options)
    : model_(std::move(model)), vocabulary_(std::move(vocabulary)), options_(options) {
  if (model_->options().vocabulary != vocabulary_.size()) {
    fail("the vocabulary has {} entries, the model {}; name the model's own with --vocab", vocabulary_.size(),
         model_->options().vocabulary);
  }
}

Translator Translator::load(const std::filesystem::path& path, const std::filesystem::path& vocabulary,
                            const DecodeOptions& options, const std::string& precision, const std::string& device,
                            Check check) {
  const std::filesystem::path folder = resolve_checkpoint(path);
  const Checkpoint checkpoint = Checkpoint::open(folder, check);
  const std::filesystem::path file = vocabulary.empty() ? vocabulary_of(folder) : vocabulary;
  check_vocabulary(checkpoint, file);
  return {load_model(checkpoint, parse_precision(precision), open_device(device)), Vocabulary::load(file), options};
}

std::vector<std::vector<Translation>> Translator::translate(std::span<const std::string> sentences,
                                                            const std::string& source, const std::string& target,
                                                            const ProgressSink& progress, std::string_view task_name,
                                                            const LossSink& lost) {
  const Task task = parse_task(task_name, vocabulary_);
  const std::int32_t source_language = vocabulary_.language_index(source);
  const Frame frame = make_frame(vocabulary_, task, source_language, vocabulary_.language_index(target));
  const SearchSymbols symbols = search_symbols(vocabulary_, frame);
  const std::int64_t max_positions = model_->options().max_positions;

  std::vector<Example> examples;
  std::vector<std::size_t> order;
  for (const std::string& sentence : sentences) {
    LossySource found{.sentence = examples.size()};
    if (!vocabulary_.is_empty(sentence)) order.push_back(examples.size());
    examples.push_back(make_source(vocabulary_, sentence, frame, source_language, max_positions, found));
    if ((found.read < found.tokens || found.unknown > 0) && lost) lost(found);
  }
  std::stable_sort(order.begin(), order.end(),
                   [&](std::size_t a, std::size_t b) { return examples[a].source.size() > examples[b].source.size(); });

  std::vector<std::vector<Translation>> results(sentences.size());
  for (std::size_t i = 0; i < results.size(); ++i) results[i].resize(1);
  Progress report{"translate", 0, order.size(), "sentences", "", false};
  for (std::size_t first = 0; first < order.size();) {
    // Sorted from long to short: the first sentence of a batch sets its width.
    const auto width = static_cast<std::int64_t>(examples[order[first]].source.size());
    const auto room = static_cast<std::size_t>(std::max<std::int64_t>(1, options_.max_tokens / width));
    const std::size_t end = std::min(order.size(), first + room);
    std::vector<Example> batch;
    for (std::size_t i = first; i < end; ++i) batch.push_back(examples[order[i]]);
    const MicroBatch rows = make_micro_batch(batch, vocabulary_.pad());
    const auto hypotheses = beam_search(*model_, make_source_input(rows, model_->projection().device()),
                                        rows.target_input, symbols, options_);
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
