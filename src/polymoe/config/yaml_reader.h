#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "polymoe/config/merge.h"

namespace polymoe {

/// The keys and values of a YAML file in their order, sections flattened to full keys. "-" reads standard input. An
/// empty file gives none. Throws Error with file and line for what is not a map of sections: other text, binary data,
/// syntax errors, tabs as indentation, a key given twice, aliases, deep nesting, over 1 MiB.
std::vector<Assignment> read_yaml(const std::string& path);

/// The same from text; `name` stands for the file in messages.
std::vector<Assignment> parse_yaml(const std::string& text, const std::string& name);

}  // namespace polymoe
