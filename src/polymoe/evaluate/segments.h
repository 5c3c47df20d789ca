#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace polymoe {

/// The lines of a UTF-8 text file (gzip too; "-" is standard input). Throws Error with file and line for malformed
/// UTF-8, a NUL byte or an unreadable file.
std::vector<std::string> read_segments(const std::string& path);

/// Throws Error unless there is a reference stream, every stream is as long as the hypotheses, and they are not empty.
void check_streams(std::size_t hypotheses, std::span<const std::vector<std::string>> reference_streams);

/// Checks the streams, and calls f(hypothesis, its references) for every segment.
template <typename Function>
void for_each_segment(std::span<const std::string> hypotheses,
                      std::span<const std::vector<std::string>> reference_streams, const Function& f) {
  check_streams(hypotheses.size(), reference_streams);
  std::vector<std::string_view> references(reference_streams.size());
  for (std::size_t i = 0; i < hypotheses.size(); ++i) {
    for (std::size_t r = 0; r < references.size(); ++r) references[r] = reference_streams[r][i];
    f(hypotheses[i], references);
  }
}

}  // namespace polymoe
