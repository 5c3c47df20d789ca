#include "polymoe/cli/progress_text.h"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "polymoe/base/quote.h"
#include "polymoe/base/utf8.h"

namespace polymoe::cli {
namespace {

double share_done(const Progress& p) {
  return std::min(1.0, static_cast<double>(p.done) / static_cast<double>(p.total));
}

/// Everything behind the stage's name.
std::string amounts(const Progress& p, std::uint64_t done_at_start, double seconds) {
  const double done_now = p.done > done_at_start ? static_cast<double>(p.done - done_at_start) : 0.0;
  const double rate = seconds > 0 ? done_now / seconds : 0.0;
  std::string text;
  if (p.total > 0) text = fmt::format("{:.0f}%, ", std::floor(100 * share_done(p)));
  text += human_number(static_cast<double>(p.done));
  if (p.total > 0 && !p.finished) text += " of " + human_number(static_cast<double>(p.total));
  text += " " + p.unit;
  if (rate > 0) text += fmt::format(", {} {}/s", human_number(rate), p.unit);
  if (p.finished) {
    text += ", took " + human_time(seconds);
  } else if (rate > 0 && p.total >= p.done) {
    text += fmt::format(", {} left", human_time(static_cast<double>(p.total - p.done) / rate));
  }
  if (!p.detail.empty()) text += ", " + p.detail;
  return one_line(text);
}

}  // namespace

std::string human_number(double number) {
  if (number < 1e3) {
    if (number == std::floor(number)) return fmt::format("{:.0f}", number);
    return fmt::format("{:.{}f}", number, number < 9.995 ? 2 : number < 99.95 ? 1 : 0);
  }
  constexpr const char* kSuffixes[] = {"", "k", "M", "G", "T"};
  std::size_t step = 0;
  while (number >= 999.5 && step + 1 < std::size(kSuffixes)) {
    number /= 1e3;
    ++step;
  }
  return fmt::format("{:.{}f}{}", number, number < 9.995 ? 2 : number < 99.95 ? 1 : 0, kSuffixes[step]);
}

std::string human_time(double seconds) {
  constexpr double kLongest = 999.0 * 3600;  // a stalled stage has no meaningful end
  const auto whole = static_cast<std::int64_t>(std::round(std::clamp(seconds, 0.0, kLongest)));
  const std::int64_t hours = whole / 3600, minutes = whole / 60 % 60, rest = whole % 60;
  return hours > 0 ? fmt::format("{}:{:02}:{:02}", hours, minutes, rest) : fmt::format("{}:{:02}", minutes, rest);
}

std::string progress_text(const Progress& progress, std::uint64_t done_at_start, double seconds) {
  return one_line(progress.stage) + ": " + amounts(progress, done_at_start, seconds);
}

std::string progress_line(const Progress& progress, std::uint64_t done_at_start, double seconds, std::size_t width) {
  constexpr std::size_t kBarWidth = 20;
  std::string bar;
  if (progress.total > 0) {
    const auto filled = static_cast<std::size_t>(share_done(progress) * kBarWidth);
    bar = fmt::format("[{}{}] ", std::string(filled, '='), std::string(kBarWidth - filled, ' '));
  }
  const std::string stage = one_line(progress.stage) + " ";
  const std::string numbers = amounts(progress, done_at_start, seconds);
  std::u32string line = decode_utf8(stage + bar + numbers);
  if (line.size() > width) line = decode_utf8(stage + numbers);
  return encode_utf8(line.substr(0, width));
}

}  // namespace polymoe::cli
