// Any bytes as the use of experts that pruning goes by, usage.json or, with a first byte of 1, a training's
// metrics.jsonl: an Error, or shares of at least 0 with a sum of 1.

#include <cmath>
#include <vector>

#include "fuzz/scratch.h"
#include "polymoe/surgery/usage.h"

namespace {

void use(const polymoe::GateStatistics& usage) {
  for (const auto& [layer, rows] : usage.layers) {
    for (const auto& [name, shares] : rows) {
      double sum = 0;
      for (const double share : shares) {
        polymoe::require(share >= 0);
        sum += share;
      }
      polymoe::require(std::abs(sum - 1) < 1e-6);
      for (const std::vector<std::string>& wanted :
           {std::vector<std::string>{}, std::vector<std::string>{"en-*", "de"}, std::vector<std::string>{name}}) {
        polymoe::loads([&, &layer = layer, &shares = shares] {
          polymoe::require(usage.mean(layer, static_cast<std::int64_t>(shares.size()), wanted).size() == shares.size());
        });
      }
    }
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const auto path = polymoe::scratch_folder() / (data[0] == 1 ? "metrics.jsonl" : "usage.json");
  polymoe::put_file(path, polymoe::text_of(data + 1, size - 1));
  polymoe::loads([&] { use(polymoe::GateStatistics::read(path)); });
  return 0;
}
