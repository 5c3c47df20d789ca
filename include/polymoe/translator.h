#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "polymoe/errors.h"

namespace polymoe {
inline namespace v0 {

/// The number format of a model's weights. kInt8 is for the CPU: a quarter of the memory and the fastest.
enum class Precision { kFloat32, kBFloat16, kFloat16, kInt8 };

/// Where a model computes.
enum class Device { kCpu, kCuda };

/// How translations are searched for; the defaults are those of `polymoe translate`. docs/configuration.md has the
/// ranges, under `decode`.
struct SearchOptions {
  std::int64_t beam_size = 4;           ///< hypotheses kept for each sentence; 1: greedy
  std::int64_t n_best = 1;              ///< translations of each line, at most beam_size
  double length_penalty = 1.0;          ///< a score is the log probability / length^length_penalty
  double max_length_factor = 2.0;       ///< a translation is at most this times its source long, in tokens, and
  std::int64_t max_length_offset = 20;  ///< so many tokens more
  std::int64_t no_repeat_ngram = 4;     ///< no n tokens come twice, unless the source has them; 0: they may
  double repetition_penalty = 1.0;      ///< log probabilities of tokens that are there already, times this; 1: as is
  std::int64_t max_tokens = 4096;       ///< source tokens of a batch, padding included: more is faster and takes memory
};

/// How a model is loaded, and how it translates.
struct TranslatorOptions {
  std::filesystem::path vocabulary = {};  ///< empty: the one that lies beside the checkpoint
  Precision precision = Precision::kFloat32;
  Device device = Device::kCpu;
  std::int64_t threads = 0;  ///< for computing, in the whole process; 0: as they are (LibTorch takes one a core)
  bool verify = true;        ///< hold the checkpoint's bytes against its checksums
  SearchOptions search = {};
};

/// One translation of a line, or what another task makes of it.
struct Hypothesis {
  std::string text;
  double score = 0.0;    ///< log probability / length^length_penalty, end mark counted
  bool cut_off = false;  ///< it does not end by itself: it reached the greatest length
};

/// What came of one line.
struct Translation {
  std::vector<Hypothesis> hypotheses;  ///< best first; at least one. A line without visible text gives an empty text
  std::size_t unknown_tokens = 0;      ///< of the line, those that the vocabulary does not know

  const std::string& text() const { return hypotheses.front().text; }
};

/// A model that translates: its weights, its vocabulary, and beam search.
///
///     polymoe::Translator translator("run");
///     std::cout << translator.translate("Open the file.", "en", "de").text() << '\n';
///
/// One thread at a time may use a translator; several translators may work at the same time.
class Translator {
 public:
  /// Loads a run's folder (its best checkpoint, or else the newest) or a checkpoint. Throws Error where there is none,
  /// where it is damaged, and for options out of range.
  explicit Translator(const std::filesystem::path& model, const TranslatorOptions& options = {});
  ~Translator();
  Translator(Translator&&) noexcept;
  Translator& operator=(Translator&&) noexcept;

  /// Translates lines of UTF-8, a sentence each, into one result each, in their order. They are sorted by length into
  /// batches, so many lines at once are faster than one after another. `task`: "translation", "denoising", or another
  /// that the model was trained for. Throws Error for an unknown language or task; the translator can be used on.
  std::vector<Translation> translate(std::span<const std::string> lines, std::string_view source_language,
                                     std::string_view target_language, std::string_view task = "translation");
  /// The same for one line.
  Translation translate(const std::string& line, std::string_view source_language, std::string_view target_language,
                        std::string_view task = "translation");

  /// The codes of the languages that the model has tags for. It need not have been trained in all directions.
  const std::vector<std::string>& languages() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace v0
}  // namespace polymoe
