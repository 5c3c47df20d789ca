#include "polymoe/data/batch.h"

#include <algorithm>
#include <numeric>

namespace polymoe {
namespace {

void pad_row(std::vector<std::int32_t>& rows, std::int64_t length, std::int32_t padding_id) {
  rows.resize((rows.size() + static_cast<std::size_t>(length) - 1) / static_cast<std::size_t>(length) *
                  static_cast<std::size_t>(length),
              padding_id);
}

}  // namespace

std::int64_t MicroBatch::source_tokens() const {
  return std::accumulate(source_lengths.begin(), source_lengths.end(), std::int64_t{0});
}

std::int64_t MicroBatch::target_tokens() const {
  return std::accumulate(target_lengths.begin(), target_lengths.end(), std::int64_t{0});
}

MicroBatch make_micro_batch(const std::vector<Example>& examples, std::int32_t padding_id) {
  MicroBatch batch;
  batch.rows = static_cast<std::int64_t>(examples.size());
  for (const Example& example : examples) {
    batch.source_length = std::max(batch.source_length, static_cast<std::int64_t>(example.source.size()));
    batch.target_length = std::max(batch.target_length, static_cast<std::int64_t>(example.target.size()));
  }
  for (const Example& example : examples) {
    batch.source.insert(batch.source.end(), example.source.begin(), example.source.end());
    pad_row(batch.source, batch.source_length, padding_id);
    batch.target_input.push_back(example.start);
    batch.target_input.insert(batch.target_input.end(), example.target.begin(), example.target.end() - 1);
    pad_row(batch.target_input, batch.target_length, padding_id);
    batch.target_output.insert(batch.target_output.end(), example.target.begin(), example.target.end());
    pad_row(batch.target_output, batch.target_length, padding_id);
    batch.source_lengths.push_back(static_cast<std::int32_t>(example.source.size()));
    batch.target_lengths.push_back(static_cast<std::int32_t>(example.target.size()));
    batch.source_languages.push_back(example.source_language);
    batch.target_languages.push_back(example.target_language);
    batch.tasks.push_back(example.task);
  }
  return batch;
}

MicroBatch make_dummy_batch() {
  Example example;
  example.source = {0};
  example.target = {0};
  return make_micro_batch({example}, 0);
}

}  // namespace polymoe
