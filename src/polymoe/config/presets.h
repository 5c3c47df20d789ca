#pragma once

#include <string>
#include <vector>

namespace polymoe {

struct ModelOptions;

/// Sets the sizes of a named model; other fields keep their values. Throws Error for an unknown name.
void apply_preset(ModelOptions& model, const std::string& name);
/// The names apply_preset() knows, smallest model first.
std::vector<std::string> preset_names();

}  // namespace polymoe
