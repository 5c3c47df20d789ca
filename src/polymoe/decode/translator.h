#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <mutex>
#include <span>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "polymoe/base/progress.h"
#include "polymoe/checkpoint/checkpoint.h"
#include "polymoe/config/decode_options.h"
#include "polymoe/data/frame.h"
#include "polymoe/decode/alignment.h"
#include "polymoe/decode/batches.h"
#include "polymoe/decode/beam_search.h"
#include "polymoe/decode/phrase_forms.h"
#include "polymoe/decode/text_stream.h"
#include "polymoe/decode/written_text.h"
#include "polymoe/inference/decoding_model.h"
#include "polymoe/text/glossary.h"
#include "polymoe/text/vocabulary.h"

namespace polymoe {

struct DataOptions;

/// One translation of a sentence.
struct Translation {
  std::string text;
  double score = 0.0;                    ///< see Hypothesis
  bool cut_off = false;                  ///< see Hypothesis
  std::size_t unmet_terms = 0;           ///< of the glossary
  bool keeps_placeholders = true;        ///< those of the source, where that was asked for
  std::size_t forbidden_phrases = 0;     ///< that it holds all the same
  std::vector<double> word_scores = {};  ///< where asked for: log probability of each word and of the end mark
  WordAlignment alignment = {};          ///< where asked for
  std::size_t copied = 0;                ///< unknown tokens that are copies of the source's, where asked for
  double log_probability = 0.0;          ///< of all its tokens
  std::size_t tokens = 0;                ///< the end mark and forced ids counted
};

/// What is asked of translations beside their language.
struct TextDemands {
  const Glossary* glossary = nullptr;           ///< its terms are translated as it says
  const ForbiddenPhrases* forbidden = nullptr;  ///< what translations do not hold, see Translator::forbid()
  std::span<const std::string> prefixes = {};   ///< for each sentence what its translations begin with; or empty.
                                                ///< An empty sentence has no use for one
  std::uint64_t first_number = 0;               ///< number of the first sentence; samples depend on it
  bool of_document = false;                     ///< for decode.protect
  bool word_scores = false;                     ///< whether they are wanted
  bool alignments = false;                      ///< whether they are wanted; the model must give attention
  bool replace_unknowns = false;                ///< `<unk>` may be written and becomes a text of the source; likewise
  PartialSink partial = {};                     ///< told of translations while they are made, by one thread at a time
  std::stop_token stop = {};                    ///< where it asks to stop, Cancelled is thrown within a step
};

/// A sentence of which the model may leave something out: it reads its beginning only, or not the tokens that are
/// `<unk>`, or at once more of it than it learned to read.
struct LossySource {
  std::size_t sentence = 0;  ///< its place in the input
  std::size_t tokens = 0;    ///< of the whole text, without tags and end mark
  std::size_t read = 0;      ///< of them
  std::size_t unknown = 0;   ///< of `tokens`, those that are `<unk>`
  std::size_t trained = 0;   ///< where a part of more tokens is translated than training had: how many that were
};
using LossSink = std::function<void(const LossySource&)>;

/// A sentence, or a part of a text, as a search takes it.
struct SentenceWork {
  std::string text;
  std::size_t sentence = 0;  ///< its place in the input
  std::size_t part = 0;      ///< which of the sentence's
  std::vector<std::int32_t> source = {};
  Demands demands = {};
  GivenPrefix prefix = {};                 ///< whose ids `demands` have, too
  std::vector<std::string> literals = {};  ///< of the phrases that are placeholders, their texts; "" for terms
  std::size_t unwritable_terms = 0;        ///< of the glossary: no translation can hold them
  bool protects = false;                   ///< whether placeholders are to be kept
  const TextDemands* asked = nullptr;      ///< lives as long as the work
  std::size_t first_text = 0;              ///< of `source`, where the tokens of the text begin
  std::size_t text_tokens = 0;             ///< their number
  std::int32_t language = 0;               ///< of the source
  bool is_attempt = false;                 ///< its translations count only where they hold what they should
  std::int64_t beams = 1;
  std::vector<Translation> translations = {};
};

/// What a translation that is there already scores.
struct TargetScore {
  double log_probability = 0.0;          ///< of all tokens, the end mark too
  double score = 0.0;                    ///< the same over length^length-penalty, as translations have it
  std::size_t tokens = 0;                ///< the end mark and forced ids counted
  std::vector<double> word_scores = {};  ///< log probability of each word and of the end mark
};

/// How errors name the texts that are scored: as files of lines.
struct TextNames {
  std::string sources = "the lines";
  std::string targets = "the translations";
};

/// Translates text: a model, its vocabulary and beam search. Sentences are sorted by length into batches; results come
/// in the order of the input. Its const methods may be called from several threads at once.
class Translator {
 public:
  /// `trained_length`: tokens of the longest examples that the model was trained on, tags and marks counted; 0: as many
  /// as it can read. Throws Error where the vocabulary is not of the model's size.
  Translator(std::shared_ptr<DecodingModel> model, Vocabulary vocabulary, const DecodeOptions& options,
             std::int64_t trained_length = 0);

  /// Loads the checkpoint (see resolve_checkpoint) and the vocabulary beside it, or `vocabulary` where it is not empty.
  /// `precision` and `device`: see load_decoding_model(); `check`: how well the checkpoint is looked at.
  static Translator load(const std::filesystem::path& checkpoint, const std::filesystem::path& vocabulary,
                         const DecodeOptions& options, const std::string& precision, const std::string& device,
                         Check check = Check::kValues);

