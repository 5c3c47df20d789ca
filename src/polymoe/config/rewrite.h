#pragma once

#include <string>

#include "polymoe/config/field.h"

namespace polymoe {

/// A configuration file with another section in the place of the one of its name, or at the end where it had none.
/// Fields that have the values of `defaults`, the same section of fresh options, are left out, and so is a section
/// without others. The rest of the file stays as it is, with comments and blank lines; those within the section go. It
/// knows sections that begin with their name in the first column and go on in indented lines, or end in their line; for
/// others read what comes out before you trust it. `yaml` is a file that loads.
std::string with_section(const std::string& yaml, const Section& section, const Section& defaults);

}  // namespace polymoe
