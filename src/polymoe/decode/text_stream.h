#pragma once

#include <cstddef>
#include <functional>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

namespace polymoe {

/// As much of the best translation of a sentence as is known.
struct PartialText {
  std::size_t sentence = 0;  ///< its place in the input
  std::string_view text;     ///< begins with what was told before
  std::string_view added;    ///< the end of `text` that was not
  bool complete = false;     ///< nothing more comes
};
using PartialSink = std::function<void(const PartialText&)>;

/// Tells of translations while they are made: those of sentences in parts one part after another, as they will be
/// joined. Thread-safe; the sink is called by one thread at a time.
class TextStream {
 public:
  /// Without a sink it does nothing.
  TextStream(const PartialSink& sink, std::size_t sentences) : sink_(sink), sentences_(sentences) {}

  bool is_watched() const { return sink_ != nullptr; }

  /// Before a sentence's first update.
  void set_parts(std::size_t sentence, std::size_t count) { sentences_[sentence].parts.resize(count); }
  /// Of a text that is not complete, only what later tokens cannot change is told.
  void update(std::size_t sentence, std::size_t part, std::string text, bool complete);

 private:
  struct Part {
    std::string text;
    bool complete = false;
  };
  struct Sentence {
    std::vector<Part> parts;
    std::string told;
  };

  const PartialSink& sink_;
  std::mutex mutex_;
  std::vector<Sentence> sentences_;
};

}  // namespace polymoe
