#pragma once

#include <vector>

#include "polymoe/config/field.h"

namespace polymoe {

struct DecodeOptions;
struct PlannerOptions;
struct RunOptions;

/// The tables of options: keys, help, ranges, and pointers into `options`. Config files, `--help` and `--dump-config`
/// come from them.
std::vector<Section> sections_of(RunOptions& options);
std::vector<Section> sections_of(PlannerOptions& options);
std::vector<Section> sections_of(DecodeOptions& options);

}  // namespace polymoe
