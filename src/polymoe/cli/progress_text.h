#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "polymoe/base/progress.h"

namespace polymoe::cli {

/// Three significant digits: 7, 999, 1.23k, 45.6M, 7.89G; small rates as 0.25.
std::string human_number(double number);

/// 0:07, 12:34, 1:02:03.
std::string human_time(double seconds);

/// "prepare train: 45%, 450k of 1.00M lines, 12.3k lines/s, 0:45 left, loss 3.21". The rate counts from
/// `done_at_start`, `seconds` ago; a finished stage shows the time it took.
std::string progress_text(const Progress& progress, std::uint64_t done_at_start, double seconds);

/// The same with a bar behind the stage's name, where the total is known and it fits; cut at `width` characters.
std::string progress_line(const Progress& progress, std::uint64_t done_at_start, double seconds, std::size_t width);

}  // namespace polymoe::cli
