#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace polymoe {

/// The remedy for a name that is none of `names`: "did you mean 'de'? known: cs, de, en". Long lists are cut.
std::string known_names(std::string_view name, const std::vector<std::string>& names);

}  // namespace polymoe
