// Any bytes as the use of experts that pruning goes by, usage.json or, with a first byte of 1, a training's
// metrics.jsonl: an Error, or shares of at least 0 with a sum of 1.

#include <cmath>
#include <vector>

#include "fuzz/scratch.h"
#include "polymoe/surgery/usage.h"

namespace {

using polymoe::ExpertMetric;
using polymoe::GateStatistics;
using polymoe::UsageHeading;

void check_shares(const GateStatistics::Shares& shares) {
  double sum = 0;
  for (const double share : shares) {
    polymoe::require(share >= 0);
    sum += share;
  }
  polymoe::require(std::abs(sum - 1) < 1e-6);
}

void use(const GateStatistics& usage, const GateStatistics::Rows& rows_by_layer, UsageHeading heading) {
  for (const auto& [layer, rows] : rows_by_layer) {
    for (const auto& [name, row] : rows) {
      check_shares(row.use);
      if (!row.first.empty()) check_shares(row.first);
      const auto experts = static_cast<std::int64_t>(row.use.size());
      for (const std::vector<std::string>& wanted :
           {std::vector<std::string>{}, std::vector<std::string>{"en-*", "de"}, std::vector<std::string>{name}}) {
        for (const ExpertMetric metric : {ExpertMetric::kUse, ExpertMetric::kActivity, ExpertMetric::kImportance}) {
          polymoe::loads([&, &layer = layer, &row = row] {
            polymoe::require(usage.score(layer, experts, wanted, metric, heading).size() == row.use.size());
          });
        }
      }
    }
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const auto path = polymoe::scratch_folder() / (data[0] == 1 ? "metrics.jsonl" : "usage.json");
  polymoe::put_file(path, polymoe::text_of(data + 1, size - 1));
  polymoe::loads([&] {
    const GateStatistics usage = GateStatistics::read(path);
    use(usage, usage.directions, UsageHeading::kDirection);
    use(usage, usage.languages, UsageHeading::kLanguage);
  });
  return 0;
}