  /// n-best translations of each sentence, or what another task makes of it: "denoising", or one of the user's naming;
  /// each is one line. An empty sentence (see Vocabulary::is_empty) stays as it is. A source that is longer
  /// than the examples of training is translated in parts, or where decode.split-sentences is never cut off behind
  /// model.max-positions. Of what may be lost by that and of `<unk>` in a source `lost` is told before anything is
  /// translated. Throws Error for an unknown language or task.
  /// Terms of a glossary that the vocabulary cannot write are told by a remark and left out.
  /// `demands.partial` is told of a sentence with terms or placeholders to hold when its translation is complete, of
  /// others as far as all hypotheses agree.
  std::vector<std::vector<Translation>> translate(std::span<const std::string> sentences, const std::string& source,
                                                  const std::string& target, const ProgressSink& progress = {},
                                                  std::string_view task = "translation", const LossSink& lost = {},
                                                  const TextDemands& demands = {}) const;

  /// Phrases that translations into `target` shall not hold, for TextDemands, which may use them while the translator
  /// is there. Terms of a glossary, placeholders and prefixes are written all the same. Throws Error for an unknown
  /// language and for a phrase that shows nothing.
  std::shared_ptr<const ForbiddenPhrases> forbid(std::span<const std::string> phrases, const std::string& target) const;

  /// Scores translations that are there: `targets` of `sentences`, by forced decoding. Throws Error where a side is
  /// longer than the model reads (`where` has the name and the line), and as translate() does; Cancelled where `stop`
  /// asks to stop, within a batch.
  std::vector<TargetScore> score(std::span<const std::string> sentences, std::span<const std::string> targets,
                                 const std::string& source, const std::string& target,
                                 std::string_view task = "translation", const TextNames& names = {},
                                 const std::stop_token& stop = {}) const;

  /// A direction by the vocabulary's own names of its languages. Throws Error for an unknown one.
  Direction direction(const std::string& source, const std::string& target) const;

  /// Those of the directions, by the vocabulary's names, in which the model can have been trained for a task, as far as
  /// is known (see data/trained.h). Models that are made of others' weights count as trained for all.
  std::vector<Direction> trained_directions(const std::vector<Direction>& directions,
                                            std::string_view task = "translation") const;
  /// The same of one direction. Throws Error for an unknown language or task.
  bool is_trained(const std::string& source, const std::string& target, std::string_view task = "translation") const;

  /// How many translations of each sentence translate() gives from now on, up to the beam size.
  void set_n_best(std::int64_t n_best) { options_.n_best = n_best; }

  const Vocabulary& vocabulary() const { return vocabulary_; }

 private:
  /// Tokens of a text that are translated at once.
  std::size_t longest_part(const Frame& frame) const;
  /// Tokens that the model can write, without the end mark.
  std::size_t longest_target(const Frame& frame) const;
  std::vector<std::string> parts_of(const std::string& text, std::int32_t language, const Frame& frame) const;
  void make_demands(SentenceWork& work, const TextDemands& demands, std::int32_t language) const;
  const SignPieces& sign_pieces() const;
  std::vector<SentenceWork> works_of(const std::string& sentence, std::int32_t source_language,
                                     std::int32_t target_language, const Frame& frame, const TextDemands& demands,
                                     LossySource& lost) const;
  void search_all(std::vector<SentenceWork*>& works, const Frame& frame, const ProgressSink& progress,
                  TextStream& stream, const std::stop_token& stop) const;
  void attend(std::span<SentenceWork* const> works, const std::vector<std::vector<Hypothesis>>& hypotheses,
              std::int32_t start, const SearchSymbols& symbols) const;
  void take_attention(const SentenceWork& work, Translation& translation, const Hypothesis& hypothesis,
                      const AttentionRows& attention) const;
  void check_text(Translation& translation, const SentenceWork& work) const;
  /// The alignments of the parts' translations of one rank, or of the last rank that a part has, as that of the whole.
  static WordAlignment join_alignments(std::span<const SentenceWork> parts, std::size_t rank);
  /// The scores of the parts' words likewise; the end marks of all parts are the last.
  static std::vector<double> join_word_scores(std::span<const SentenceWork> parts, std::size_t rank);
  const std::vector<std::u32string>& pieces() const;
  void search(std::span<SentenceWork* const> works, std::int32_t start, const SearchSymbols& symbols,
              TextStream& stream, const std::stop_token& stop) const;
  Translation translation_of(const Hypothesis& hypothesis, const SentenceWork& work,
                             const SearchSymbols& symbols) const;
  Translation join(std::span<const SentenceWork> parts, std::size_t rank) const;

  struct LazySignPieces {
    std::once_flag found;
    SignPieces pieces;
  };
  struct LazyPieceTexts {
    std::once_flag found;
    std::vector<std::u32string> texts;
  };

  std::shared_ptr<DecodingModel> model_;
  std::unique_ptr<BatchRunner> runner_;
  Vocabulary vocabulary_;
  SearchSymbols symbols_;  // of no frame
  std::int64_t trained_length_ = 0;
  std::shared_ptr<const DataOptions> trained_on_;  // of the run that wrote the checkpoint; null where that is not known
  DecodeOptions options_;
  std::unique_ptr<LazySignPieces> sign_pieces_;  // empty until a placeholder is met
  std::unique_ptr<LazyPieceTexts> piece_texts_;  // empty until something needs them
};

/// The end mark, the ids that no translation holds (padding, start, masks and tags), those that show nothing, and what
/// the frame of the examples has translations begin with.
SearchSymbols search_symbols(const Vocabulary& vocabulary, const Frame& frame);

}  // namespace polymoe
