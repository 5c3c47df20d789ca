#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <future>
#include <memory>
#include <span>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "polymoe/cancelled.h"
#include "polymoe/errors.h"

namespace polymoe {
inline namespace v0 {

/// The number format of a model's weights. kAuto: int8 or int4 where the checkpoint has it, else float32. kInt8 is for
/// the CPU: a quarter of the memory and the fastest. kInt4 is kInt8 with the experts at half that size, for models that
/// have some. What has int8 or int4 in the checkpoint keeps it.
enum class Precision { kAuto, kFloat32, kBFloat16, kFloat16, kInt8, kInt4 };

/// Where a model computes.
enum class Device { kCpu, kCuda };

/// Which lines are translated sentence by sentence and joined again.
enum class LineSplitting {
  kNever,  ///< of a line that is longer than the model reads, only the beginning is translated
  kLong,   ///< those that are longer than the examples of training
  kAlways,
};

/// How translations are searched for; the defaults are those of `polymoe translate`. docs/configuration.md has the
/// ranges, under `decode`.
struct SearchOptions {
  std::int64_t beam_size = 4;           ///< hypotheses kept for each sentence; 1: greedy
  std::int64_t n_best = 1;              ///< translations of each line, at most beam_size
  std::int64_t min_length = 1;          ///< tokens of a translation at least, those that show nothing not counted
  double length_penalty = 1.0;          ///< a score is the log probability / length^length_penalty
  double max_length_factor = 2.0;       ///< a translation is at most this times its source long, in tokens, and
  std::int64_t max_length_offset = 20;  ///< so many tokens more
  std::int64_t no_repeat_ngram = 4;     ///< no n tokens come twice, unless the source has them; 0: they may
  double repetition_penalty = 1.0;      ///< log probabilities of tokens that are there already, times this; 1: as is
  std::int64_t max_tokens = 4096;       ///< source tokens of a batch, padding included: more is faster and takes memory
  double temperature = 0.0;             ///< above 0, n_best samples are drawn, log probabilities divided by it
  std::int64_t top_k = 0;               ///< samples: only this many of the likeliest tokens are drawn; 0: all
  double top_p = 1.0;                   ///< samples: only the likeliest tokens that have this probability together
  std::int64_t seed = 1;                ///< samples depend on it, on the line and on its number in the call alone
  bool protect = false;                 ///< %s, {name}, tags and addresses come once each, as they are; not in samples
  LineSplitting split = LineSplitting::kLong;
};

/// How a model is loaded, and how it translates.
struct TranslatorOptions {
  std::filesystem::path vocabulary = {};  ///< empty: the one that lies beside the checkpoint
  Precision precision = Precision::kAuto;
  Device device = Device::kCpu;
  std::int64_t threads = 0;  ///< for computing, of all calls together; 0: as many as LibTorch has, which is one a core
  bool verify = true;        ///< check the checkpoint's bytes against its checksums
  SearchOptions search = {};
};

/// Terms with the translations that are to be used for them: lines of `source TAB target`, with more targets behind
/// more tabs where any of them will do. docs/decoding.md tells how terms are found. Copies share what they hold.
class Glossary {
 public:
  /// No terms.
  Glossary() = default;

  /// Both throw Error, with the line, for what is no glossary. `name` stands for a path in messages.
  static Glossary load(const std::filesystem::path& path);
  static Glossary parse(std::string_view text, const std::string& name = "glossary");

  /// Number of different terms.
  std::size_t size() const;
  bool empty() const { return size() == 0; }

 private:
  friend class Translator;
  struct State;
  std::shared_ptr<const State> state_;
};

/// As much of the best translation of a line as is known while it is made.
struct PartialTranslation {
  std::size_t line = 0;    ///< its place among the lines of the call
  std::string_view text;   ///< begins with what was told before; valid during the call
  std::string_view added;  ///< the end of `text` that was not told before
  bool complete = false;   ///< nothing more comes for this line
};

/// What is asked of one call.
struct RequestOptions {
  std::string task = "translation";         ///< or "denoising", or another that the model was trained for
  std::vector<std::string> prefixes = {};   ///< what the translations of each line begin with; or none. Lines without
                                            ///< visible text stay as they are
  Glossary glossary = {};                   ///< not for samples
  std::vector<std::string> forbidden = {};  ///< phrases that no translation holds as whole words; those in small
                                            ///< letters are meant in any case, others as they are written
  bool word_scores = false;                 ///< whether they are wanted
  bool alignments =
      false;  ///< whether they are wanted; not on a GPU, in float16, and where experts choose their tokens
  bool replace_unknowns = false;  ///< unknown pieces may be written and are copied from the source; likewise
  std::stop_token stop = {};      ///< where it asks to stop, Cancelled is thrown within one step of the search
  /// Told of translations while they are made, by one thread of the library at a time. With beam size 1 and with one
  /// sample, text comes token by token; with more hypotheses as far as all of them agree, often late; for lines with
  /// terms of a glossary or placeholders to protect only when it is complete. What it throws ends the call and is
  /// thrown by it. It must not call the translator.
  std::function<void(const PartialTranslation&)> on_partial = {};
};

/// One translation of a line, or what another task makes of it.
struct Hypothesis {
  std::string text;
  double score = 0.0;                 ///< log probability / length^length_penalty, end mark counted
  double log_probability = 0.0;       ///< of all its tokens and the end mark
  bool cut_off = false;               ///< it does not end by itself: it reached the greatest length
  std::size_t unmet_terms = 0;        ///< terms of the glossary that it lacks
  bool keeps_placeholders = true;     ///< those of the line, where SearchOptions::protect asks for it
  std::size_t forbidden_phrases = 0;  ///< that it holds all the same: a term, a prefix or a placeholder asked for them
  std::vector<double> word_scores = {};  ///< where asked for: log probability of each word and of the end mark
  /// Where asked for: how much each word attends to each word of the line, [words][words of the line]; words are what
  /// spaces divide. What a row lacks to 1 went to what is no text.
  std::vector<std::vector<float>> alignment = {};
};

/// What came of one line.
struct Translation {
  std::vector<Hypothesis> hypotheses;  ///< best first; at least one. A line without visible text stays as it is
  std::size_t unknown_tokens = 0;      ///< of the line, those that the vocabulary does not know
  bool read_whole = true;              ///< else the model read only its beginning (LineSplitting::kNever)

  const std::string& text() const { return hypotheses.front().text; }
};

/// What the model thinks of a translation that is there already.
struct TranslationScore {
  double log_probability = 0.0;          ///< of all its tokens and the end mark
  double score = 0.0;                    ///< log probability / length^length_penalty, as in Hypothesis
  std::vector<double> word_scores = {};  ///< log probability of each word and of the end mark
};

/// A model that translates: its weights, its vocabulary, and beam search.
///
///     polymoe::Translator translator("run");
///     std::cout << translator.translate("Open the file.", "en", "de").text() << '\n';
///
/// Several threads may use a translator at the same time, and get what one alone would get. Their batches share the
/// TranslatorOptions::threads; models on a GPU, in float16, and those whose experts choose their tokens work on one
/// batch at a time. It must not be moved or destroyed while a call other than an asynchronous one is under way.
class Translator {
 public:
  /// Loads a run's folder (its best checkpoint, or else the newest) or a checkpoint. Throws Error where there is none,
  /// where it is damaged, and for options out of range.
  explicit Translator(const std::filesystem::path& model, const TranslatorOptions& options = {});
  ~Translator();
  Translator(Translator&&) noexcept;
  Translator& operator=(Translator&&) noexcept;

  /// Translates lines of UTF-8, a sentence each, into one result each, in their order. They are sorted by length into
  /// batches, so many lines at once are faster than one after another. Throws Error for an unknown language or task,
  /// for text that is not UTF-8 or holds NUL bytes, and for a prefix of more tokens than the model writes; and
  /// Cancelled. The translator can be used on.
  std::vector<Translation> translate(std::span<const std::string> lines, std::string_view source_language,
                                     std::string_view target_language, const RequestOptions& options = {}) const;
  /// The same for one line.
  Translation translate(const std::string& line, std::string_view source_language, std::string_view target_language,
                        const RequestOptions& options = {}) const;
  /// The same on a thread of its own. The future's destructor waits for it, as that of std::async does: ask it to stop
  /// before, where the result is not wanted any more. The translator may be destroyed.
  std::future<std::vector<Translation>> translate_async(std::vector<std::string> lines, std::string source_language,
                                                        std::string target_language, RequestOptions options = {}) const;

  /// Scores one translation of each line, by forced decoding. Throws Error as translate() does, and where a side is
  /// longer than the model reads; Cancelled where `stop` asks to stop, within one batch.
  std::vector<TranslationScore> score(std::span<const std::string> lines, std::span<const std::string> translations,
                                      std::string_view source_language, std::string_view target_language,
                                      std::string_view task = "translation", const std::stop_token& stop = {}) const;

  /// Whether the model was trained for a task in a direction, as far as is known: what it writes otherwise may be of
  /// little use. Throws Error for an unknown language or task.
  bool is_trained(std::string_view source_language, std::string_view target_language,
                  std::string_view task = "translation") const;

  /// The codes of the languages that the model has tags for, see is_trained().
  const std::vector<std::string>& languages() const;

 private:
  struct State;
  Translator();
  std::shared_ptr<const State> state_;
};

}  // namespace v0
}  // namespace polymoe
