#include "polymoe/data/stream.h"

#include <algorithm>

#include <nlohmann/json.hpp>

#include "polymoe/base/error.h"
#include "polymoe/base/random.h"
#include "polymoe/base/remarks.h"
#include "polymoe/data/cut.h"
#include "polymoe/data/examples.h"
#include "polymoe/data/permutation.h"
#include "polymoe/data/pool.h"

namespace polymoe {
namespace {

/// A number that changes with anything the sequence depends on.
std::uint64_t fingerprint_of(const Dataset& dataset, const DataOptions& o, std::int64_t max_tokens,
                             std::uint64_t seed) {
  std::string text = fmt::format("{} {} {} {} {} {}", dataset.fingerprint(), seed, max_tokens, o.max_length,
                                 o.bucket_examples, o.shuffle_distance);
  for (const double number :
       {o.temperature, o.translation_weight, o.denoising_weight, o.mask_ratio, o.mask_span, o.delete_ratio}) {
    text += fmt::format(" {}", number);
  }
  for (const std::string& pattern : o.directions) text += " " + pattern;
  // Only where they say something, so that runs from before there were such options go on where they were.
  if (o.task_temperature > 0) text += fmt::format(" temperature {}", o.task_temperature);
  for (const std::string& item : o.task_weights) text += " weight " + item;
  for (const std::string& item : o.task_schedule) text += " schedule " + item;
  if (o.subword_dropout > 0) text += fmt::format(" subword-dropout {}", o.subword_dropout);
  return fnv1a(text);
}

}  // namespace

struct BatchStream::State {
  State(const Dataset& data, const DataOptions& data_options, std::int64_t tokens, std::uint64_t run_seed)
      : options(data_options),
        max_tokens(tokens),
        pad(data.vocabulary().pad()),
        seed(run_seed),
        fingerprint(fingerprint_of(data, data_options, tokens, run_seed)),
        index(data, "train", data_options.max_length),
        pools(make_pools(data, index, data_options, run_seed)) {}

  struct Entry {
    const Pool* pool;
    Pool::Draw draw;
  };

  /// Draws the examples of a window and cuts them into batches.
  void fill(std::uint64_t number) {
    window = number;
    batch = 0;
    entries.clear();
    const auto size = static_cast<std::uint64_t>(options.bucket_examples);
    for (const Pool& pool : pools) {
      const std::uint64_t end = pool.draws_before((window + 1) * size);
      for (std::uint64_t draw = pool.draws_before(window * size); draw < end; ++draw) {
        entries.push_back({&pool, pool.draw(draw)});
      }
    }
    std::vector<Lengths> lengths;
    for (const Entry& entry : entries) lengths.push_back({entry.draw.source_length, entry.draw.target_length});
    order = order_by_lengths(lengths, max_tokens, RandomStream(seed, fnv1a("batch ties"), window));
    std::vector<Lengths> sorted;
    for (const std::size_t i : order) sorted.push_back(lengths[i]);
    ends = cut_by_tokens(sorted, max_tokens);
    filled = true;
  }

  /// Makes the next micro-batch the one at `batch` of `ends`.
  void advance() {
    if (!filled) fill(window);
    while (batch >= ends.size()) fill(window + 1);
  }

  DataOptions options;
  std::int64_t max_tokens;
  std::int32_t pad;
  std::uint64_t seed;
  std::uint64_t fingerprint;
  ExampleIndex index;
  std::vector<Pool> pools;
  std::vector<Share> shares;

  std::uint64_t window = 0;
  std::uint64_t batch = 0;  // micro-batches of the window already given
  bool filled = false;      // the three below belong to `window`
  std::vector<Entry> entries;
  std::vector<std::size_t> order;  // of the entries, by lengths
  std::vector<std::size_t> ends;   // of the micro-batches in `order`
  std::vector<Example> examples;
};

BatchStream::BatchStream(const Dataset& dataset, const DataOptions& options, std::int64_t max_tokens,
                         std::uint64_t seed) {
  if (2 * options.max_length > max_tokens) {
    throw Error(fmt::format("data.max-length: two sides of {} tokens do not fit into train.max-tokens = {}",
                            options.max_length, max_tokens),
                {}, fmt::format("lower data.max-length to {} or raise train.max-tokens", max_tokens / 2));
  }
  state_ = std::make_unique<State>(dataset, options, max_tokens, seed);
  for (const Pool& pool : state_->pools) {
    state_->shares.push_back({pool.task(), pool.direction(), pool.examples().count(), pool.share().first()});
  }
}

BatchStream::~BatchStream() = default;
BatchStream::BatchStream(BatchStream&&) noexcept = default;

MicroBatch BatchStream::next() {
  State& s = *state_;
  s.advance();
  const Permutation shuffled(s.ends.size(), RandomStream(s.seed, fnv1a("batch order"), s.window).bits(0));
  const std::uint64_t chosen = shuffled(s.batch++);
  s.examples.clear();
  for (std::size_t i = chosen == 0 ? 0 : s.ends[chosen - 1]; i < s.ends[chosen]; ++i) {
    const State::Entry& entry = s.entries[s.order[i]];
    s.examples.push_back(entry.pool->materialize(entry.draw));
  }
  return make_micro_batch(s.examples, s.pad);
}

void BatchStream::skip() {
  state_->advance();
  ++state_->batch;
}

nlohmann::json BatchStream::state() const {
  return {{"window", state_->window}, {"batch", state_->batch}, {"fingerprint", state_->fingerprint}};
}

void BatchStream::restore(const nlohmann::json& state) {
  State& s = *state_;
  std::uint64_t window = 0, batch = 0, fingerprint = 0;
  try {
    state.at("window").get_to(window);
    state.at("batch").get_to(batch);
    state.at("fingerprint").get_to(fingerprint);
  } catch (const nlohmann::json::exception& error) {
    fail("the data position of the checkpoint is damaged: {}", error.what());
  }
  constexpr std::uint64_t kMostWindows = std::uint64_t{1} << 36;  // times 2^26 examples still counts in 64 bits
  if (window > kMostWindows) fail("the data position of the checkpoint is damaged: window {}", window);
  s.fill(window);
  if (fingerprint != s.fingerprint || batch > s.ends.size()) {
    remark(fmt::format(
        "data, data options or seed are not those of the checkpoint; training data goes on from window {}", window));
    return;
  }
  s.batch = batch;
}

const std::vector<BatchStream::Share>& BatchStream::shares() const { return state_->shares; }

}  // namespace polymoe
