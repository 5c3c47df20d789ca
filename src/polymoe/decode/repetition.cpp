#include "polymoe/decode/repetition.h"

#include <algorithm>
#include <limits>

#include "polymoe/config/decode_options.h"
#include "polymoe/tensor/torch_headers.h"

namespace polymoe {
namespace {

/// Places in [rows, vocabulary], gathered on the host and taken to the device at once.
class Places {
 public:
  explicit Places(std::int64_t vocabulary) : vocabulary_(vocabulary) {}

  void add(std::size_t row, const std::vector<std::int32_t>& ids) {
    for (const std::int32_t id : ids) places_.push_back(static_cast<std::int64_t>(row) * vocabulary_ + id);
  }
  bool empty() const { return places_.empty(); }
  at::Tensor on(const at::Device& device) const { return at::tensor(places_, at::kLong).to(device); }

 private:
  std::int64_t vocabulary_;
  std::vector<std::int64_t> places_;
};

void make_unique(std::vector<std::int32_t>& ids) {
  std::sort(ids.begin(), ids.end());
  ids.erase(std::unique(ids.begin(), ids.end()), ids.end());
}

}  // namespace

std::vector<std::int32_t> completes_known_ngram(const SearchRow& row, std::int64_t n) {
  const std::vector<std::int32_t>&ids = *row.ids, &source = *row.source;
  std::vector<std::int32_t> found;
  const auto context = static_cast<std::ptrdiff_t>(n) - 1;
  if (static_cast<std::ptrdiff_t>(ids.size()) < n) return found;
  const auto last = ids.end() - context;
  for (auto begin = ids.begin(); begin != last; ++begin) {
    if (!std::equal(last, ids.end(), begin)) continue;
    if (std::search(source.begin(), source.end(), begin, begin + context + 1) != source.end()) continue;
    found.push_back(*(begin + context));
  }
  make_unique(found);
  return found;
}

void hold_back_repetition(const at::Tensor& log_probabilities, const std::vector<SearchRow>& rows,
                          const DecodeOptions& options) {
  Places known(log_probabilities.size(1)), banned(log_probabilities.size(1));
  for (std::size_t row = 0; row < rows.size(); ++row) {
    if (options.repetition_penalty != 1.0) {
      std::vector<std::int32_t> ids = *rows[row].ids;
      make_unique(ids);
      known.add(row, ids);
    }
    if (options.no_repeat_ngram > 0) banned.add(row, completes_known_ngram(rows[row], options.no_repeat_ngram));
  }
  const at::Tensor flat = log_probabilities.view({-1});
  if (!known.empty()) {
    const at::Tensor places = known.on(flat.device());
    flat.index_copy_(0, places, flat.index_select(0, places) * options.repetition_penalty);
  }
  if (!banned.empty()) flat.index_fill_(0, banned.on(flat.device()), -std::numeric_limits<float>::infinity());
}

}  // namespace polymoe
