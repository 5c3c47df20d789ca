#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <vector>

namespace polymoe {

/// The lines of a UTF-8 text file (gzip too; "-" is standard input). Throws Error with file and line for malformed
/// UTF-8, a NUL byte or an unreadable file.
std::vector<std::string> read_segments(const std::string& path);

/// Throws Error unless there is a reference stream, every stream is as long as the hypotheses, and they are not empty.
void check_streams(std::size_t hypotheses, std::span<const std::vector<std::string>> reference_streams);

}  // namespace polymoe
