#include "polymoe/data/pool.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include <fmt/ranges.h>

#include "polymoe/base/error.h"
#include "polymoe/base/random.h"
#include "polymoe/base/remarks.h"
#include "polymoe/data/permutation.h"

namespace polymoe {
namespace {

std::uint64_t pool_name(const std::string& task, const Direction& direction) {
  return fnv1a(task + " " + direction.name());
}

void append(std::vector<std::int32_t>& ids, const std::vector<std::int32_t>& more) {
  ids.insert(ids.end(), more.begin(), more.end());
}

/// Gives the pools of a task its shares at the points, divided by size and temperature.
void set_shares(std::vector<Pool>& pools, Task task, const Mixture& mixture, double temperature) {
  double sum = 0, largest = 1;
  for (const Pool& pool : pools) {
    if (pool.task() == task) largest = std::max(largest, static_cast<double>(pool.examples().count()));
  }
  // Of sizes as parts of the largest one, whose powers do not overflow.
  const auto part = [&](const Pool& pool) {
    return std::pow(static_cast<double>(pool.examples().count()) / largest, 1.0 / temperature);
  };
  for (const Pool& pool : pools) sum += pool.task() == task ? part(pool) : 0.0;
  for (Pool& pool : pools) {
    if (pool.task() != task) continue;
    std::vector<std::uint64_t> shares;
    for (const double task_share : mixture.shares.at(task)) {
      // Whole numbers from here on: the same batches on machines whose pow() rounds differently.
      const double share = std::ldexp(task_share * part(pool) / sum, ShareCurve::kBits);
      shares.push_back(
          std::max<std::uint64_t>(task_share > 0 ? 1 : 0, static_cast<std::uint64_t>(std::llround(share))));
    }
    pool.set_share({mixture.points, std::move(shares)});
  }
}

/// What data.max-length keeps from training, by task and direction.
class LeftOut {
 public:
  void add(const std::string& name, const ExampleSet& examples) {
    all_ += examples.count() + examples.too_long();
    if (examples.too_long() > 0) too_long_.emplace_back(examples.too_long(), name);
    if (examples.count() == 0) unused_.push_back(name);
  }

  void tell(std::int64_t max_length) {
    std::stable_sort(too_long_.begin(), too_long_.end(),
                     [](const auto& a, const auto& b) { return a.first > b.first; });
    std::vector<std::string> parts;
    std::uint64_t sum = 0;
    for (const auto& [count, name] : too_long_) {
      parts.push_back(fmt::format("{} of {}", count, name));
      sum += count;
    }
    if (sum > 0) {
      remark(fmt::format("data.max-length = {} leaves out {} of {} examples: {}", max_length, sum, all_, list(parts)));
    }
    if (!unused_.empty()) remark("without any example that can be used: " + list(unused_));
  }

 private:
  static std::string list(const std::vector<std::string>& items) {
    constexpr std::size_t kShown = 10;
    const auto end = items.begin() + static_cast<std::ptrdiff_t>(std::min(items.size(), kShown));
    const std::string others = items.size() > kShown ? fmt::format(" and {} others", items.size() - kShown) : "";
    return fmt::format("{}{}", fmt::join(items.begin(), end, ", "), others);
  }

