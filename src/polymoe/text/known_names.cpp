#include "polymoe/text/known_names.h"

#include <algorithm>

#include <fmt/ranges.h>

#include "polymoe/config/nearest.h"

namespace polymoe {

std::string known_names(std::string_view name, const std::vector<std::string>& names) {
  if (names.empty()) return "none is known";
  constexpr std::size_t kMostShown = 60;
  const auto end = names.begin() + static_cast<std::ptrdiff_t>(std::min(names.size(), kMostShown));
  const std::string near = nearest(name, names);
  return fmt::format("{}known: {}{}", near.empty() ? "" : fmt::format("did you mean '{}'? ", near),
                     fmt::join(names.begin(), end, ", "), names.size() > kMostShown ? ", ..." : "");
}

}  // namespace polymoe
