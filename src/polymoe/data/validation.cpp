#include "polymoe/data/validation.h"

#include <algorithm>
#include <map>
#include <utility>

#include "polymoe/base/error.h"
#include "polymoe/base/remarks.h"
#include "polymoe/data/cut.h"
#include "polymoe/data/examples.h"
#include "polymoe/data/layout.h"
#include "polymoe/data/pool.h"

namespace polymoe {
namespace {

/// Gives the text of lines, reading each file of texts once.
class TextSource {
 public:
  TextSource(const Dataset& dataset, std::string split) : dataset_(dataset), split_(std::move(split)) {}

  std::string text(const ExampleSet::Place& place, const IdFile& file, const std::string& column) {
    if (!keeps_text(split_)) {
      std::vector<std::int32_t> ids;
      file.read(place.line, ids);
      return dataset_.vocabulary().decode(ids);
    }
    std::vector<std::string>& lines = texts_[&file];
    if (lines.empty()) lines = dataset_.texts(place.part->corpus->name, split_, column);
    return lines[place.line];
  }

 private:
  const Dataset& dataset_;
  std::string split_;
  std::map<const IdFile*, std::vector<std::string>> texts_;
};

}  // namespace

ValidationSet make_validation_set(const Dataset& dataset, const Direction& direction, const std::string& split,
                                  std::int64_t max_examples, std::int64_t max_length, std::int64_t max_tokens,
                                  Task task, const NoiseOptions& noise) {
  ExampleIndex index(dataset, split, max_length);
  const std::string corpora = corpora_of(task, dataset.vocabulary());
  const Pool pool(dataset.vocabulary(), task, direction, index.examples(direction, corpora), noise, 0);
  const std::uint64_t usable = pool.examples().count();
  if (usable == 0) {
    throw Error(fmt::format("split '{}' has no segment of {}{} with both sides of at most {} tokens", split,
                            corpora.empty() ? "" : corpora + " ", direction.name(), max_length),
                {}, "leave the direction out of data.valid-directions, or prepare text for it");
  }
  if (const std::uint64_t too_long = pool.examples().too_long(); too_long > 0) {
    remark(fmt::format("data.max-length = {} leaves out {} of {} segments of {}{} in split '{}'", max_length, too_long,
                       usable + too_long, corpora.empty() ? "" : corpora + " ", direction.name(), split));
  }
  const std::uint64_t count = max_examples > 0 ? std::min(usable, static_cast<std::uint64_t>(max_examples)) : usable;
  std::vector<Pool::Draw> draws;
  for (std::uint64_t i = 0; i < count; ++i) {
    draws.push_back(pool.draw_at(i, pool.examples().place(i * usable / count)));
  }
  std::stable_sort(draws.begin(), draws.end(), [](const Pool::Draw& a, const Pool::Draw& b) {
    return std::pair(a.source_length, a.target_length) < std::pair(b.source_length, b.target_length);
  });

  ValidationSet set{task, direction, {}, {}, {}};
  TextSource texts(dataset, split);
  const bool is_text = corpora.empty();
  const std::string source_column = is_text ? direction.source : task_source_column(direction.source);
  const std::string target_column = is_text ? direction.target : task_target_column(direction.target);
  std::vector<Lengths> lengths;
  for (const Pool::Draw& draw : draws) {
    lengths.push_back({draw.source_length, draw.target_length});
    set.sources.push_back(texts.text(draw.place, *draw.place.part->source, source_column));
    set.references.push_back(texts.text(draw.place, *draw.place.part->target, target_column));
  }
  std::size_t begin = 0;
  for (const std::size_t end : cut_by_tokens(lengths, max_tokens)) {
    std::vector<Example> examples;
    for (; begin < end; ++begin) examples.push_back(pool.materialize(draws[begin]));
    set.batches.push_back(make_micro_batch(examples, dataset.vocabulary().pad()));
  }
  return set;
}

}  // namespace polymoe