  std::uint64_t all_ = 0;
  std::vector<std::pair<std::uint64_t, std::string>> too_long_;
  std::vector<std::string> unused_;
};

}  // namespace

Pool::Pool(const Vocabulary& vocabulary, Task task, Direction direction, ExampleSet examples, const NoiseOptions& noise,
           std::uint64_t seed, std::shared_ptr<const SubwordDropout> dropout)
    : task_(task),
      direction_(std::move(direction)),
      examples_(std::move(examples)),
      noise_(noise),
      dropout_(std::move(dropout)),
      seed_(seed),
      name_(pool_name(task_names(vocabulary).at(static_cast<std::size_t>(task)), direction_)),
      phase_(RandomStream(seed, fnv1a("pool phase"), name_).below(0, std::uint64_t{1} << ShareCurve::kBits)),
      source_language_(vocabulary.language_index(direction_.source)),
      target_language_(vocabulary.language_index(direction_.target)),
      frame_(make_frame(vocabulary, task, source_language_, target_language_)),
      mask_(vocabulary.mask()) {}

RandomStream Pool::noise_numbers(std::uint64_t number) const {
  return RandomStream(seed_, fnv1a("denoising noise"), name_, number);
}

void Pool::read(const Draw& draw, const IdFile& side, std::vector<std::int32_t>& tokens) const {
  if (dropout_ == nullptr) return side.read(draw.place.line, tokens);
  const bool is_target = &side == draw.place.part->target;
  std::vector<std::int32_t> whole;
  side.read(draw.place.line, whole);
  dropout_->apply(whole,
                  RandomStream(seed_, fnv1a(is_target ? "target subwords" : "source subwords"), name_, draw.number));
  append(tokens, whole);
}

std::int64_t Pool::length(const Draw& draw, const IdFile& side) const {
  if (dropout_ == nullptr) return static_cast<std::int64_t>(side.length(draw.place.line));
  std::vector<std::int32_t> tokens;
  read(draw, side, tokens);
  return static_cast<std::int64_t>(tokens.size());
}

Pool::Draw Pool::draw(std::uint64_t number) const {
  const std::uint64_t epoch = number / examples_.count();
  const Permutation order(examples_.count(), RandomStream(seed_, fnv1a("epoch order"), name_, epoch).bits(0));
  return draw_at(number, examples_.place(order(number % examples_.count())));
}

Pool::Draw Pool::draw_at(std::uint64_t number, const ExampleSet::Place& place) const {
  Draw draw{number, place, 0, 0};
  const std::int64_t target = length(draw, *place.part->target);
  const std::int64_t source = task_ == Task::kDenoising ? noisy_length(target, noise_, noise_numbers(number))
                                                        : length(draw, *place.part->source);
  draw.source_length = static_cast<std::int32_t>(source + frame_.source_marks());
  draw.target_length = static_cast<std::int32_t>(target + frame_.target_marks());
  return draw;
}

Example Pool::materialize(const Draw& draw) const {
  Example example;
  example.start = frame_.start;
  example.source_language = source_language_;
  example.target_language = target_language_;
  example.task = static_cast<std::int32_t>(task_);
  std::vector<std::int32_t> tokens;
  read(draw, *draw.place.part->target, tokens);
  example.source = frame_.source_head;
  if (task_ == Task::kDenoising) {
    const auto length = static_cast<std::int64_t>(tokens.size());
    for (const std::int32_t position : noisy_positions(length, noise_, noise_numbers(draw.number))) {
      example.source.push_back(position == kMaskedSpan ? mask_ : tokens[static_cast<std::size_t>(position)]);
    }
  } else {
    read(draw, *draw.place.part->source, example.source);
  }
  append(example.source, frame_.source_tail);
  example.target = frame_.target_head;
  append(example.target, tokens);
  append(example.target, frame_.target_tail);
  return example;
}

std::vector<Pool> make_pools(const Dataset& dataset, ExampleIndex& index, const DataOptions& options,
                             std::uint64_t seed) {
  const NoiseOptions noise = noise_of(options);
  std::shared_ptr<const SubwordDropout> dropout;
  if (options.subword_dropout > 0) {
    dropout = std::make_shared<SubwordDropout>(dataset.vocabulary(), options.subword_dropout,
                                               options.max_length - kMostMarks);
  }
  const std::string limits = fmt::format("; segments over data.max-length = {} are left out", options.max_length);
  const std::vector<std::string> names = task_names(dataset.vocabulary());
  std::vector<Pool> pools;
  std::map<Task, std::uint64_t> counts;
  LeftOut left_out;
  const auto add = [&](Task task, const Direction& direction, const std::string& corpora) {
    ExampleSet examples = index.examples(direction, corpora);
    left_out.add(names.at(static_cast<std::size_t>(task)) + " " + direction.name(), examples);
    if (examples.count() == 0) return false;
    counts[task] += examples.count();
    pools.emplace_back(dataset.vocabulary(), task, direction, std::move(examples), noise, seed, dropout);
    return true;
  };

  if (largest_weight(options, "translation") > 0) {
    const auto& patterns = options.directions;
    for (const Direction& direction : match_directions(patterns, dataset.directions("train"), dataset.languages())) {
      const auto names_it = [&](const std::string& pattern) {
        return find_direction(pattern, dataset.languages()) == direction;
      };
      if (!add(Task::kTranslation, direction, "") && std::any_of(patterns.begin(), patterns.end(), names_it)) {
        throw Error(fmt::format("direction {} has no segment with both sides{}", direction.name(), limits), {},
                    "leave it out of data.directions");
      }
    }
    if (pools.empty()) {
      throw Error("the train split has no parallel segments" + limits, {},
                  "prepare parallel text, or set data.translation-weight to 0");
    }
  }
  if (largest_weight(options, "denoising") > 0) {
    bool any = false;
    for (const std::string& language : dataset.languages()) any |= add(Task::kDenoising, {language, language}, "");
    if (!any) throw Error("the train split has no segments" + limits, {}, "prepare a corpus with a train split");
  }
  for (std::size_t task = 2; task < names.size(); ++task) {
    if (largest_weight(options, names[task]) == 0) continue;
    for (const Direction& direction : dataset.task_directions(names[task], "train")) {
      add(static_cast<Task>(task), direction, names[task]);
    }
  }
  if (pools.empty()) throw Error("there is nothing to train on" + limits, {}, "give a task of the data a weight");
  left_out.tell(options.max_length);
  const Mixture mixture = make_mixture(options, counts, dataset.vocabulary());
  for (const auto& [task, count] : counts) set_shares(pools, task, mixture, options.temperature);
  return pools;
}

}  // namespace polymoe
