#pragma once

#include <filesystem>
#include <vector>

namespace polymoe {

/// Reads metrics.jsonl of each run folder and writes one HTML file that holds everything it shows: no network, no
/// scripts needed. Several runs are laid over each other for comparison; the first is the one others are compared with.
/// A run that is still going on is fine: an incomplete last line is skipped. Throws Error with file and line for other
/// damage, and leaves an older `out` untouched then.
void write_html_report(const std::vector<std::filesystem::path>& runs, const std::filesystem::path& out);

}  // namespace polymoe
