#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace polymoe {

/// One training example as ids, tags and end marks already in place.
///   source = [task's tag unless translation] [tag of the target language] tokens... </s>
///   target = tokens... </s>; the decoder reads [tag of the target language] tokens... and predicts `target`.
/// Imported models may have their tags and marks elsewhere (Frame).
struct Example {
  std::vector<std::int32_t> source;
  std::vector<std::int32_t> target;
  std::int32_t start = 0;            ///< the decoder's first input: the tag of the target language, or see Frame
  std::int32_t source_language = 0;  ///< index into Vocabulary::languages()
  std::int32_t target_language = 0;
  std::int32_t task = 0;  ///< index into task_names()
};

/// The unit of routing, dropout and Random Token Selection. Rows are padded at the end with the padding id.
struct MicroBatch {
  std::int64_t rows = 0;
  std::int64_t source_length = 0;              ///< padded
  std::int64_t target_length = 0;              ///< padded
  std::vector<std::int32_t> source;            ///< [rows, source_length]
  std::vector<std::int32_t> target_input;      ///< [rows, target_length]; starts with Example::start
  std::vector<std::int32_t> target_output;     ///< [rows, target_length]; ends with </s>
  std::vector<std::int32_t> source_lengths;    ///< [rows]
  std::vector<std::int32_t> target_lengths;    ///< [rows]
  std::vector<std::int32_t> source_languages;  ///< [rows]
  std::vector<std::int32_t> target_languages;  ///< [rows]
  std::vector<std::int32_t> tasks;             ///< [rows]

  std::int64_t source_tokens() const;  ///< without padding
  std::int64_t target_tokens() const;  ///< without padding
};

/// Pads `examples` into one micro-batch.
MicroBatch make_micro_batch(const std::vector<Example>& examples, std::int32_t padding_id);

/// The smallest micro-batch, one token on each side. It stands in where a process has none left but must take part in
/// what the others compute; its losses count for nothing.
MicroBatch make_dummy_batch();

}  // namespace polymoe
