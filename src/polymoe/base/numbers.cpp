#include "polymoe/base/numbers.h"

#include <array>
#include <cmath>
#include <ctime>

#include <fmt/core.h>

namespace polymoe {
namespace {

constexpr const char* kNoNumber = "–";
constexpr const char* kMinus = "−";

}  // namespace

std::string with_commas(double value) {
  if (!std::isfinite(value)) return kNoNumber;
  std::string digits = fmt::format("{:.0f}", std::fabs(value));
  for (std::size_t place = digits.size(); place > 3; place -= 3) digits.insert(place - 3, 1, ',');
  return value < 0 && digits != "0" ? kMinus + digits : digits;
}

std::string with_decimals(double value, int decimals) {
  if (!std::isfinite(value)) return kNoNumber;
  // Very long numbers would burst a table; nothing sensible is that large.
  if (std::fabs(value) >= 1e9) return fmt::format("{:.2e}", value);
  const std::string digits = fmt::format("{:.{}f}", std::fabs(value), decimals);
  const bool zero = digits.find_first_not_of("0.") == std::string::npos;
  return value < 0 && !zero ? kMinus + digits : digits;
}

std::string with_sign(double value, int decimals) {
  const std::string text = with_decimals(value, decimals);
  const bool positive = std::isfinite(value) && value > 0 && text.find_first_not_of("0.") != std::string::npos;
  return positive ? "+" + text : text;
}

std::string with_suffix(double value) {
  if (!std::isfinite(value) || std::fabs(value) < 9999.5) return with_commas(value);
  constexpr std::array<const char*, 5> kSuffixes = {"", " k", " M", " B", " T"};
  std::size_t power = 0;
  while (std::fabs(value) >= 999.5 && power + 1 < kSuffixes.size()) {
    value /= 1000;
    ++power;
  }
  const int decimals = power == 0 || std::fabs(value) >= 99.95 ? 0 : std::fabs(value) >= 9.995 ? 1 : 2;
  return with_decimals(value, decimals) + kSuffixes[power];
}

std::string as_percent(double share) { return std::isfinite(share) ? with_decimals(100 * share, 1) + "%" : kNoNumber; }

std::string as_duration(double seconds) {
  if (!std::isfinite(seconds) || seconds < 0) return kNoNumber;
  if (seconds < 10) return fmt::format("{:.1f} s", seconds);
  if (seconds >= 1e10) return kNoNumber;
  const auto whole = static_cast<long long>(std::llround(seconds));
  if (whole < 60) return fmt::format("{} s", whole);
  if (whole < 3600) return fmt::format("{} min {} s", whole / 60, whole % 60);
  if (whole < 86400) return fmt::format("{} h {} min", whole / 3600, whole % 3600 / 60);
  return fmt::format("{} d {} h", whole / 86400, whole % 86400 / 3600);
}

std::string as_utc(double time) {
  constexpr double kYear10000 = 253402300800.0;
  if (!std::isfinite(time) || time < 0 || time >= kYear10000) return kNoNumber;
  const auto seconds = static_cast<std::time_t>(time);
  std::tm parts{};
  gmtime_r(&seconds, &parts);
  std::array<char, 32> text{};
  std::strftime(text.data(), text.size(), "%Y-%m-%d %H:%M UTC", &parts);
  return text.data();
}

}  // namespace polymoe
