#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/progress.h"
#include "checkpoint/checkpoint.h"
#include "config/options.h"
#include "data/frame.h"
#include "decode/beam_search.h"
#include "inference/decoding_model.h"
#include "text/glossary.h"
#include "text/vocabulary.h"

namespace polymoe {

/// One translation of a sentence.
struct Translation {
  std::string text;
  double score = 0.0;           ///< see Hypothesis
  bool cut_off = false;         ///< see Hypothesis
  std::size_t unmet_terms = 0;  ///< of the glossary
};

/// What is asked of translations beside their language.
struct TextDemands {
  const Glossary* glossary = nullptr;  ///< its terms are translated as it says
};

/// A sentence of which the model reads only a part: its beginning, or not the tokens that are `<unk>`.
struct LossySource {
  std::size_t sentence = 0;  ///< its place in the input
  std::size_t tokens = 0;    ///< of the whole text, without tags and end mark
  std::size_t read = 0;      ///< of them
  std::size_t unknown = 0;   ///< of `tokens`, those that are `<unk>`
};
using LossSink = std::function<void(const LossySource&)>;

/// A sentence as a search takes it.
struct SentenceWork {
  std::size_t sentence = 0;  ///< its place in the input
  std::vector<std::int32_t> source;
  Demands demands;
  std::int64_t beams = 1;
};

/// Translates text: a model, its vocabulary and beam search. Sentences are sorted by length into batches; results come
/// in the order of the input.
class Translator {
 public:
  /// Throws Error where the vocabulary is not of the model's size.
  Translator(std::shared_ptr<DecodingModel> model, Vocabulary vocabulary, const DecodeOptions& options);

  /// Loads the checkpoint (see resolve_checkpoint) and the vocabulary beside it, or `vocabulary` where it is not empty.
  /// `precision` and `device`: see load_decoding_model(); `check`: how well the checkpoint is looked at.
  static Translator load(const std::filesystem::path& checkpoint, const std::filesystem::path& vocabulary,
                         const DecodeOptions& options, const std::string& precision, const std::string& device,
                         Check check = Check::kValues);

  /// n-best translations of each sentence, or what another task makes of it: "denoising", or one of the user's naming;
  /// each is one line. An empty sentence (see Vocabulary::is_empty) stays as it is. A source of over
  /// model.max-positions tokens is cut off at its end. Of this and of `<unk>` in a source `lost` is told before
  /// anything is translated. Throws Error for an unknown language or task.
  /// Terms of a glossary that the vocabulary cannot write are told by a remark and left out.
  std::vector<std::vector<Translation>> translate(std::span<const std::string> sentences, const std::string& source,
                                                  const std::string& target, const ProgressSink& progress = {},
                                                  std::string_view task = "translation", const LossSink& lost = {},
                                                  const TextDemands& demands = {});

  /// How many translations of each sentence translate() gives from now on, up to the beam size.
  void set_n_best(std::int64_t n_best) { options_.n_best = n_best; }

  const Vocabulary& vocabulary() const { return vocabulary_; }

 private:
  void search(std::span<const SentenceWork> works, std::int32_t start, const SearchSymbols& symbols,
              std::vector<std::vector<Translation>>& results);

  std::shared_ptr<DecodingModel> model_;
  Vocabulary vocabulary_;
  SearchSymbols symbols_;  // of no frame
  DecodeOptions options_;
};

/// The end mark, the ids that no translation holds (padding, start, masks and tags), those that show nothing, and what
/// the frame of the examples has translations begin with.
SearchSymbols search_symbols(const Vocabulary& vocabulary, const Frame& frame);

}  // namespace polymoe
