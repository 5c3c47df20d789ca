// What members tell each other in words.
#include <algorithm>
#include <cstring>
#include <exception>
#include <numeric>

#include <ATen/core/Tensor.h>
#include <ATen/ops/empty.h>

#include "polymoe/comm/communicator.h"

namespace polymoe {

std::vector<std::string> all_gather_texts(Communicator& group, const std::string& text) {
  const auto size = static_cast<std::int64_t>(text.size());
  const at::Tensor own_size = at::empty({1}, c10::kLong), sizes = at::empty({group.size()}, c10::kLong);
  *own_size.mutable_data_ptr<std::int64_t>() = size;
  group.all_gather(own_size, sizes);

  const auto* first_size = sizes.const_data_ptr<std::int64_t>();
  const std::vector<std::int64_t> counts(first_size, first_size + group.size());
  const at::Tensor own = at::empty({size}, c10::kByte);
  const at::Tensor all = at::empty({std::accumulate(counts.begin(), counts.end(), std::int64_t{0})}, c10::kByte);
  if (size > 0) std::memcpy(own.mutable_data_ptr(), text.data(), text.size());
  group.all_gather(own, all, counts);

  std::vector<std::string> texts;
  const char* next = static_cast<const char*>(all.const_data_ptr());
  for (const std::int64_t count : counts) {
    texts.emplace_back(next, static_cast<std::size_t>(count));
    next += count;
  }
  return texts;
}

void run_collectively(Communicator& group, const std::function<void()>& work) {
  // A text of one mark and the message, so that a message may be empty.
  constexpr char kWorked = '+', kFailed = '-';
  std::string outcome(1, kWorked);
  std::exception_ptr own;
  try {
    work();
  } catch (const std::exception& error) {
    own = std::current_exception();
    outcome = kFailed + std::string(error.what());
  }
  const std::vector<std::string> outcomes = all_gather_texts(group, outcome);
  const auto failed = std::find_if(outcomes.begin(), outcomes.end(), [](const auto& o) { return o[0] == kFailed; });
  if (failed == outcomes.end()) return;
  const bool all_alike = std::all_of(outcomes.begin(), outcomes.end(), [&](const auto& o) { return o == *failed; });
  if (all_alike && outcomes.size() > 1) throw SharedError(failed->substr(1), {});
  const auto rank = static_cast<std::size_t>(failed - outcomes.begin());
  if (rank == static_cast<std::size_t>(group.rank())) std::rethrow_exception(own);
  throw SharedError(failed->substr(1), group.world_ranks()[rank]);
}

}  // namespace polymoe
