#include "polymoe/comm/late_ranks.h"

#include <fmt/format.h>

#include "polymoe/base/quote.h"

namespace polymoe {
namespace {

std::string named(const std::vector<int>& ranks) {
  return fmt::format("rank{} {}", ranks.size() == 1 ? "" : "s", list_of_ranks(ranks));
}

}  // namespace

std::string list_of_ranks(const std::vector<int>& ranks) {
  std::string text;
  for (std::size_t begin = 0, end = 0; begin < ranks.size(); begin = end) {
    end = begin + 1;
    while (end < ranks.size() && ranks[end] == ranks[end - 1] + 1) ++end;
    if (!text.empty()) text += ", ";
    text += end - begin == 1 ? fmt::format("{}", ranks[begin]) : fmt::format("{}-{}", ranks[begin], ranks[end - 1]);
  }
  return text;
}

std::string time_out_message(const OperationName& operation, Transport& transport,
                             std::chrono::duration<double> time_out) {
  std::vector<int> late, silent;
  const std::vector<std::optional<std::int64_t>> entered = transport.entered_by_members();
  for (std::size_t member = 0; member < entered.size(); ++member) {
    const int rank = operation.world_ranks[member];
    if (!entered[member]) {
      silent.push_back(rank);
    } else if (*entered[member] <= operation.number) {
      late.push_back(rank);
    }
  }
  std::string reason;
  if (!late.empty()) reason += fmt::format("; late: {}", named(late));
  if (!silent.empty()) reason += fmt::format("; no answer from {}", named(silent));
  if (reason.empty()) reason = "; all members have begun it, but the messages of some do not arrive";
  return fmt::format("{} number {} of group {} ({}) has made no progress for {:.3g} seconds{}",
                     collective_name(operation.collective), operation.number + 1, in_quotes(operation.group),
                     named(operation.world_ranks), time_out.count(), reason);
}

}  // namespace polymoe
